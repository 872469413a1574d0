"""TLS for SIP: who we are, whom we believe, and certificates that are renewed while calls go on.

Versions below 1.2 are refused. A peer that we call must prove to be the domain that was called
(RFC 5922 §7): by the URI `sip:domain` in its certificate if there is one, else by a DNS name. We
diverge from §7.2 in one point: a wildcard in the left-most label counts, as trunks use such
certificates.
"""

import logging
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from ..errors import SipError, SipListenError
from ..transport import Hop

log = logging.getLogger(__name__)

RELOAD_S = 2.0
"""How often at most a changed certificate is looked for."""


class TlsRefused(SipError):
    """A peer did not prove who it is; the message says what its certificate names."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. Without a certificate we can call over TLS, but not be called."""

    certificate: Path | None = None
    """Our chain, the leaf first."""
    key: Path | None = None
    ca: Path | None = None
    """The authorities that peers are checked against; None: the system's."""


class TlsContexts:
    """The TLS contexts of one endpoint."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises SipListenError when a file cannot be used."""
        self._files = files
        self._seen = self._state()
        self._looked = time.monotonic()
        self.client = self._client()
        self._server = self._make_server()
        self.reloads = 0

    @property
    def server(self) -> ssl.SSLContext:
        """The context that listens. Raises SipListenError without a certificate."""
        if self._server is None:
            raise SipListenError(
                "SIP over TLS needs a certificate: set RUNTIME_SIP_TLS_CERTIFICATE and "
                "RUNTIME_SIP_TLS_KEY."
            )
        return self._server

    def reload(self) -> None:
        """Take the certificate from its file again; what cannot be used leaves the old one."""
        try:
            self._server = self._make_server()
        except SipListenError as error:
            log.error("the renewed SIP certificate is not used", extra={"why": error})
            return
        self.reloads += 1
        log.info("SIP certificate renewed")

    def _make_server(self) -> ssl.SSLContext | None:
        if self._files.certificate is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load(context, self._files)
        context.sni_callback = self._greeted
        return context

    def _client(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = False  # `check_peer` does it, by the rules of SIP
        try:
            if self._files.ca:
                context.load_verify_locations(self._files.ca)
            else:
                context.load_default_certs()
        except (OSError, ssl.SSLError) as error:
            raise SipListenError(
                f"The authorities in {self._files.ca} cannot be read: {error}."
            ) from error
        if self._files.certificate:
            _load(context, self._files)  # for trunks that ask us to prove who we are
        return context

    def _greeted(self, connection: Any, name: str | None, context: ssl.SSLContext) -> None:
        """A client says hello: it meets the newest certificate."""
        now = time.monotonic()
        if now - self._looked >= RELOAD_S:
            self._looked = now
            state = self._state()
            if state != self._seen:
                self._seen = state
                self.reload()
        if self._server is not None and self._server is not context:
            connection.context = self._server

    def _state(self) -> tuple[int, ...]:
        files = [file for file in (self._files.certificate, self._files.key) if file]
        try:
            return tuple(file.stat().st_mtime_ns for file in files)
        except OSError:
            return self._seen  # being replaced just now


def check_peer(certificate: Any, hop: Hop) -> None:
    """Whether a certificate is of whom we called (RFC 5922 §7.1). Raises TlsRefused.

    `certificate` is what `getpeercert` gives.
    """
    wanted = (hop.server_name or hop.host).lower().rstrip(".")
    names = list((certificate or {}).get("subjectAltName", ()))
    uris = [value[4:].lower() for kind, value in names if kind == "URI" and value[:4] == "sip:"]
    hosts = [value.lower() for kind, value in names if kind == "DNS"]
    addresses = [value for kind, value in names if kind == "IP Address"]
    if not names:
        subject = (certificate or {}).get("subject", ())
        hosts = [v.lower() for rdn in subject for k, v in rdn if k == "commonName"]
    if _is_address(wanted):
        if any(_is_address(one) == _is_address(wanted) for one in addresses):
            return
    elif wanted in uris or (not uris and _matches(wanted, hosts)):
        return
    shown = ", ".join([*uris, *hosts, *addresses][:5]) or "nobody"
    raise TlsRefused(f"the certificate of {hop.host} is for {shown[:200]}, not for {wanted}")


def _matches(wanted: str, hosts: Iterable[str]) -> bool:
    _, _, parent = wanted.partition(".")
    return any(host == wanted or (parent and host == f"*.{parent}") for host in hosts)


def _is_address(text: str) -> str | None:
    try:
        return ip_address(text).exploded
    except ValueError:
        return None


def _load(context: ssl.SSLContext, files: TlsFiles) -> None:
    try:
        context.load_cert_chain(files.certificate or "", files.key)
    except (OSError, ssl.SSLError) as error:
        raise SipListenError(
            f"The certificate {files.certificate} with the key {files.key} cannot be used: {error}."
        ) from error
