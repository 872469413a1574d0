"""The promises of the streams' sockets, whichever kind the kernel allows."""

import contextlib
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from aywa.media.datagrams import DATAGRAM_WIDTH, AddressBook, Datagrams, Received
from aywa.media.io import ring, uring
from aywa.media.io.pairs import NoPort, Pair
from aywa.media.io.ports import QUARANTINE_S, PortPairs
from aywa.media.io.sockets import BATCH, BURST, StreamSockets
from aywa.media.io.transport import Kind, open_sockets
from aywa.media.io.uring import HELD, UringSockets
from aywa.media.rtp import columns

FIRST, LAST = 31_100, 31_399
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
WALL = 5.0


def possible() -> list[Kind]:
    try:
        UringSockets(PortPairs(FIRST, LAST), AddressBook()).close()
    except OSError:
        return ["plain"]
    return ["plain", "uring"]


KINDS = possible()
needs_uring = pytest.mark.skipif("uring" not in KINDS, reason="no io_uring here")


class Streams:
    """The sockets of some rows, and a peer that talks to them."""

    def __init__(self, kind: Kind) -> None:
        self.book = AddressBook()
        self.sockets = open_sockets(PortPairs(FIRST, LAST), self.book, kind)
        self.pairs: dict[int, Pair] = {}
        self.opened: list[socket.socket] = []
        self.now = 0.0

    def open(self, row: int, host: str = "127.0.0.1") -> Pair:
        pair = self.pairs[row] = self.sockets.bind(host, self.now)
        self.sockets.adopt(row, pair)
        return pair

    def peer(self, family: socket.AddressFamily = socket.AF_INET) -> socket.socket:
        peer = socket.socket(family, socket.SOCK_DGRAM)
        peer.bind((LOOPBACK[family], 0))
        peer.settimeout(1.0)
        self.opened.append(peer)
        return peer

    def receive(self) -> list[tuple[int, bytes]]:
        """Rows and octets of what came in one tick."""
        return octets(self.sockets.receive(WALL))

    def send(self, row: int, data: bytes, to: tuple[str, int], *, control: bool = False) -> None:
        self.sockets.send(
            Datagrams(
                np.frombuffer(data, np.uint8)[None, :],
                np.array([len(data)]),
                np.array([row]),
                np.array([self.book.number(*to)]),
                control,
            )
        )

    def close(self) -> None:
        self.sockets.close()
        for one in self.opened:
            one.close()


def octets(batch: Received) -> list[tuple[int, bytes]]:
    return [
        (int(batch.row[one]), batch.data[one, : batch.length[one]].tobytes())
        for one in range(len(batch))
    ]


@pytest.fixture(params=KINDS)
def streams(request: pytest.FixtureRequest) -> Iterator[Streams]:
    streams = Streams(request.param)
    yield streams
    streams.close()


@pytest.fixture
def uring_streams() -> Iterator[Streams]:
    streams = Streams("uring")
    yield streams
    streams.close()


@pytest.mark.parametrize("family", list(LOOPBACK))
def test_a_datagram_comes_with_its_row_source_and_the_kernels_time(
    streams: Streams, family: socket.AddressFamily
) -> None:
    host = LOOPBACK[family]
    pair = streams.open(3, host)
    streams.receive()  # whoever listens already
    peer = streams.peer(family)
    before = time.time()
    peer.sendto(b"sound", (host, pair.port))
    peer.sendto(b"report", (host, pair.port + 1))
    batch = streams.sockets.receive(WALL)
    assert sorted(octets(batch)) == [(3, b"report"), (3, b"sound")]
    for one, control in enumerate(batch.control.tolist()):
        assert (batch.length[one] == len(b"report")) == control
        assert streams.book.address(int(batch.source[one])) == peer.getsockname()[:2]
        assert before - 0.01 <= batch.stamp[one] <= time.time() + 0.01
    assert streams.receive() == []


