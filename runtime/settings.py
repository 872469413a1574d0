"""The settings: read once from the environment, checked, and handed on as values.

This is the only module that reads the environment. A wrong value stops the start with a sentence
that names the variable, what it is and what it may be; all wrong values are told at once.
docs/settings.md describes every variable.
"""

import base64
import binascii
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from ..base.errors import ConfigurationError
from ..media.io.transport import KINDS, Kind

T = TypeVar("T")

PREFIXES = ("RUNTIME_", "VOICE_PIPELINE_")
MINIMUM_KEY_LENGTH = 16
PORTS_PER_CALL = 2
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
DNS_PORT = 53

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NOT_OFFERED = {
    "RUNTIME_STORE_POSTGRES_URL": "keeps its data in SQLite in RUNTIME_DATA_DIR",
    "REDIS_URL": "runs as a single node, which needs no Redis",
    "RUNTIME_ARTIFACT_S3_BUCKET": "keeps recordings and captures in RUNTIME_DATA_DIR",
}
"""Settings of the product that this version cannot act on. Set, they stop the start: data must
never lie somewhere else than its owner believes."""

NOT_USED = {
    "RUNTIME_STORE_ENCRYPTION_KEY": "is valid, but this version does not encrypt what it stores.",
    "WEBHOOK_SIGNING_SECRET": "is valid, but this version sends no webhooks to sign.",
}
"""Settings that are checked and have no effect in this version."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set."""

    http_host: str = "127.0.0.1"
    http_port: int = 8080
    public_url: str | None = None
    sip_host: str = "127.0.0.1"
    sip_port: int = 5060
    advertised_host: str | None = None
    sip_second_host: str | None = None
    tls_port: int = 5061
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    trusted: tuple[Network, ...] = LOOPBACK
    nameservers: tuple[tuple[str, int], ...] = ()
    countries: tuple[str, ...] = ()
    sip_targets: tuple[str, ...] = ("127.0.0.0/8", "::1")
    calls_per_second: int = 50
    drain_s: int = 60
    media_timeout_s: int = 60
    rtp_ports: tuple[int, int] = (20000, 20999)
    media_io: Kind = "auto"
    max_calls: int = 100
    media_processes: int = max(len(os.sched_getaffinity(0)) - 1, 1)
    data_dir: Path = Path("data")
    api_key: str | None = field(default=None, repr=False)
    encryption_key: bytes | None = field(default=None, repr=False)
    webhook_signing_secret: str | None = field(default=None, repr=False)
    voice_enabled: bool = True
    stt_enabled: bool = True
    tts_enabled: bool = True
    log_level: str = "info"
    warnings: tuple[str, ...] = ()
    """Sentences about settings that have no effect; logged at the start."""

    @property
    def api_url(self) -> str:
        """Where clients reach the REST API."""
        host = f"[{self.http_host}]" if ":" in self.http_host else self.http_host
        return self.public_url or f"http://{host}:{self.http_port}"

    @property
    def signalled_host(self) -> str:
        """The address that goes into Contact headers and SDP."""
        return self.advertised_host or self.sip_host


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check the environment. Raises ConfigurationError naming every wrong value."""
    reader = _Reader(os.environ if environ is None else environ)
    defaults = Settings()
    settings = Settings(
        http_host=reader.read("RUNTIME_HTTP_HOST", _address, defaults.http_host),
        http_port=reader.read("RUNTIME_HTTP_PORT", _port, defaults.http_port),
        public_url=reader.read("RUNTIME_PUBLIC_URL", _url, None),
        sip_host=reader.read("RUNTIME_SIP_HOST", _address, defaults.sip_host),
        sip_port=reader.read("RUNTIME_SIP_PORT", _port, defaults.sip_port),
        advertised_host=reader.read("RUNTIME_SIP_ADVERTISED_HOST", _unicast, None),
        sip_second_host=reader.read("RUNTIME_SIP_SECOND_HOST", _unicast, None),
        tls_port=reader.read("RUNTIME_SIP_TLS_PORT", _port, defaults.tls_port),
        tls_certificate=reader.read("RUNTIME_SIP_TLS_CERTIFICATE", _file, None),
        tls_key=reader.read("RUNTIME_SIP_TLS_KEY", _file, None),
        tls_ca=reader.read("RUNTIME_SIP_TLS_CA", _file, None),
        trusted=reader.read("RUNTIME_SIP_TRUSTED", _networks, defaults.trusted),
        nameservers=reader.read("RUNTIME_SIP_NAMESERVERS", _nameservers, ()),
        countries=reader.read("RUNTIME_SIP_COUNTRIES", _calling_codes, ()),
        sip_targets=reader.read("RUNTIME_SIP_TARGETS", _targets, defaults.sip_targets),
        calls_per_second=reader.read(
            "RUNTIME_SIP_CALLS_PER_SECOND", _positive, defaults.calls_per_second
        ),
        drain_s=reader.read("RUNTIME_DRAIN_SECONDS", _positive, defaults.drain_s),
        media_timeout_s=reader.read(
            "RUNTIME_MEDIA_TIMEOUT_SECONDS", _positive, defaults.media_timeout_s
        ),
        rtp_ports=reader.read("RUNTIME_RTP_PORTS", _port_range, defaults.rtp_ports),
        media_io=reader.read("RUNTIME_MEDIA_IO", _media_io, defaults.media_io),
        max_calls=reader.read("RUNTIME_MAX_CALLS", _positive, defaults.max_calls),
        media_processes=reader.read("RUNTIME_MEDIA_PROCESSES", _positive, defaults.media_processes),
        data_dir=reader.read("RUNTIME_DATA_DIR", Path, defaults.data_dir),
        api_key=reader.read("RUNTIME_API_KEY", _key, None),
        encryption_key=reader.read("RUNTIME_STORE_ENCRYPTION_KEY", _encryption_key, None),
        webhook_signing_secret=reader.read("WEBHOOK_SIGNING_SECRET", _secret, None),
        voice_enabled=reader.read("VOICE_PIPELINE_ENABLED", _switch, True),
        stt_enabled=reader.read("VOICE_PIPELINE_STT_ENABLED", _switch, True),
        tts_enabled=reader.read("VOICE_PIPELINE_TTS_ENABLED", _switch, True),
        log_level=reader.read("RUNTIME_LOG_LEVEL", _level, defaults.log_level),
    )
    reader.check(settings)
    if reader.problems:
        raise ConfigurationError("\n".join(reader.problems))
    return replace(settings, warnings=reader.without_effect())


class _Reader:
    """Reads variables, collecting what is wrong instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._known: set[str] = set()
        self.problems: list[str] = []

    def read(self, name: str, parse: Callable[[str], T], default: T) -> T:
        self._known.add(name)
        text = self._environ.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
            return default

    def check(self, settings: Settings) -> None:
        for name, instead in NOT_OFFERED.items():
            if self._environ.get(name, "").strip():
                self.problems.append(f"{name}: this version {instead}. Unset it to start.")
        if ipaddress.ip_address(settings.sip_host).is_unspecified and not settings.advertised_host:
            self.problems.append(
                "RUNTIME_SIP_HOST: a wildcard address needs RUNTIME_SIP_ADVERTISED_HOST, "
                "the address that callers can reach."
            )
        second = settings.sip_second_host
        if second and (":" in second) == (":" in settings.sip_host):
            self.problems.append(
                "RUNTIME_SIP_SECOND_HOST: must be of the other IP version than RUNTIME_SIP_HOST."
            )
        if bool(settings.tls_certificate) != bool(settings.tls_key):
            self.problems.append(
                "RUNTIME_SIP_TLS_CERTIFICATE and RUNTIME_SIP_TLS_KEY: give both, or neither."
            )
        low, high = settings.rtp_ports
        calls = (high - low + 1) // PORTS_PER_CALL
        if calls < settings.max_calls:
            self.problems.append(
                f"RUNTIME_RTP_PORTS: {low}-{high} has room for {calls} calls, but "
                f"RUNTIME_MAX_CALLS is {settings.max_calls}. Each call takes two ports."
            )

    def without_effect(self) -> tuple[str, ...]:
        unknown = sorted(
            name for name in self._environ.keys() - self._known if name.startswith(PREFIXES)
        )
        return (
            *(f"{name}: there is no such setting. See docs/settings.md." for name in unknown),
            *(f"{name}: {why}" for name, why in NOT_USED.items() if self._environ.get(name)),
        )


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address, such as 127.0.0.1 or ::1.") from None


