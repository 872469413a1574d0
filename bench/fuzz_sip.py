"""Fuzzes the SIP core: mutated messages for a user agent in calls, and for the stream parser.

    .venv/bin/python -m bench.fuzz_sip [seconds=600] [seed=1]

Seeds are whole requests and responses of calls that are under way, and the messages of RFC 4475 if
they lie beside the repository. Every input must be taken without an exception and within 50 ms of
CPU time, and what is kept must stay bounded. A failure prints the seed and the input.
"""

import gc
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from aywa.base.ids import SeededEntropy
from aywa.sip import UserAgent, UserAgentSettings
from aywa.sip.events import Invited, Offered
from aywa.sip.leg import Invitation
from aywa.sip.message import StreamParser
from aywa.sip.transport import Hop

TORTURE = Path(__file__).resolve().parents[2] / "shared/data/torture/rfc4475"
STALL_S = 0.05
PEER = Hop("udp", "192.0.2.2", 5060)
LEGS, TRANSACTIONS = 40, 400

SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\nm=audio 4 RTP/AVP 0"
)
PIECES = [
    b"\r\n", b"\r\n\r\n", b";", b",", b"<", b">", b'"', b"\\", b"\x00", b"\xff\xfe", b" ", b"\t",
    b":", b"@", b"%00", b"[::1]", b"4294967296", b"99999999999999999999", b"-1", b"sip:", b"tel:",
    b"Via: SIP/2.0/UDP x;branch=z9hG4bK1\r\n", b"Content-Length: 1\r\n", b"Require: 100rel\r\n",
    b"Contact: *\r\n", b"Replaces: a;to-tag=b;from-tag=c\r\n", b"RAck: 1 1 INVITE\r\n",
    b"Session-Expires: 90;refresher=uas\r\n", b"Refer-To: <sip:x@y>\r\n", b"Event: refer\r\n",
    b"Authorization: Digest realm=\"\r\n", b"INVITE", b"ACK", b"CANCEL", b"BYE", b"PRACK",
    b"UPDATE",
]  # fmt: skip


@dataclass
class World:
    """A user agent in the middle of calls, and the seeds that its own messages make."""

    random: Random
    agent: UserAgent = field(init=False)
    now: float = 1_000.0
    seeds: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """A fresh user agent: an input may have ended every call."""
        entropy = SeededEntropy(self.random.getrandbits(32))
        settings = UserAgentSettings("192.0.2.1", max_dialogs=LEGS, max_transactions=TRANSACTIONS)
        self.agent = UserAgent(settings, entropy)
        self.seeds = [file.read_bytes() for file in sorted(TORTURE.glob("*.dat"))]
        for number in range(3):
            self._call_in(number)
            invitation = Invitation("sip:bob@192.0.2.2", "sip:us@192.0.2.1", SDP)
            self.agent.calls.invite(invitation, self.now)
        self.seeds += [sent.data for sent in self.agent.messages_to_send()]
        self.seeds += [self._response_to(one) for one in self.seeds if one.startswith(b"INVITE")]

    def feed(self, data: bytes) -> None:
        """Hand over one input, answer what is asked, and turn the clock a little."""
        self.agent.receive(data, PEER, self.now)
        self._react()
        self.now += self.random.choice((0.0, 0.01, 1.0, 40.0))
        while (due := self.agent.next_timer()) is not None and due <= self.now:
            self.agent.handle_timer(self.now)
        self._react()

    def _react(self) -> None:
        for event in self.agent.events():
            if isinstance(event, Invited) and self.random.random() < 0.7:
                self.agent.calls.ring(event.leg, 183, self.now, SDP)
                self.agent.calls.answer(event.leg, SDP, (), self.now)
            if isinstance(event, Offered):
                self.agent.calls.accept_offer(event.leg, SDP, self.now)
        for sent in self.agent.messages_to_send():
            if len(self.seeds) < 400:
                self.seeds.append(sent.data)

    def _call_in(self, number: int) -> None:
        lines = [
            "INVITE sip:demo@192.0.2.1 SIP/2.0",
            f"Via: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK{number}",
            f"From: <sip:a@b>;tag=f{number}",
            "To: <sip:demo@192.0.2.1>",
            f"Call-ID: c{number}",
            "CSeq: 1 INVITE",
            "Contact: <sip:a@192.0.2.2>",
            "Supported: timer, 100rel, replaces",
            "Content-Type: application/sdp",
            f"Content-Length: {len(SDP)}",
        ]
        head = "\r\n".join(lines) + "\r\n\r\n"
        data = head.encode() + SDP
        self.seeds.append(data)
        self.feed(data)

    @staticmethod
    def _response_to(invite: bytes) -> bytes:
        _, _, rest = invite.partition(b"\r\n")
        return b"SIP/2.0 200 OK\r\n" + rest.replace(b"To: ", b"To: t ", 1)


def mutations(random: Random, seeds: list[bytes]) -> Iterator[bytes]:
    """One message of the seeds, changed a few times."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((0, 1, 1, 2, 3, 8))):
        place = random.randrange(len(data) + 1)
        match random.randrange(7):
            case 0:
                data[place : place + 1] = bytes([random.randrange(256)])
            case 1:
                data[place:place] = random.choice(PIECES)
            case 2:
                del data[place : place + random.choice((1, 5, 60))]
            case 3:
                data[place:place] = data[place : place + 80] * random.choice((1, 2, 60))
            case 4:
                lines = bytes(data).split(b"\r\n")
                random.shuffle(lines)
                data = bytearray(b"\r\n".join(lines))
            case 5:
                other = random.choice(seeds)
                data[place:] = other[random.randrange(len(other) + 1) :]
            case _:
                line = bytes(data).split(b"\r\n")
                data[place:place] = random.choice(line) + b"\r\n"
    yield bytes(data[:70_000])


def run(seconds: float, seed: int) -> tuple[int, float]:
    """Fuzz for so long; gives the number of inputs and the longest one in ms of CPU time.

    Raises AssertionError at the first input that is not taken as it should be.
    """
    gc.collect()
    gc.freeze()  # a collection of what others left is no stall of ours
    try:
        return _run(seconds, seed)
    finally:
        gc.unfreeze()


def _run(seconds: float, seed: int) -> tuple[int, float]:
    random = Random(seed)
    world, stream = World(random), StreamParser()
    until, count, longest = time.monotonic() + seconds, 0, 0.0
    while time.monotonic() < until:
        for data in mutations(random, world.seeds):
            began = time.process_time()
            try:
                world.feed(data)
                stream = _feed_stream(random, stream, data)
            except Exception:
                print(f"seed {seed}, input {count}: {data!r}", file=sys.stderr)
                raise
            took = time.process_time() - began
            longest = max(longest, took)
            assert took < STALL_S, f"seed {seed}, input {count}: {took * 1000:.0f} ms for {data!r}"
            assert world.agent.counters.faults == 0
            assert len(world.agent.legs) <= LEGS + 3
            assert world.agent.transactions <= TRANSACTIONS + 16
            count += 1
            if count % 2_000 == 0:
                world.renew()
    return count, longest * 1000


def _feed_stream(random: Random, stream: StreamParser, data: bytes) -> StreamParser:
    cut = random.randrange(len(data) + 1)
    stream.feed(data[:cut])
    stream.feed(data[cut:])
    return StreamParser() if stream.lost or random.random() < 0.02 else stream


if __name__ == "__main__":
    wanted = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    inputs, slowest = run(wanted, int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    print(f"{inputs} inputs in {wanted:.0f} s: no exception, the longest took {slowest:.1f} ms")
