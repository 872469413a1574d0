"""Two engines that agree on keys by DTLS, and who may not come between them."""

from dataclasses import dataclass

import pytest

from aywa.base.ids import SeededEntropy
from aywa.media import plane
from aywa.media.dtls import HANDSHAKE_S
from aywa.media.sdp import Dtls, MediaPolicy, Negotiated, Session

from .conftest import PEER, Bench, Caller, noise

HANDSHAKE = range(20, 64)
REQUIRED = MediaPolicy(security="required", keying="dtls")


def side(bench: Bench, number: int) -> Session:
    entropy = SeededEntropy(number)
    fingerprint = bench.engine.fingerprint
    return Session("192.0.2.1", 5000, number, REQUIRED, entropy, fingerprint=fingerprint)


def configure(bench: Bench, agreed: Negotiated) -> None:
    wish = agreed.security
    assert isinstance(wish, Dtls)
    dtls = (wish.active, wish.association, wish.fingerprints)
    bench.configure("a", dtls=dtls, rtcp_mux=agreed.rtcp_mux, remote_rtcp_port=PEER[1])


@dataclass
class Pair:
    """Two engines whose packets reach each other in the tick after they left."""

    one: Bench
    other: Bench
    carried: tuple[int, int] = (0, 0)
    address: tuple[str, int] = PEER
    """Where those of `other` come from."""

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            mine, theirs = self.one.sent.get("a", []), self.other.sent.get("a", [])
            packets = mine[self.carried[0] :], theirs[self.carried[1] :]
            self.carried = len(mine), len(theirs)
            self.one.tick(*((Caller("a", self.address), data) for data in packets[1]))
            self.other.tick(*((Caller("a"), data) for data in packets[0]))

    def intrude(self, *data: bytes) -> None:
        """Let a stranger send to `one`; what it is answered goes to the stranger."""
        stranger = Caller("a", ("203.0.113.9", 9))
        self.one.tick(*((stranger, one) for one in data))
        self.carried = len(self.one.sent.get("a", [])), self.carried[1]


def opened() -> Pair:
    pair = Pair(Bench(), Bench())
    for bench in (pair.one, pair.other):
        bench.engine.open(plane.OpenStream("a", "192.0.2.1"), 20_000, bench.now)
    return pair


def agree(pair: Pair, caller: Session | None = None, called: Session | None = None) -> None:
    """An offer of `one`'s and its answer, each applied as it is known."""
    caller, called = caller or side(pair.one, 1), called or side(pair.other, 2)
    answer, theirs = called.answer(caller.offer())
    configure(pair.other, theirs)
    configure(pair.one, caller.accept(answer))


def handshakes(bench: Bench) -> int:
    return sum(packet[0] in HANDSHAKE for packet in bench.sent.get("a", []))


def test_audio_goes_both_ways_once_the_certificates_are_proved() -> None:
    pair = opened()
    agree(pair)
    sound = noise(160 * 20)
    for bench in (pair.one, pair.other):
        bench.command(plane.Play("a", 1, sound))
    pair.tick(40)
    for bench, far in ((pair.one, pair.other), (pair.other, pair.one)):
        [secured] = bench.of(plane.Secured)
        assert isinstance(secured, plane.Secured)
        assert secured.suite == "AEAD_AES_256_GCM"
        begin = next(i for i, p in enumerate(bench.sent["a"]) if p[0] not in HANDSHAKE)
        assert all(packet[0] in HANDSHAKE for packet in bench.sent["a"][:begin])
        voices = [p for p in bench.sent["a"][begin:] if p[1] & 0x7F == 0]
        assert all(len(packet) == 172 + 16 for packet in voices)  # with the proof of AES-GCM
        assert sound[: 160 * 15].tobytes() in far.heard().tobytes()  # from its first sample on
        assert not bench.of(plane.KeysFailed)


def test_reports_go_between_the_rtp_ports() -> None:
    pair = opened()
    agree(pair)
    pair.tick(400)
    for bench in (pair.one, pair.other):
        assert any(
            packet[0] & 0xC0 == 0x80 and 192 <= packet[1] < 224 for packet in bench.sent["a"]
        )
        assert not bench.control
        report = bench.close().report
        assert (report.unauthentic, report.malformed) == (0, 0)