def _unicast(text: str) -> str:
    address = _address(text)
    if ipaddress.ip_address(address).is_unspecified:
        raise ValueError(f"{text!r} is a wildcard; give the address that callers can reach.")
    return address


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ValueError(f"{text!r} is not a port, a number from 1 to 65535.")
    return int(text)


def _port_range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})-(\d{1,5})", text)
    if not match:
        raise ValueError(f"{text!r} is not a range of ports, such as 20000-20999.")
    low, high = _port(match[1]), _port(match[2])
    if low % 2 or low < 1024 or high <= low:
        raise ValueError(f"{text!r} must begin with an even port of at least 1024 and go upwards.")
    return low, high


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError(f"{text!r} is not a file that can be read.")
    return path


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is not an IP address or network, such as 10.0.0.0/8.") from None


def _networks(text: str) -> tuple[Network, ...]:
    return () if text == "none" else tuple(_network(item) for item in _items(text))


def _targets(text: str) -> tuple[str, ...]:
    """Networks and host names; `*` for any."""
    if text == "none":
        return ()
    for item in _items(text):
        if not re.fullmatch(r"\*|(?=.*[a-zA-Z])[a-zA-Z0-9.-]+", item):
            _network(item)
    return tuple(_items(text))


def _nameservers(text: str) -> tuple[tuple[str, int], ...]:
    """Addresses, each with `:port` if it is not 53; IPv6 with a port in brackets."""
    servers = []
    for item in _items(text):
        match = re.fullmatch(r"\[(.+)\]:(\d+)|([\d.]+):(\d+)", item)
        host, port = (match[1] or match[3], match[2] or match[4]) if match else (item, "")
        servers.append((_unicast(host), _port(port) if port else DNS_PORT))
    return tuple(servers)


