"""Digits that we send: RTP events and tones, and what they do to the assistant's audio."""

import struct

import numpy as np
import pytest

from aywa.codecs.tones import dtmf
from aywa.media import plane
from aywa.media.io.client import MediaPlane
from aywa.media.io.stream import MediaStream
from aywa.media.keys import MAX_WAITING
from aywa.media.rtp.packet import RtpPacket
from aywa.media.rtp.telephone_event import EventAssembler, TelephoneEvent

from .conftest import Bench, Caller, noise


def parsed(bench: Bench) -> list[RtpPacket]:
    return [RtpPacket.parse(packet) for packet in bench.sent["a"]]


def test_a_digit_is_a_run_of_events_with_one_timestamp_and_three_ends(bench: Bench) -> None:
    bench.open()
    bench.ticks(5)
    bench.command(plane.SendDigits("a", "5", tone_ms=100))
    bench.ticks(20)
    packets = parsed(bench)
    events = [packet for packet in packets if packet.payload_type == 101]
    assert packets[5:12] == events
    assert {packet.timestamp for packet in events} == {packets[4].timestamp + 160}
    assert [packet.marker for packet in events] == [True] + [False] * 6
    told = [TelephoneEvent.parse(packet.payload) for packet in events]
    assert [one.duration for one in told] == [160, 320, 480, 640, 800, 800, 800]
    assert [one.end for one in told] == [False] * 4 + [True] * 3
    assert {one.event for one in told} == {5}


def test_numbers_and_time_run_on_through_a_digit(bench: Bench) -> None:
    bench.open()
    bench.command(plane.SendDigits("a", "1#"))
    bench.ticks(60)
    packets = parsed(bench)
    first = packets[0].sequence
    assert [packet.sequence - first & 0xFFFF for packet in packets] == list(range(60))
    audio = [(at, packet) for at, packet in enumerate(packets) if packet.payload_type == 0]
    assert len(audio) == 60 - 2 * 10
    assert {packet.timestamp - packets[0].timestamp - 160 * at for at, packet in audio} == {0}


def test_what_plays_waits_for_the_digits_and_nothing_of_it_is_lost(bench: Bench) -> None:
    bench.open()
    sound = noise(1_600)
    bench.command(plane.Play("a", 1, sound))
    bench.command(plane.EndPlay("a", 1))
    bench.ticks(3)
    bench.command(plane.SendDigits("a", "12"))
    bench.ticks(60)
    audio = [packet for packet in bench.sent["a"] if packet[1] & 0x7F == 0]
    bench.sent["a"] = audio
    spoken = bench.spoken()
    assert np.array_equal(spoken[:480], sound[:480])
    resumed = 3 + 2 * 2  # two ticks of silence close each digit's gap
    assert np.abs(spoken[480 : resumed * 160]).max() == 0
    assert np.array_equal(spoken[resumed * 160 : resumed * 160 + 1_120], sound[480:])
    [played] = bench.of(plane.Played)
    assert played.samples == 1_600  # type: ignore[attr-defined]


def test_the_peer_hears_every_digit_once(bench: Bench) -> None:
    bench.open()
    bench.command(plane.SendDigits("a", "0123456789*#abcd"))
    bench.ticks(16 * 12 + 5)
    assembler, heard = EventAssembler(), []
    for at, packet in enumerate(parsed(bench)):
        if packet.payload_type == 101:
            heard += assembler.receive(packet.payload, packet.timestamp, at * 0.02)
    assert "".join(digit.digit for digit in heard) == "0123456789*#ABCD"
    assert {digit.duration_s for digit in heard} == {0.16}
    assert [event.digits for event in bench.of(plane.DigitsSent)] == [  # type: ignore[attr-defined]
        "0123456789*#ABCD"
    ]


@pytest.mark.parametrize(("agreed", "in_band"), [(None, False), (101, True)])
def test_without_events_the_digit_is_a_tone(
    bench: Bench, agreed: int | None, in_band: bool
) -> None:
    bench.open(event_payload_type=agreed)
    bench.command(plane.Play("a", 1, noise(320)))
    bench.command(plane.SendDigits("a", "7", in_band=in_band))
    bench.ticks(14)
    packets = parsed(bench)
    assert {packet.payload_type for packet in packets} == {0}
    assert [at for at, packet in enumerate(packets) if packet.marker] == [0, 12]
    tone = dtmf("7", 0.16).astype(np.float64)
    assert np.abs(bench.spoken()[:1_280] - tone).max() < 0.05 * tone.max()
    assert np.abs(bench.spoken()[1_280:1_920]).max() == 0
    assert np.array_equal(bench.spoken()[1_920:], noise(320))


def test_the_queue_is_bounded_and_tells_what_found_no_room(bench: Bench) -> None:
    bench.open()
    for _ in range(2):
        bench.command(plane.SendDigits("a", "1" * 40, tone_ms=40, gap_ms=40))
    assert bench.command(plane.SendDigits("a", "9")) == [plane.DigitsSent("a", bench.now, "")]
    assert bench.command(plane.SendDigits("a", "x")) == [plane.DigitsSent("a", bench.now, "")]
    bench.ticks(4 * MAX_WAITING + 1)
    sent = [event.digits for event in bench.of(plane.DigitsSent)]  # type: ignore[attr-defined]
    assert sent == ["", "", "1" * 40, "1" * 24]


def test_a_held_stream_keeps_its_digits_and_a_new_stream_has_none(bench: Bench) -> None:
    bench.open()
    bench.command(plane.SendDigits("a", "5"))
    bench.configure("a", direction="recvonly")
    bench.ticks(10)
    assert "a" not in bench.sent
    bench.configure("a")
    bench.ticks(2)
    assert {packet.payload_type for packet in parsed(bench)} == {101}
    bench.close()
    bench.sent.clear()
    caller: Caller = bench.open()
    bench.ticks(3)
    assert caller.stream == "a"
    assert {packet.payload_type for packet in parsed(bench)} == {0}


def test_reports_count_the_octets_that_really_left(bench: Bench) -> None:
    bench.open()
    bench.ticks(10)
    bench.command(plane.SendDigits("a", "5"))
    bench.ticks(400)
    report = bench.control["a"][-1]
    _, _, _, packets, octets = struct.unpack_from("!IQIII", report, 4)
    assert octets == 160 * packets - 156 * 10


class Sink:
    """A link that keeps commands."""

    def __init__(self) -> None:
        self.commands: list[plane.Command] = []

    def send(self, commands: list[plane.Command]) -> None:
        self.commands += commands

    async def close(self) -> None:
        return


def test_the_client_refuses_what_no_telephone_has() -> None:
    sink = Sink()
    stream = MediaStream(MediaPlane(sink), plane.Opened("a", 20_000, ("sha-256", b"")))
    stream.send_digits("1*d")
    assert sink.commands == [plane.SendDigits("a", "1*d")]
    with pytest.raises(ValueError, match="cannot be dialled"):
        stream.send_digits("12x")
    with pytest.raises(ValueError, match="at most 64"):
        stream.send_digits("1" * 65)
