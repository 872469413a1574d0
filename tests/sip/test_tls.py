"""SIP over TLS: whom we believe, and certificates that are renewed."""

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aywa.base.clock import SystemClock
from aywa.base.ids import SystemEntropy
from aywa.sip import UserAgentSettings
from aywa.sip.errors import SipListenError
from aywa.sip.events import Answered, Ended, Refused
from aywa.sip.io import tls
from aywa.sip.io.endpoint import SipEndpoint
from aywa.sip.io.sockets import Listen, bound
from aywa.sip.io.tls import TlsFiles, TlsRefused, check_peer
from aywa.sip.leg import Invitation
from aywa.sip.settings import LocalAddress
from aywa.sip.transport import Hop
from tests.peers.certificates import Authority

from .test_endpoint import OFFER, Phone


class TlsPhone(Phone):
    """A phone with a TLS port as well."""

    async def start_tls(self, files: TlsFiles, host: str = "127.0.0.1") -> "TlsPhone":
        with bound(socket.SOCK_STREAM, host, 0) as one:
            port = one.getsockname()[1]
        self.endpoint = await SipEndpoint.start(
            host,
            0,
            on_event=self._take,
            on_wire=self.wire.append,
            settings=UserAgentSettings(host=host, addresses=(LocalAddress("tls", host, port),)),
            clock=SystemClock(),
            entropy=SystemEntropy(),
            listen=[Listen("tls", host, port)] if files.certificate else [],
            tls=files,
        )
        self.tls_port = port
        return self


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def pair(authority: Authority) -> AsyncIterator[tuple[TlsPhone, TlsPhone]]:
    """A caller that trusts the authority, and a called phone with a certificate for 127.0.0.1."""
    certificate, key = authority.sign("phone", ["127.0.0.1", "phone.test"])
    caller = await TlsPhone().start_tls(TlsFiles(ca=authority.file))
    called = await TlsPhone().start_tls(TlsFiles(certificate, key, authority.file))
    yield caller, called
    await caller.endpoint.close()
    await called.endpoint.close()


def invitation(called: TlsPhone, host: str = "127.0.0.1", **more: Any) -> Invitation:
    target = f"sip:x@{host}:{called.tls_port};transport=tls"
    return Invitation(target, "sip:y@127.0.0.1", OFFER, **more)


async def test_a_call_over_tls(pair: tuple[TlsPhone, TlsPhone]) -> None:
    caller, called = pair
    leg = caller.endpoint.invite(invitation(called))
    await caller.until(Answered)
    caller.endpoint.bye(leg)
    await called.until(Ended)
    assert {message.transport for message in called.wire} == {"tls"}
    invite = called.wire[0].payload
    assert b"Via: SIP/2.0/TLS" in invite
    assert b";transport=tls" in invite.split(b"Contact:")[1].split(b"\r\n")[0]


async def test_a_certificate_for_somebody_else_is_not_believed(
    pair: tuple[TlsPhone, TlsPhone],
) -> None:
    caller, called = pair
    hop = Hop("tls", "127.0.0.1", called.tls_port, "trunk.example")
    caller.endpoint.invite(invitation(called, "trunk.example", targets=[hop]))
    refused = await caller.until(Refused)
    assert refused.status == 503
    assert "is for phone.test, 127.0.0.1, not for trunk.example" in refused.reason
    hop = Hop("tls", "127.0.0.1", called.tls_port, "phone.test")
    caller.endpoint.invite(invitation(called, "phone.test", targets=[hop]))
    await caller.until(Answered)


async def test_a_stranger_s_authority_is_not_believed(
    pair: tuple[TlsPhone, TlsPhone], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    certificate, key = Authority(tmp_path / "other").sign("fake", ["127.0.0.1"])
    fake = await TlsPhone().start_tls(TlsFiles(certificate, key))
    pair[0].endpoint.invite(invitation(fake))
    refused = await pair[0].until(Refused)
    assert "certificate verify failed" in refused.reason
    await fake.endpoint.close()


async def test_a_renewed_certificate_is_taken_while_running(
    pair: tuple[TlsPhone, TlsPhone], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, called = pair
    monkeypatch.setattr(tls, "RELOAD_S", 0.0)
    certificate, _ = authority.sign("phone", ["renewed.test"])
    os.utime(certificate, ns=(1, 1))
    for wanted, kind in (("phone.test", Refused), ("renewed.test", Answered)):
        hop = Hop("tls", "127.0.0.1", called.tls_port, wanted)
        caller.endpoint.invite(invitation(called, wanted, targets=[hop]))
        await caller.until(kind)


async def test_files_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    for files in (TlsFiles(bad, bad), TlsFiles(ca=bad)):
        with pytest.raises(SipListenError, match=r"cannot be (used|read)"):
            await TlsPhone().start_tls(files)


def certificate(*names: tuple[str, str], cn: str = "cn.test") -> dict[str, Any]:
    return {"subject": ((("commonName", cn),),), "subjectAltName": names}


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([("URI", "sip:trunk.test")], "trunk.test"),
        ([("DNS", "other.test"), ("DNS", "Trunk.Test")], "trunk.test"),
        ([("DNS", "*.trunk.test")], "sbc1.trunk.test"),
        ([("IP Address", "2001:DB8:0:0:0:0:0:1")], "2001:db8::1"),
        ([], "cn.test"),
    ],
)
def test_whom_a_certificate_proves(names: list[tuple[str, str]], wanted: str) -> None:
    check_peer(certificate(*names), Hop("tls", wanted, 5061))


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ([("URI", "sip:trunk.test"), ("DNS", "host.test")], "host.test"),  # RFC 5922: URI wins
        ([("DNS", "*.trunk.test")], "a.b.trunk.test"),
        ([("DNS", "*.test")], "test"),
        ([("DNS", "trunk.test")], "cn.test"),
        ([("DNS", "192.0.2.1")], "192.0.2.1"),
        ([], "trunk.test"),
    ],
)
def test_whom_a_certificate_does_not_prove(names: list[tuple[str, str]], wanted: str) -> None:
    with pytest.raises(TlsRefused, match="not for"):
        check_peer(certificate(*names), Hop("tls", wanted, 5061))
    with pytest.raises(TlsRefused, match="nobody"):
        check_peer(None, Hop("tls", wanted, 5061))
