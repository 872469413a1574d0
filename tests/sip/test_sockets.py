"""The shells: event loops, address families, host names, and connections that misbehave."""

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvloop

from aywa.sip.events import Answered, Ended, Refused
from aywa.sip.io import icmp, streams
from aywa.sip.leg import Invitation
from aywa.sip.message import parse_message

from .conftest import ANSWER, OFFER
from .test_endpoint import Phone
from .test_requests import request

TCP_OPTIONS = request("OPTIONS").replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")


@pytest.fixture
async def phone() -> AsyncIterator[Phone]:
    one = await Phone().start()
    yield one
    await one.endpoint.close()


async def call_and_hang_up(host: str, transport: str) -> tuple[Phone, Phone]:
    one, other = await Phone().start(host=host), await Phone().start(host=host)
    try:
        authority = f"[{host}]" if ":" in host else host
        target = f"sip:x@{authority}:{other.endpoint.port};transport={transport}"
        leg = one.endpoint.invite(Invitation(target, f"sip:y@{authority}", OFFER))
        answered = await one.until(Answered)
        assert answered.body == ANSWER
        one.endpoint.bye(leg)
        await other.until(Ended)
    finally:
        await one.endpoint.close()
        await other.endpoint.close()
    return one, other


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_uvloop_serves_as_well(transport: str) -> None:
    one, other = uvloop.run(call_and_hang_up("127.0.0.1", transport))
    assert one.endpoint.counters.faults == other.endpoint.counters.faults == 0
    gc.collect()


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 on this machine")
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_ipv6(transport: str) -> None:
    one, other = await call_and_hang_up("::1", transport)
    assert {m.source[0] for m in one.wire + other.wire} == {"::1"}
    invite = parse_message(other.wire[0].payload)
    assert invite.via.host == "[::1]"
    assert invite.contacts[0].uri.host == "[::1]"


async def test_wire_messages_tell_real_addresses_and_both_sides_agree(phone: Phone) -> None:
    other = await Phone().start()
    target = f"sip:x@localhost:{other.endpoint.port}"
    leg = phone.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    await phone.until(Answered)
    phone.endpoint.bye(leg)
    await other.until(Ended)
    await other.endpoint.close()
    sent = [(m.source, m.destination, m.payload) for m in phone.wire if m.outgoing]
    came = [(m.source, m.destination, m.payload) for m in other.wire if not m.outgoing]
    assert sent == came
    assert sent[0][:2] == (("127.0.0.1", phone.endpoint.port), ("127.0.0.1", other.endpoint.port))


async def refused(host: str) -> None:
    """Two calls to a port where nobody is, one to a peer: ICMP ends the two, and only those."""
    one, other = await Phone().start(host=host), await Phone().start(host=host)
    gone = await Phone().start(host=host)
    port = gone.endpoint.port
    await gone.endpoint.close()
    try:
        authority = f"[{host}]" if ":" in host else host
        for target in (port, other.endpoint.port, port):
            uri = f"sip:x@{authority}:{target}"
            one.endpoint.invite(Invitation(uri, f"sip:y@{authority}", OFFER))
        async with asyncio.timeout(1):
            ends = [await one.until(Refused, Answered) for _ in range(3)]
        assert sorted(type(end).__name__ for end in ends) == ["Answered", "Refused", "Refused"]
        reasons = {end.reason for end in ends if isinstance(end, Refused)}
        assert reasons == {"The peer cannot be reached: Connection refused"}
    finally:
        await one.endpoint.close()
        await other.endpoint.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_port_where_nobody_listens_refuses_at_once(host: str) -> None:
    await refused(host)


def test_uvloop_hears_refusals_as_well() -> None:
    uvloop.run(refused("127.0.0.1"))
    gc.collect()


async def test_an_error_that_does_not_quote_the_branch_is_nobodys_word(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await Phone().start()
    uri = f"sip:x@127.0.0.1:{other.endpoint.port}"
    phone.endpoint.invite(Invitation(uri, "sip:y@127.0.0.1", OFFER))
    await asyncio.sleep(0)
    [request] = [m.payload for m in phone.wire if m.outgoing]
    begin = request.index(b";branch=")
    forged = [request[:64], request[: begin + 12], request[: begin + 12] + b"0;\r\n"]
    address = ("127.0.0.1", other.endpoint.port)
    told = [icmp.Unreachable(address, quote, "Connection refused") for quote in forged]
    monkeypatch.setattr(icmp, "read", lambda _: told)
    nobody = await Phone().start()
    target = f"sip:z@127.0.0.1:{nobody.endpoint.port}"
    await nobody.endpoint.close()
    phone.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))  # wakes the reader
    answered = await phone.until(Answered, Refused)
    assert isinstance(answered, Answered)
    await other.endpoint.close()