@pytest.mark.parametrize("family", list(LOOPBACK))
def test_datagrams_leave_from_the_rows_own_ports(
    streams: Streams, family: socket.AddressFamily
) -> None:
    host = LOOPBACK[family]
    one, other = streams.open(0, host), streams.open(7, host)
    peer = streams.peer(family)
    data = np.arange(600, dtype=np.uint8).reshape(3, 200)
    to = streams.book.number(host, peer.getsockname()[1])
    batch = Datagrams(
        data, np.array([12, 172, 200]), np.array([7, 0, 7]), np.full(3, to), control=False
    )
    streams.sockets.send(batch)
    streams.send(0, b"report", (host, peer.getsockname()[1]), control=True)
    got = [peer.recvfrom(2_000) for _ in range(4)]
    assert [(packet, source[1]) for packet, source in got] == [
        (data[0, :12].tobytes(), other.port),
        (data[1, :172].tobytes(), one.port),
        (data[2].tobytes(), other.port),
        (b"report", one.port + 1),
    ]
    assert streams.sockets.send_errors == 0


def test_a_row_without_sockets_sends_nothing(streams: Streams) -> None:
    streams.open(0)
    peer = streams.peer()
    for row in (1, 100_000):
        streams.send(row, b"nothing", peer.getsockname())
    streams.send(0, b"last", peer.getsockname())
    assert peer.recv(100) == b"last"
    assert streams.sockets.send_errors == 0


def test_what_cannot_be_sent_is_counted_and_the_rest_leaves(streams: Streams) -> None:
    streams.open(0)
    peer = streams.peer()
    good = streams.book.number(*peer.getsockname())
    wrong = streams.book.number("2001:db8::1", 4_000)  # from a socket of IPv4
    data = np.frombuffer(b"abc", np.uint8)[:, None]
    to = np.array([good, wrong, good])
    batch = Datagrams(data, np.ones(3, np.int64), np.zeros(3, np.int64), to, control=False)
    streams.sockets.send(batch)
    assert (peer.recv(9), peer.recv(9)) == (b"a", b"c")
    assert streams.sockets.send_errors == 1


def test_more_than_a_batch_is_sent_in_one_tick(streams: Streams) -> None:
    streams.open(0)
    peer = streams.peer()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256)  # nobody reads these
    count = BATCH + 10
    data = np.zeros((count, 12), np.uint8)
    to = np.full(count, streams.book.number(*peer.getsockname()))
    rows, length = np.zeros(count, np.int64), np.full(count, 12)
    streams.sockets.send(Datagrams(data, length, rows, to, control=False))
    assert streams.sockets.send_errors == 0
    assert peer.recv(100) == bytes(12)


def test_a_datagram_that_is_too_long_is_cut_and_known_by_its_length(streams: Streams) -> None:
    pair = streams.open(0)
    peer = streams.peer()
    peer.sendto(b"\x80" * (DATAGRAM_WIDTH + 400), ("127.0.0.1", pair.port))
    peer.sendto(b"\x80" * DATAGRAM_WIDTH, ("127.0.0.1", pair.port))
    peer.sendto(b"", ("127.0.0.1", pair.port))
    batch = streams.sockets.receive(WALL)
    assert batch.length.tolist() == [DATAGRAM_WIDTH + 400, DATAGRAM_WIDTH, 0]
    assert batch.data.shape[1] == DATAGRAM_WIDTH
    assert columns.parse(batch.data, batch.length).valid.tolist() == [False, True, False]


def test_a_flooder_takes_no_more_than_its_burst_of_a_tick(streams: Streams) -> None:
    loud, quiet = streams.open(0), streams.open(1)
    peer = streams.peer()
    streams.receive()
    for number in range(5 * BURST):
        peer.sendto(number.to_bytes(2, "big"), ("127.0.0.1", loud.port))
    peer.sendto(b"hello", ("127.0.0.1", quiet.port))
    heard: list[bytes] = []
    for tick in range(5):
        got = streams.receive()
        assert (1, b"hello") in got or tick > 0
        mine = [data for row, data in got if row == 0]
        assert len(mine) == BURST
        heard += mine
    assert heard == [number.to_bytes(2, "big") for number in range(5 * BURST)]
    assert streams.receive() == []