def _calling_codes(text: str) -> tuple[str, ...]:
    codes = tuple(item.removeprefix("+") for item in _items(text))
    for code in codes:
        if not re.fullmatch(r"[1-9]\d{0,6}", code, re.ASCII):
            raise ValueError(f"{code!r} is not a calling code or prefix, such as 49 or 4930.")
    return codes


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100_000:
        raise ValueError(f"{text!r} is not a number from 1 to 100000.")
    return int(text)


def _switch(text: str) -> bool:
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"false", "0", "no", "off"}:
        return False
    raise ValueError(f"{text!r} is neither true nor false.")


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not a web address, such as https://voice.example.com.")
    return text.rstrip("/")


def _key(text: str) -> str:
    if len(text) < MINIMUM_KEY_LENGTH or not text.isascii() or not text.isprintable():
        raise ValueError(f"a key has at least {MINIMUM_KEY_LENGTH} printable ASCII characters.")
    return text


def _secret(text: str) -> str:
    if len(text) < MINIMUM_KEY_LENGTH:
        raise ValueError(f"a signing secret has at least {MINIMUM_KEY_LENGTH} characters.")
    return text


def _encryption_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ValueError("must be 32 random bytes in base64, as `openssl rand -base64 32` prints.")
    return key


def _media_io(text: str) -> Kind:
    for kind in KINDS:
        if text.lower() == kind:
            return kind
    raise ValueError(f"{text!r} is not one of {', '.join(KINDS)}.")


def _level(text: str) -> str:
    if text.lower() not in {"debug", "info", "warning", "error"}:
        raise ValueError(f"{text!r} is not one of debug, info, warning, error.")
    return text.lower()
