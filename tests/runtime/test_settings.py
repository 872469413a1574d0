"""Settings: every variable acts, every wrong value is refused with a sentence."""

import base64
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from aywa.base.errors import ConfigurationError
from aywa.runtime.settings import NOT_OFFERED, Settings, load


def test_an_empty_environment_gives_the_embedded_defaults() -> None:
    assert load({}) == Settings()


def test_every_variable_acts(tmp_path: Path) -> None:
    certificate = tmp_path / "tls.pem"
    certificate.touch()
    key = base64.b64encode(bytes(range(32))).decode()
    settings = load(
        {
            "RUNTIME_HTTP_HOST": "::1",
            "RUNTIME_HTTP_PORT": "9000",
            "RUNTIME_PUBLIC_URL": "https://voice.example.com/",
            "RUNTIME_SIP_HOST": "0.0.0.0",
            "RUNTIME_SIP_PORT": "5080",
            "RUNTIME_SIP_ADVERTISED_HOST": "192.0.2.1",
            "RUNTIME_SIP_SECOND_HOST": "2001:db8::1",
            "RUNTIME_SIP_TLS_PORT": "5161",
            "RUNTIME_SIP_TLS_CERTIFICATE": str(certificate),
            "RUNTIME_SIP_TLS_KEY": str(certificate),
            "RUNTIME_SIP_TLS_CA": str(certificate),
            "RUNTIME_SIP_TRUSTED": "192.0.2.0/24, 2001:db8::7",
            "RUNTIME_SIP_NAMESERVERS": "192.0.2.53, 192.0.2.54:5353, [2001:db8::53]:54, ::1",
            "RUNTIME_SIP_COUNTRIES": "+49,380",
            "RUNTIME_SIP_TARGETS": "10.0.0.0/8, pbx.example.com",
            "RUNTIME_SIP_CALLS_PER_SECOND": "7",
            "RUNTIME_DRAIN_SECONDS": "300",
            "RUNTIME_MEDIA_TIMEOUT_SECONDS": "30",
            "RUNTIME_RTP_PORTS": "30000-30099",
            "RUNTIME_MEDIA_IO": "plain",
            "RUNTIME_MAX_CALLS": "50",
            "RUNTIME_MEDIA_PROCESSES": "3",
            "RUNTIME_DATA_DIR": "/srv/aywa",
            "RUNTIME_API_KEY": "k" * 20,
            "RUNTIME_STORE_ENCRYPTION_KEY": key,
            "WEBHOOK_SIGNING_SECRET": "s" * 32,
            "VOICE_PIPELINE_ENABLED": "false",
            "VOICE_PIPELINE_STT_ENABLED": "no",
            "VOICE_PIPELINE_TTS_ENABLED": "0",
            "RUNTIME_LOG_LEVEL": "debug",
        }
    )
    assert [warning.split(":")[0] for warning in settings.warnings] == [
        "RUNTIME_STORE_ENCRYPTION_KEY",
        "WEBHOOK_SIGNING_SECRET",
    ]
    assert replace(settings, warnings=()) == Settings(
        http_host="::1",
        http_port=9000,
        public_url="https://voice.example.com",
        sip_host="0.0.0.0",
        sip_port=5080,
        advertised_host="192.0.2.1",
        sip_second_host="2001:db8::1",
        tls_port=5161,
        tls_certificate=certificate,
        tls_key=certificate,
        tls_ca=certificate,
        trusted=(ip_network("192.0.2.0/24"), ip_network("2001:db8::7/128")),
        nameservers=(
            ("192.0.2.53", 53),
            ("192.0.2.54", 5353),
            ("2001:db8::53", 54),
            ("::1", 53),
        ),
        countries=("49", "380"),
        sip_targets=("10.0.0.0/8", "pbx.example.com"),
        calls_per_second=7,
        drain_s=300,
        media_timeout_s=30,
        rtp_ports=(30000, 30099),
        media_io="plain",
        max_calls=50,
        media_processes=3,
        data_dir=Path("/srv/aywa"),
        api_key="k" * 20,
        encryption_key=bytes(range(32)),
        webhook_signing_secret="s" * 32,
        voice_enabled=False,
        stt_enabled=False,
        tts_enabled=False,
        log_level="debug",
    )
    assert settings.api_url == "https://voice.example.com"
    assert settings.signalled_host == "192.0.2.1"


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("RUNTIME_HTTP_HOST", "localhost", "is not an IP address"),
        ("RUNTIME_HTTP_PORT", "0", "is not a port"),
        ("RUNTIME_HTTP_PORT", "eighty", "is not a port"),
        ("RUNTIME_PUBLIC_URL", "voice.example.com", "is not a web address"),
        ("RUNTIME_SIP_HOST", "0.0.0.0", "needs RUNTIME_SIP_ADVERTISED_HOST"),
        ("RUNTIME_SIP_ADVERTISED_HOST", "::", "is a wildcard"),
        ("RUNTIME_MEDIA_IO", "epoll", "is not one of auto, uring, plain"),
        ("RUNTIME_RTP_PORTS", "20000", "is not a range of ports"),
        ("RUNTIME_RTP_PORTS", "20001-20999", "must begin with an even port"),
        ("RUNTIME_RTP_PORTS", "20000-20009", "has room for 5 calls"),
        ("RUNTIME_MAX_CALLS", "-3", "is not a number"),
        ("RUNTIME_API_KEY", "short", "at least 16"),
        ("RUNTIME_STORE_ENCRYPTION_KEY", "abc", "32 random bytes"),
        ("WEBHOOK_SIGNING_SECRET", "abc", "at least 16"),
        ("VOICE_PIPELINE_ENABLED", "maybe", "neither true nor false"),
        ("RUNTIME_LOG_LEVEL", "loud", "is not one of"),
        *((name, "x", "Unset it to start") for name in NOT_OFFERED),
    ],
)
def test_a_wrong_value_is_refused_with_a_sentence(name: str, value: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        load({name: value})
    assert str(refused.value).startswith(name)


def test_all_wrong_values_are_told_at_once_and_no_secret_is_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({"RUNTIME_HTTP_PORT": "x", "RUNTIME_SIP_PORT": "y", "RUNTIME_API_KEY": "hunter2"})
    assert str(refused.value).count("\n") == 2
    assert "hunter2" not in str(refused.value)
    assert "k" * 20 not in repr(load({"RUNTIME_API_KEY": "k" * 20}))


def test_a_misspelt_name_is_told() -> None:
    assert load({"RUNTIME_SPI_PORT": "5060"}).warnings == (
        "RUNTIME_SPI_PORT: there is no such setting. See docs/settings.md.",
    )