def test_a_flood_of_many_ticks_leaves_the_others_their_packets(streams: Streams) -> None:
    loud, quiet = [streams.open(row) for row in range(8)], streams.open(20)
    peer = streams.peer()
    streams.receive()
    for tick in range(6):
        for pair in loud:
            for _ in range(300):
                peer.sendto(b"x" * 172, ("127.0.0.1", pair.port))
        peer.sendto(bytes([tick]), ("127.0.0.1", quiet.port))
        got = streams.receive()
        assert len(got) <= BATCH
        assert (20, bytes([tick])) in got


def test_released_ports_are_free_at_once_and_the_row_starts_anew(streams: Streams) -> None:
    old = streams.open(4)
    streams.receive()
    peer = streams.peer()
    peer.sendto(b"for the old call", ("127.0.0.1", old.port))
    streams.sockets.release(4, streams.now)
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", old.port))  # nobody holds it
    new = streams.open(4)
    assert new.port != old.port
    peer.sendto(b"for the new call", ("127.0.0.1", new.port))
    assert streams.receive() == [(4, b"for the new call")]
    streams.sockets.release(4, streams.now)
    streams.sockets.release(4, streams.now)  # nobody's
    assert streams.receive() == []


def test_what_waited_for_its_turn_goes_with_its_call(streams: Streams) -> None:
    old = streams.open(4)
    peer = streams.peer()
    for _ in range(3 * BURST):
        peer.sendto(b"for the old call", ("127.0.0.1", old.port))
    assert len(streams.receive()) == BURST
    streams.sockets.release(4, streams.now)
    new = streams.open(4)
    assert streams.receive() == []
    peer.sendto(b"for the new call", ("127.0.0.1", new.port))
    assert streams.receive() == [(4, b"for the new call")]


def test_other_rows_lose_nothing_when_one_is_released(streams: Streams) -> None:
    one, other = streams.open(0), streams.open(1)
    streams.receive()
    peer = streams.peer()
    for number in range(5):
        peer.sendto(bytes([number]), ("127.0.0.1", other.port))
        peer.sendto(b"gone", ("127.0.0.1", one.port))
    streams.sockets.release(0, streams.now)
    assert streams.receive() == [(1, bytes([number])) for number in range(5)]


def test_sockets_come_and_go_without_end(streams: Streams) -> None:
    peer = streams.peer()
    for turn in range(300):
        row = turn % 3
        pair = streams.open(row)
        if turn % 2:
            streams.receive()
        peer.sendto(turn.to_bytes(2, "big"), ("127.0.0.1", pair.port))
        assert streams.receive() == [(row, turn.to_bytes(2, "big"))]
        peer.sendto(b"late", ("127.0.0.1", pair.port))
        streams.sockets.release(row, streams.now)
        streams.now += QUARANTINE_S


def test_a_refusal_of_the_peer_is_counted_and_the_socket_hears_on(streams: Streams) -> None:
    pair = streams.open(0)
    peer, dead = streams.peer(), streams.peer()
    gone = dead.getsockname()
    dead.close()
    streams.receive()
    pair.rtp.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR: refusals are told to the socket
    streams.send(0, b"is anybody there", gone)
    streams.receive()
    assert streams.sockets.receive_errors == 1
    peer.sendto(b"here", ("127.0.0.1", pair.port))
    assert streams.receive() + streams.receive() == [(0, b"here")]
    streams.send(0, b"good", peer.getsockname())
    assert peer.recv(100) == b"good"


