"""Streams in G.722 and Opus: hearing, speaking, faults of the line, company of G.711 streams."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.codecs import wideband
from aywa.codecs.pcm import rms_dbfs
from aywa.codecs.tones import tone
from aywa.codecs.wideband import CLOCK_RATE, Decoder, Encoder, WidebandCodec
from aywa.media import plane
from aywa.media.rtp.packet import RtpPacket
from aywa.media.rtp.telephone_event import TelephoneEvent
from aywa.media.wide import MAX_ASIDE, WideEar

from .conftest import PEER, Bench, Caller, noise

pytestmark = pytest.mark.skipif(not wideband.available(), reason="the extra wideband is missing")

CODECS: list[WidebandCodec] = ["g722", "opus"]
NUMBERS: dict[WidebandCodec, int] = {"g722": 9, "opus": 107}


@dataclass
class WideCaller(Caller):
    """A caller who encodes; Opus timestamps count 48 kHz."""

    codec: WidebandCodec = "opus"
    encoder: Encoder = field(default_factory=lambda: Encoder("opus"))

    def frame(self, pcm: np.ndarray) -> bytes:
        packet = self.packet(self.encoder.encode(pcm))
        self.timestamp = (self.timestamp + 160 * CLOCK_RATE[self.codec] // 8_000) % 2**32
        return packet


def opened(bench: Bench, codec: WidebandCodec, stream: str = "a") -> WideCaller:
    bench.open(stream, codec=codec, payload_type=NUMBERS[codec])
    return WideCaller(
        stream, PEER, payload_type=NUMBERS[codec], codec=codec, encoder=Encoder(codec)
    )


SOUND = tone(1_000, seconds=1, dbfs=-20)


def loudest(pcm: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum) * 8_000 / len(pcm))


@pytest.mark.parametrize("codec", CODECS)
def test_what_was_said_is_heard(bench: Bench, codec: WidebandCodec) -> None:
    caller = opened(bench, codec)
    for frame in SOUND.reshape(-1, 160):
        bench.tick((caller, caller.frame(frame)))
    assert all(bench.real())
    assert len(bench.heard()) == len(SOUND)
    settled = bench.heard()[1_600:]
    assert rms_dbfs(settled) == pytest.approx(-20, abs=1.5)
    assert loudest(settled) == pytest.approx(1_000, abs=5)
    report = bench.close().report
    assert (report.lost, report.late, report.concealed, report.malformed) == (0, 0, 0, 0)
    assert report.jitter_ms < 0.1


@pytest.mark.parametrize("codec", CODECS)
def test_what_we_say_is_understood(bench: Bench, codec: WidebandCodec) -> None:
    opened(bench, codec)
    bench.play(SOUND)
    bench.ticks(50)
    packets = [RtpPacket.parse(packet) for packet in bench.sent["a"]]
    assert {packet.payload_type for packet in packets} == {NUMBERS[codec]}
    step = 160 * CLOCK_RATE[codec] // 8_000
    times = [(packet.timestamp - packets[0].timestamp) % 2**32 for packet in packets]
    assert times == [step * number for number in range(50)]
    decoder = Decoder(codec)
    frames = [decoder.decode(packet.payload) for packet in packets]
    heard = np.concatenate([frame for frame in frames if frame is not None])
    assert rms_dbfs(heard[1_600:]) == pytest.approx(-20, abs=1.5)
    assert loudest(heard[1_600:]) == pytest.approx(1_000, abs=5)


@pytest.mark.parametrize("codec", CODECS)
def test_loss_and_disorder_are_as_for_any_codec(bench: Bench, codec: WidebandCodec) -> None:
    caller = opened(bench, codec)
    packets = [caller.frame(frame) for frame in SOUND.reshape(-1, 160)]
    packets[20], packets[21] = packets[21], packets[20]
    del packets[35]
    for number, packet in enumerate(packets):
        bench.tick(*[(caller, packet)] * (2 if number == 10 else 1))
        if number == 34:
            bench.tick()
    bench.ticks(2)
    report = bench.close().report
    assert (report.lost, report.concealed, report.duplicates) == (1, 1, 1)
    assert sum(bench.real()) == 49
    assert loudest(bench.heard()[1_600:7_600]) == pytest.approx(1_000, abs=5)


@pytest.mark.parametrize("codec", CODECS)
def test_streams_of_all_codecs_share_a_tick(bench: Bench, codec: WidebandCodec) -> None:
    wide = opened(bench, codec, "wide")
    narrow, law = bench.open("narrow"), bench.open("law", codec="pcma", payload_type=8)
    law.law, law.payload_type = "pcma", 8
    sound = noise(160 * 20)
    bench.command(plane.Play("narrow", 1, sound))
    for number, frame in enumerate(sound.reshape(-1, 160)):
        tonal = SOUND[160 * number : 160 * number + 160]
        bench.tick(
            (law, law.audio(frame)), (wide, wide.frame(tonal)), (narrow, narrow.audio(frame))
        )
    assert np.array_equal(bench.heard("narrow"), sound)
    assert len(bench.heard("wide")) == len(bench.heard("law")) == len(sound)
    assert np.array_equal(bench.spoken("narrow"), sound)


def test_keys_beside_opus_count_its_clock(bench: Bench) -> None:
    caller = opened(bench, "opus")
    bench.configure("a", codec="opus", payload_type=107, event_clock_rate=48_000)
    bench.command(plane.SendDigits("a", "5", tone_ms=100))
    bench.ticks(10)
    sent = [RtpPacket.parse(packet) for packet in bench.sent["a"]]
    events = [TelephoneEvent.parse(one.payload) for one in sent if one.payload_type == 101]
    assert [event.duration for event in events] == [960, 1_920, 2_880, 3_840, 4_800, 4_800, 4_800]
    for event in events:
        bench.tick((caller, caller.packet(bytes(event), payload_type=101)))
    [digit] = bench.of(plane.Digit)
    assert isinstance(digit, plane.Digit)
    assert (digit.digit, digit.duration_s) == ("5", pytest.approx(0.1))


def test_a_codec_can_change_amid_a_call(bench: Bench) -> None:
    caller = bench.open()
    bench.tick((caller, caller.audio(noise(160))))
    bench.configure("a", codec="g722", payload_type=9)
    other = WideCaller("a", PEER, payload_type=9, codec="g722", encoder=Encoder("g722"))
    other.sequence, other.timestamp = caller.sequence, caller.timestamp
    for frame in SOUND[:3_200].reshape(-1, 160):
        bench.tick((other, other.frame(frame)))
    bench.configure("a")
    caller.sequence, caller.timestamp = other.sequence, other.timestamp
    bench.tick((caller, caller.audio(noise(160, 5))))
    assert all(bench.real())
    assert np.array_equal(bench.heard()[-160:], noise(160, 5))
    kinds = [packet[1] & 0x7F for packet in bench.sent["a"]]
    assert kinds == [0] + [9] * 20 + [0]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(CODECS),
    st.lists(st.tuples(st.binary(max_size=400), st.integers(0, 2**32 - 1)), max_size=10),
)
def test_any_payload_at_any_time_does_no_harm(
    codec: WidebandCodec, packets: list[tuple[bytes, int]]
) -> None:
    bench = Bench()
    caller = opened(bench, codec)
    other = bench.open("b")
    sound = noise(160 * (len(packets) + 1))
    for number, frame in enumerate(sound.reshape(-1, 160)):
        mine = []
        if number < len(packets):
            payload, caller.timestamp = packets[number]
            mine = [(caller, caller.packet(payload))]
        bench.tick(*mine, (other, other.audio(frame)))
    bench.ticks(10)
    assert np.array_equal(bench.heard("b")[: len(sound)], sound)


def test_a_payload_that_cannot_be_decoded_is_concealed(bench: Bench) -> None:
    caller = opened(bench, "opus")
    for frame in SOUND[:1_600].reshape(-1, 160):
        bench.tick((caller, caller.frame(frame)))
    bench.tick((caller, caller.packet(bytes.fromhex("fb82fa"))))  # two frames, cut short
    caller.timestamp = (caller.timestamp + 1_920) % 2**32
    for frame in SOUND[1_920:3_200].reshape(-1, 160):
        bench.tick((caller, caller.frame(frame)))
    assert bench.real() == [True] * 10 + [False] * 2 + [True] * 8
    assert rms_dbfs(bench.heard()[1_600:1_760]) > -30
    report = bench.close().report
    assert (report.concealed, report.lost) == (2, 0)
    assert report.malformed


def test_the_clock_of_48_khz_becomes_8_khz_beyond_its_wrap() -> None:
    ear = WideEar("opus")
    begin = 2**32 - 960 * 3
    times = [ear.samples_time((begin + 960 * step) % 2**32) for step in (0, 1, 2, 4, 3, 5)]
    first = begin // 6
    assert times == [first + 160 * step for step in (0, 1, 2, 4, 3, 5)]


def test_payloads_that_nobody_fetches_are_bounded() -> None:
    ear = WideEar("g722")
    tickets = np.zeros(480, np.uint8)
    for _ in range(3 * MAX_ASIDE):
        assert ear.put_aside(b"x" * 160, tickets) == 160
    assert len(ear._aside) == MAX_ASIDE
    assert ear.sound(np.zeros(160, np.uint8)) is None