async def test_messages_to_a_name_keep_their_order(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    found = asyncio.Event()

    async def slow(*_: Any, **__: Any) -> list[Any]:
        asked.set()
        await found.wait()
        return [(socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(loop, "getaddrinfo", slow)
    other = await Phone().start()
    for user in "abc":
        target = f"sip:{user}@peer.example:{other.endpoint.port}"
        phone.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    await asyncio.wait_for(asked.wait(), 3)
    assert phone.wire == []
    found.set()
    for _ in range(3):
        await phone.until(Answered)
    invites = [m.payload for m in other.wire if m.payload.startswith(b"INVITE")]
    assert [data[11:12] for data in invites] == [b"a", b"b", b"c"]
    await other.endpoint.close()


async def test_a_stream_may_be_cut_at_every_byte(phone: Phone) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", phone.endpoint.port)
    body = TCP_OPTIONS.replace(b"Content-Length: 0\r\n\r\n", b"Content-Length: 5\r\n\r\nv=0\r\n")
    for octet in body + TCP_OPTIONS.replace(b"call-1", b"call-2"):
        writer.write(bytes([octet]))
        await asyncio.sleep(0)
    answers = b""
    while answers.count(b"\r\n\r\n") < 2:
        answers += await asyncio.wait_for(reader.read(4096), 3)
    assert answers.count(b"SIP/2.0 200 OK") == 2
    assert answers.index(b"call-1") < answers.index(b"call-2")
    assert [m.payload for m in phone.wire if not m.outgoing] == [
        body,
        TCP_OPTIONS.replace(b"call-1", b"call-2"),
    ]
    writer.close()


async def test_a_stream_that_cannot_be_framed_is_answered_and_closed(phone: Phone) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", phone.endpoint.port)
    writer.write(TCP_OPTIONS.replace(b"Content-Length: 0", b"Content-Length: many"))
    answer = await asyncio.wait_for(reader.read(), 3)
    assert answer.startswith(b"SIP/2.0 400 Content-Length is 'many'")
    writer.close()


async def test_connections_are_bounded(phone: Phone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MAX_CONNECTIONS", 2)
    kept = [await asyncio.open_connection("127.0.0.1", phone.endpoint.port) for _ in range(2)]
    for reader, writer in kept:
        writer.write(TCP_OPTIONS)
        await asyncio.wait_for(reader.read(10), 3)
    reader, writer = await asyncio.open_connection("127.0.0.1", phone.endpoint.port)
    assert await asyncio.wait_for(reader.read(), 3) == b""
    kept[0][1].write(TCP_OPTIONS)
    assert await asyncio.wait_for(kept[0][0].read(10), 3)
    for _, one in [*kept, (reader, writer)]:
        one.close()


async def test_a_connection_that_breaks_fails_what_waits_for_it(phone: Phone) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = f"sip:x@127.0.0.1:{port};transport=tcp"
    phone.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    refused = await phone.until(Refused)
    assert refused.status == 503
    server.close()


async def test_a_fault_of_ours_harms_no_other_call(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = await Phone().start()
    agent, receive = phone.endpoint._agent, phone.endpoint._agent.receive

    def faulty(data: bytes, source: Any, now: float) -> None:
        if b"call-1" in data:
            raise ZeroDivisionError
        receive(data, source, now)

    monkeypatch.setattr(agent, "receive", faulty)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(request("OPTIONS"), ("127.0.0.1", phone.endpoint.port))
    target = f"sip:x@127.0.0.1:{phone.endpoint.port}"
    one.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    await one.until(Answered)
    assert phone.endpoint.counters.faults == 1
    assert "ZeroDivisionError" in caplog.text
    await one.endpoint.close()


async def test_closing_tells_the_peer(phone: Phone) -> None:
    other = await Phone().start()
    target = f"sip:x@127.0.0.1:{other.endpoint.port}"
    phone.endpoint.invite(Invitation(target, "sip:y@127.0.0.1", OFFER))
    await phone.until(Answered)
    await other.endpoint.close()
    ended = await phone.until(Ended)
    assert ended.reason == "bye"


async def test_each_message_of_a_connection_has_its_deadline(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEADER_S", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", phone.endpoint.port)
    writer.write(TCP_OPTIONS + TCP_OPTIONS[:40])
    answers = await asyncio.wait_for(reader.read(), 3)
    assert answers.count(b"SIP/2.0 200") == 1
    writer.close()