def test_ports_in_use_are_passed_over(streams: Streams) -> None:
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", FIRST + 1))
        assert streams.open(0).port == FIRST + 2
    with pytest.raises(NoPort, match=r"cannot be received on 192\.0\.2\.1"):
        streams.sockets.bind("192.0.2.1", 0.0)


@needs_uring
def test_columns_that_do_not_lie_side_by_side_are_sent_as_well(uring_streams: Streams) -> None:
    streams = uring_streams
    streams.open(0)
    peer = streams.peer()
    wide = np.arange(40, dtype=np.uint8)[None, ::2]
    to = np.array([streams.book.number(*peer.getsockname())])
    streams.sockets.send(Datagrams(wide, np.array([99]), np.array([0]), to, control=False))
    assert peer.recv(100) == bytes(range(0, 40, 2))


@needs_uring
def test_receivers_go_on_after_the_buffers_were_used_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(uring, "BATCH", 64)
    monkeypatch.setattr(uring, "HELD", 16)
    streams = Streams("uring")
    try:
        pairs = [streams.open(row) for row in range(8)]
        peer = streams.peer()
        streams.receive()
        for number in range(12):
            for pair in pairs:
                peer.sendto(bytes([number]), ("127.0.0.1", pair.port))
        got = [entry for _ in range(4) for entry in streams.receive()]
        for row in range(8):
            mine = [data for where, data in got if where == row]
            assert mine == [bytes([number]) for number in range(12)]
        assert streams.sockets.receive_errors == 0
    finally:
        streams.close()
    assert not caplog.records


@needs_uring
def test_a_flood_beyond_what_may_wait_is_dropped_and_counted(uring_streams: Streams) -> None:
    streams = uring_streams
    loud = [streams.open(row) for row in range(6)]
    peer = streams.peer()
    streams.receive()
    for pair in loud:
        for _ in range(300):
            peer.sendto(b"x", ("127.0.0.1", pair.port))
    assert len(streams.receive()) == 6 * BURST
    sockets = streams.sockets
    assert isinstance(sockets, UringSockets)
    assert sockets.dropped == 6 * (300 - BURST) - HELD
    ticks = 0
    while streams.receive():
        ticks += 1
    assert ticks == -(-HELD // (6 * BURST))


@needs_uring
def test_completions_that_find_no_place_come_later() -> None:
    one = ring.Ring(4, 4)
    one.submissions["opcode"] = 0  # nothing to be done
    for turn in range(3):
        one.submissions["user_data"] = np.arange(4) + 4 * turn
        assert one.submit(0, 4) == 4
    assert one.overflowed
    got: list[int] = []
    for _ in range(3):
        got += one.completions()["user_data"].tolist()
        one.enter()
    assert got == list(range(12))
    assert not one.overflowed
    one.close()


def test_without_io_uring_the_sockets_are_plain_and_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ring, "_SETUP", 1_000_000)  # a system call that no kernel has
    caplog.set_level(logging.INFO)
    streams = Streams("auto")
    streams.close()
    assert isinstance(streams.sockets, StreamSockets)
    assert [record.getMessage() for record in caplog.records] == [
        "RTP goes over plain sockets: io_uring is not to be had (Function not implemented)"
    ]
    with pytest.raises(OSError, match="not implemented"):
        Streams("uring")


@needs_uring
def test_a_kernel_without_buffer_rings_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ring, "_REGISTER_BUFFERS", 9_999)
    before = len(list(Path("/proc/self/fd").iterdir()))
    streams = Streams("auto")
    streams.close()
    assert isinstance(streams.sockets, StreamSockets)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@needs_uring
def test_io_uring_is_taken_where_it_is_to_be_had(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    before = len(list(Path("/proc/self/fd").iterdir()))
    streams = Streams("auto")
    streams.open(0)
    streams.receive()
    streams.close()
    assert isinstance(streams.sockets, UringSockets)
    assert [record.getMessage() for record in caplog.records] == ["RTP goes over io_uring"]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
