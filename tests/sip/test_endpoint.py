"""The endpoint on real loopback sockets."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest

from aywa.base.clock import SystemClock
from aywa.base.ids import SystemEntropy
from aywa.sip import SipListenError, UserAgentSettings
from aywa.sip.events import Answered, Ended, Invited, Refused, SipEvent, WireMessage
from aywa.sip.io import streams
from aywa.sip.io.endpoint import Listener, SipEndpoint
from aywa.sip.leg import Invitation

from .conftest import ANSWER, OFFER
from .test_requests import request

E = TypeVar("E")


class Phone:
    """An endpoint that answers every call, and what it saw."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[SipEvent] = asyncio.Queue()
        self.wire: list[WireMessage] = []
        self.endpoint: SipEndpoint

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> "Phone":
        self.endpoint = await SipEndpoint.start(
            host,
            port,
            on_event=self._take,
            on_wire=self.wire.append,
            settings=UserAgentSettings(host=host),
            clock=SystemClock(),
            entropy=SystemEntropy(),
        )
        return self

    def _take(self, event: SipEvent) -> None:
        if isinstance(event, Invited):
            self.endpoint.ring(event.leg)
            self.endpoint.answer(event.leg, ANSWER)
        self.events.put_nowait(event)

    async def until(self, *kinds: type[E]) -> E:
        while True:
            event = await asyncio.wait_for(self.events.get(), 5)
            if isinstance(event, kinds):
                return event


@pytest.fixture
async def phones() -> AsyncIterator[tuple[Phone, Phone]]:
    one, other = await Phone().start(), await Phone().start()
    yield one, other
    await one.endpoint.close()
    await other.endpoint.close()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_call_over_real_sockets(
    phones: tuple[Phone, Phone], transport: str, host: str
) -> None:
    one, other = phones
    target = f"sip:x@{host}:{other.endpoint.port};transport={transport}"
    leg = one.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    call_id = one.endpoint.call_id(leg)
    answered = await one.until(Answered)
    assert answered.body == ANSWER
    one.endpoint.bye(leg)
    await other.until(Ended)
    assert {m.transport for m in other.wire} == {transport}
    assert {m.call_id for m in other.wire} == {call_id}
    started = [m.payload.split()[0] for m in other.wire if not m.outgoing]
    assert started == [b"INVITE", b"ACK", b"BYE"]


async def test_a_port_in_use_is_told(phones: tuple[Phone, Phone]) -> None:
    with pytest.raises(SipListenError, match="Address already in use"):
        await Phone().start(phones[0].endpoint.port)


@pytest.mark.parametrize("target", ["sip:x@127.0.0.1:9;transport=tcp", "sip:x@no.such.invalid"])
async def test_a_peer_that_cannot_be_reached_is_a_503(
    phones: tuple[Phone, Phone], target: str
) -> None:
    phones[0].endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    refused = await phones[0].until(Refused)
    assert refused.status == 503


async def test_a_failing_listener_silences_nobody(
    phones: tuple[Phone, Phone], caplog: pytest.LogCaptureFixture
) -> None:
    one, other = phones
    deaf = Listener(other.endpoint._listener.on_event, lambda message: 1 / 0)  # type: ignore[arg-type, return-value]
    other.endpoint._listener = deaf
    target = f"sip:x@127.0.0.1:{other.endpoint.port}"
    one.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    await one.until(Answered)
    assert other.endpoint.counters.callback_failures > 0
    assert "listener failed" in caplog.text


async def test_a_dripping_connection_is_closed(
    phones: tuple[Phone, Phone], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEADER_S", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", phones[0].endpoint.port)
    silent, other = await asyncio.open_connection("127.0.0.1", phones[0].endpoint.port)

    async def drip() -> None:
        for octet in request("OPTIONS"):
            writer.write(bytes([octet]))
            await asyncio.sleep(0.05)

    dripping = asyncio.create_task(drip())
    assert await asyncio.wait_for(reader.read(), 3) == b""
    assert await asyncio.wait_for(silent.read(), 3) == b""
    dripping.cancel()
    writer.close()
    other.close()


async def test_a_whole_message_on_a_stream_is_answered_on_it(phones: tuple[Phone, Phone]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", phones[0].endpoint.port)
    data = request("OPTIONS").replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
    writer.write(data[:50])
    await writer.drain()
    writer.write(data[50:] + b"\r\n\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 3)
    assert answer.startswith(b"SIP/2.0 200")
    assert await asyncio.wait_for(reader.readexactly(2), 3) == b"\r\n"
    writer.close()