def test_a_first_flight_that_overtakes_the_answer_is_kept() -> None:
    pair = opened()
    caller, called = side(pair.one, 1), side(pair.other, 2)
    answer, theirs = called.answer(caller.offer())
    configure(pair.other, theirs)
    pair.tick(3)  # the called side begins, the caller does not know the answer yet
    configure(pair.one, caller.accept(answer))
    pair.tick(5)
    assert len(pair.one.of(plane.Secured)) == len(pair.other.of(plane.Secured)) == 1


def test_a_wrong_certificate_secures_nothing() -> None:
    pair = opened()
    caller, called = side(Bench(), 1), side(pair.other, 2)  # the offer shows another's fingerprint
    answer, theirs = called.answer(caller.offer())
    configure(pair.other, theirs)
    configure(pair.one, caller.accept(answer))
    pair.other.command(plane.Play("a", 1, noise(160)))
    pair.tick(round(HANDSHAKE_S / 0.02) + 2)
    [failed] = pair.other.of(plane.KeysFailed)
    assert isinstance(failed, plane.KeysFailed)
    assert "certificate" in failed.reason
    assert not pair.other.of(plane.Secured)
    assert all(packet[0] in HANDSHAKE for packet in pair.other.sent["a"])


def test_nobody_answers() -> None:
    pair = opened()
    _, theirs = side(pair.other, 2).answer(side(pair.one, 1).offer())
    configure(pair.other, theirs)
    events = pair.other.ticks(round(HANDSHAKE_S / 0.02) + 2)
    [failed] = [event for event in events if isinstance(event, plane.KeysFailed)]
    assert failed.reason == "the peer did not answer"
    assert handshakes(pair.other) >= 1


def test_a_later_offer_keeps_the_keys_and_another_session_agrees_anew() -> None:
    pair = opened()
    caller, called = side(pair.one, 1), side(pair.other, 2)
    agree(pair, caller, called)
    pair.tick(8)
    before = handshakes(pair.one) + handshakes(pair.other)
    agree(pair, caller, called)
    pair.tick(8)
    assert handshakes(pair.one) + handshakes(pair.other) == before
    agree(pair, called=side(pair.other, 3), caller=side(pair.one, 4))
    pair.tick(8)
    assert len(pair.one.of(plane.Secured)) == len(pair.other.of(plane.Secured)) == 2


def test_garbage_does_not_keep_the_peer_out() -> None:
    pair = opened()
    agree(pair)
    hello = b"\x16\xfe\xfd" + bytes(8) + b"\x00\x03abc"
    pair.intrude(hello, b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28")
    pair.tick(8)
    assert len(pair.one.of(plane.Secured)) == 1
    assert pair.one.sent["a"]


def test_a_strangers_handshake_does_not_keep_the_peer_out() -> None:
    """It is well made, comes first, and goes on no further than its first flight."""
    stranger = opened()
    agree(stranger)
    stranger.tick(2)
    [hello, *_] = stranger.other.sent["a"]
    pair = opened()
    caller, called = side(pair.one, 1), side(pair.other, 2)
    answer, theirs = called.answer(caller.offer())
    configure(pair.one, caller.accept(answer))
    pair.intrude(hello)
    configure(pair.other, theirs)
    pair.tick(8)
    assert len(pair.one.of(plane.Secured)) == len(pair.other.of(plane.Secured)) == 1


def test_a_peer_that_is_elsewhere_than_it_said_is_secured_too() -> None:
    pair = opened()
    pair.address = ("198.51.100.7", 700)
    agree(pair)
    pair.tick(8)
    assert len(pair.one.of(plane.Secured)) == len(pair.other.of(plane.Secured)) == 1


@pytest.mark.parametrize("first", [b"\x16\xfe\xfd", b"\x3f"])
def test_on_a_plain_stream_a_handshake_is_malformed(bench: Bench, first: bytes) -> None:
    caller = bench.open()
    bench.tick((caller, first + bytes(40)))
    bench.ticks(2)
    assert bench.close().report.malformed == 1


def test_plain_audio_is_not_heard_before_there_are_keys() -> None:
    pair = opened()
    _, theirs = side(pair.other, 2).answer(side(pair.one, 1).offer())
    configure(pair.other, theirs)
    caller = Caller("a")
    for _ in range(10):
        pair.other.tick((caller, caller.audio(noise(160))))
    assert not any(pair.other.real())
    assert pair.other.close().report.packets_received == 0
