"""Trunks, numbers and requests for the tests of the trunks' rules."""

from typing import Any

import pytest

from aywa.calls.trunks.trunk import Trunk, read_trunk
from aywa.sip.message import Headers, Request
from aywa.sip.transport import Hop, Transport

Document = dict[str, Any]
START_WALL = 1_700_000_000.0  # 22:13:20 UTC


class HandClock:
    """A clock that the test moves."""

    def __init__(self, wall: float = START_WALL) -> None:
        self.now = 1_000.0
        self._offset = wall - self.now

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return self.now + self._offset


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def credential(trunk_id: str = "trunk-1", **fields: Any) -> Document:
    """A stored credential; `fields` replace the usual ones."""
    return {
        "id": trunk_id,
        "orgId": "org-1",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "provider": "byo-sip-trunk",
        "name": trunk_id,
        "gateways": [{"ip": "192.0.2.10"}],
        **fields,
    }


def trunk(trunk_id: str = "trunk-1", **fields: Any) -> Trunk:
    return read_trunk(credential(trunk_id, **fields))


def phone_number(number_id: str, number: str | None, **fields: Any) -> Document:
    """A stored phone number of the first trunk."""
    usual = {"provider": "byo-phone-number", "orgId": "org-1", "credentialId": "trunk-1"}
    document = {"id": number_id, "createdAt": "2026-01-01T00:00:00.000Z", **usual, **fields}
    return document | ({"number": number} if number else {})


def request(target: str, method: str = "INVITE", to: str | None = None, **headers: str) -> Request:
    fields = Headers(
        [
            ("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1"),
            ("From", "<sip:caller@example.com>;tag=1"),
            ("To", f"<{to or target}>"),
            ("Call-ID", "1"),
            ("CSeq", f"1 {method}"),
        ]
    )
    for name, value in headers.items():
        fields.add(name.replace("_", "-"), value)
    return Request(method, target, fields)


def hop(host: str, port: int = 5060, transport: Transport = "udp") -> Hop:
    return Hop(transport, host, port)
