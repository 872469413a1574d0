"""What the engine hears: order, loss, jitter, strangers, digits, wrong packets."""

import io
import struct

import dpkt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aywa.codecs import wav
from aywa.codecs.tones import tone
from aywa.media import pcap, plane
from aywa.media.rtp import rtcp
from aywa.media.rtp.telephone_event import TelephoneEvent

from .conftest import PEER, WALL_OFFSET, Bench, Caller, noise


def frames(pcm: np.ndarray, size: int = 160) -> list[np.ndarray]:
    return [pcm[i : i + size] for i in range(0, len(pcm), size)]


def test_what_was_sent_is_heard_at_once_and_whole(bench: Bench) -> None:
    caller, sound = bench.open(), noise(160 * 50)
    for frame in frames(sound):
        events = bench.tick((caller, caller.audio(frame)))
        assert [type(e) for e in events if isinstance(e, plane.Heard)] == [plane.Heard]
    assert np.array_equal(bench.heard(), sound)
    assert all(bench.real())


@pytest.mark.parametrize("size", [80, 160, 240, 320, 480])
def test_packets_of_10_to_60_ms(bench: Bench, size: int) -> None:
    caller, sound = bench.open(), noise(480 * 10)
    waiting = 0
    for frame in frames(sound, size):
        waiting += size
        packet = (caller, caller.audio(frame))
        while waiting >= 160:
            bench.tick(*[packet] if packet else [])
            packet, waiting = None, waiting - 160
        if packet:
            bench.tick(packet)
            bench.now -= 0.01
    assert np.array_equal(bench.heard()[: len(sound)], sound)


def test_reordered_and_doubled_packets_are_put_right(bench: Bench) -> None:
    caller, sound = bench.open(), noise(160 * 40)
    packets = [caller.audio(frame) for frame in frames(sound)]
    bench.tick((caller, packets[0]))
    for first in range(1, 39, 2):
        bench.tick((caller, packets[first + 1]))
        bench.tick((caller, packets[first]), (caller, packets[first + 1]))
    report = bench.close().report
    assert np.array_equal(bench.heard(), sound[: 39 * 160])
    assert (report.duplicates, report.lost, report.concealed) == (19, 0, 0)


def test_a_burst_after_a_stall_loses_nothing(bench: Bench) -> None:
    caller, sound = bench.open(), noise(160 * 30)
    packets = [caller.audio(frame) for frame in frames(sound)]
    for packet in packets[:10]:
        bench.tick((caller, packet))
    bench.ticks(8)
    bench.tick(*((caller, packet) for packet in packets[10:19]))
    for packet in packets[19:]:
        bench.tick((caller, packet))
    bench.ticks(3)
    real = np.repeat(bench.real(), 160)
    assert np.array_equal(bench.heard()[real], sound)
    assert bench.close().report.lost == 0


def test_a_lost_packet_is_concealed_in_its_place(bench: Bench) -> None:
    caller, sound = bench.open(), tone(200, seconds=0.8)
    for number, frame in enumerate(frames(sound)):
        packet = caller.audio(frame)
        bench.tick(*[(caller, packet)] if number != 20 else [])
    heard, real = bench.heard(), bench.real()
    assert real.count(False) == 1
    gap = real.index(False)
    assert gap == 20
    made, lost = heard[160 * 20 : 160 * 21], sound[160 * 20 : 160 * 21]
    assert np.corrcoef(made, lost)[0, 1] > 0.95  # a tone goes on as if nothing were missing
    after = slice(160 * 21 + 32, 160 * 39)
    assert np.corrcoef(heard[after], sound[after])[0, 1] > 0.999
    report = bench.close().report
    assert (report.lost, report.concealed) == (1, 1)


def test_a_long_loss_fades_to_silence_and_hearing_never_stalls(bench: Bench) -> None:
    caller, sound = bench.open(), tone(200, seconds=0.4)
    for frame in frames(sound):
        bench.tick((caller, caller.audio(frame)))
    before = len(bench.real())
    bench.ticks(50)
    assert 46 <= len(bench.real()) - before <= 50
    assert not any(bench.real()[before:])
    assert np.abs(bench.heard()[-160 * 40 :]).max() == 0


def test_a_new_ssrc_goes_on_with_at_most_one_frame_missing(bench: Bench) -> None:
    caller, sound = bench.open(), noise(160 * 20)
    for number, frame in enumerate(frames(sound)):
        if number == 10:
            caller.ssrc, caller.sequence, caller.timestamp = 99, 7, 123_456_789
        bench.tick((caller, caller.audio(frame)))
    assert np.array_equal(bench.heard()[-160 * 9 :], sound[-160 * 9 :])
    assert bench.close().report.lost <= 1


def test_the_peer_is_where_it_said(bench: Bench) -> None:
    caller, stranger = bench.open(), Caller("a", ("198.51.100.66", 6000), ssrc=5)
    [locked] = [
        e for e in bench.tick((caller, caller.audio(noise(160)))) if isinstance(e, plane.PeerLocked)
    ]
    assert locked.address == PEER
    for _ in range(50):
        bench.tick((stranger, stranger.audio(noise(160, 9))))
    assert len(bench.of(plane.PeerLocked)) == 1
    destinations = bench.engine.tick(bench.now, bench.now, _nothing()).packets[0].destination
    assert bench.engine.book.address(int(destinations[0])) == PEER
    report = bench.close().report
    assert (report.strangers, report.packets_received) == (50, 1)
    assert not any(bench.real()[1:])


def test_a_peer_behind_a_nat_is_learned_after_four_packets_and_kept(bench: Bench) -> None:
    bench.open()
    real, thief = Caller("a", ("203.0.113.9", 777)), Caller("a", ("198.51.100.66", 6000), ssrc=5)
    for number in range(4):
        bench.tick(
            (thief, thief.packet(b"x" * 160)) if number == 1 else (real, real.audio(noise(160)))
        )
    assert bench.of(plane.PeerLocked) == []
    bench.tick((real, real.audio(noise(160))))
    bench.tick((real, real.audio(noise(160))))
    for _ in range(20):
        bench.tick((real, real.audio(noise(160))), (thief, thief.audio(noise(160))))
    [locked] = bench.of(plane.PeerLocked)
    assert locked == plane.PeerLocked("a", locked.at, ("203.0.113.9", 777))  # type: ignore[attr-defined]
    assert bench.close().report.strangers >= 19


def test_wrong_packets_are_counted_and_change_nothing(bench: Bench) -> None:
    caller = bench.open()
    bench.tick((caller, caller.audio(noise(160))))
    bench.tick((caller, caller.packet(b"x" * 160, payload_type=18)))
    bench.tick((caller, b""), (caller, b"\x80"), (caller, b"\x00" * 40), (caller, b"\x80" * 2000))
    bench.tick((caller, caller.packet(b"\x40", payload_type=13)))
    report = bench.close().report
    assert (report.wrong_payload_type, report.comfort_noise) == (1, 1)
    assert report.malformed == 4


def test_a_digit_is_told_once_with_its_length(bench: Bench) -> None:
    caller = bench.open()
    bench.tick((caller, caller.audio(noise(160))))
    for duration, end in [(160, False), (320, False), (480, True), (480, True), (480, True)]:
        payload = bytes(TelephoneEvent(7, end, 10, duration))
        bench.tick((caller, caller.packet(payload, payload_type=101)))
    assert [(d.digit, d.duration_s) for d in bench.of(plane.Digit)] == [("7", 0.06)]  # type: ignore[attr-defined]
    caller.timestamp += 1_600
    bench.tick((caller, caller.packet(bytes(TelephoneEvent(8, False, 10, 160)), payload_type=101)))
    bench.ticks(12)
    assert [d.digit for d in bench.of(plane.Digit)] == ["7", "8"]  # type: ignore[attr-defined]


def test_speech_is_told_from_silence(bench: Bench) -> None:
    caller = bench.open()
    voice = (noise(160 * 40) * np.abs(np.sin(np.arange(160 * 40) / 400))).astype(np.int16)
    for frame in frames(np.concatenate([np.zeros(160 * 20, np.int16), voice])):
        bench.tick((caller, caller.audio(frame)))
    decisions = [flag for e in bench.of(plane.Heard) for flag in e.speech]  # type: ignore[attr-defined]
    assert not any(decisions[:20])
    assert sum(decisions[20:]) > 30


def test_silence_of_the_peer_is_told_once_and_not_on_hold(bench: Bench) -> None:
    bench.open()
    bench.ticks(495)
    assert bench.of(plane.MediaSilent) == []
    bench.ticks(600)
    [silent] = bench.of(plane.MediaSilent)
    assert silent.seconds == pytest.approx(10, abs=0.1)  # type: ignore[attr-defined]
    bench.open("held", direction="sendonly")
    bench.ticks(600)
    assert len(bench.of(plane.MediaSilent)) == 1


def test_the_recording_and_the_capture_hold_what_passed(bench: Bench) -> None:
    caller, sound, ours = bench.open(files=True), noise(160 * 150), noise(160 * 60, 8)
    bench.play(ours)
    began = bench.now
    for frame in frames(sound):
        bench.tick((caller, caller.audio(frame)), delay=0.003)
    bench.close()
    recorded = wav.parse(wav.header(8_000, 2) + bench.files["a", "recording"]).pcm
    left = int(np.flatnonzero(recorded[:, 0])[0])
    right = int(np.flatnonzero(recorded[:, 1])[0])
    assert np.array_equal(recorded[left : left + len(sound) - 320, 0], sound[:-320])
    assert np.array_equal(recorded[right : right + len(ours), 1], ours)
    reader = dpkt.pcap.Reader(io.BytesIO(pcap.FILE_HEADER + bench.files["a", "pcap"]))
    packets = [(at, dpkt.ethernet.Ethernet(data).data.data) for at, data in reader]
    came = [at for at, udp in packets if udp.dport == 20_000]
    went = [at for at, udp in packets if udp.sport == 20_000]
    assert (len(came), len(went)) == (150, 150)
    # Both channels stand where the packets passed, within a frame.
    for first, place in ((came[0], left), (went[0], right)):
        assert abs((first - WALL_OFFSET - began) - place / 8_000) <= 0.020


def test_a_row_used_again_remembers_nothing(bench: Bench) -> None:
    for number in range(30):
        name = f"call-{number}"
        caller = bench.open(name)
        assert bench.heard(name).size == 0
        bench.command(plane.Play(name, 5, noise(400)))
        bench.tick((caller, caller.audio(noise(160, number))))
        bench.tick((caller, caller.audio(noise(160, number))))
        assert bench.heard(name).size == 320
        report = bench.close(name).report
        assert (report.packets_received, report.packets_sent, report.lost) == (2, 2, 0)
    assert len(bench.engine.table.rows) == 0


def test_rtcp_tells_loss_and_round_trip(bench: Bench) -> None:
    caller = bench.open()
    for number in range(400):
        packet = caller.audio(noise(160))
        bench.tick(*[(caller, packet)] if number % 10 else [])
    first = rtcp.parse(bench.control["a"][0])
    sender = first[0]
    assert isinstance(sender, rtcp.SenderReport)
    assert sender.blocks[0].ssrc == 77
    assert 20 <= sender.blocks[0].fraction_lost <= 30  # a tenth, in 1/256
    assert any(isinstance(p, rtcp.SourceDescription) for p in first)
    wall = bench.now + WALL_OFFSET
    lsr = rtcp.ntp_time(wall - 0.23) >> 16 & 0xFFFF_FFFF
    block = rtcp.ReportBlock(sender.ssrc, 0, 0, 0, 0, lsr, round(0.2 * 65_536))
    bench.tick((caller, rtcp.build([rtcp.ReceiverReport(77, (block,))])))
    report = bench.close().report
    assert report.round_trip_ms == pytest.approx(50, abs=1)
    assert isinstance(rtcp.parse(bench.control["closed"][-1])[-1], rtcp.Goodbye)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=300), max_size=12), st.booleans())
def test_any_datagrams_leave_other_streams_untouched(datagrams: list[bytes], control: bool) -> None:
    bench = Bench()
    caller, victim = bench.open("a"), bench.open("b")
    sound = noise(160 * 8)
    for number, frame in enumerate(frames(sound)):
        junk = [(victim, data) for data in datagrams[number::8]]
        bench.tick((caller, caller.audio(frame)))
        bench.now -= 0.02
        bench.tick(*junk, control=control)
    assert np.array_equal(bench.heard("a"), sound)


@settings(max_examples=60)
@given(st.data())
def test_any_payloads_of_a_locked_peer_never_raise(data: st.DataObject) -> None:
    bench = Bench()
    caller = bench.open()
    for _ in range(10):
        kind = data.draw(st.sampled_from([0, 8, 13, 101, 96, 72]))
        caller.sequence = data.draw(st.integers(0, 65_535))
        caller.timestamp = data.draw(st.integers(0, 2**32 - 1))
        payload = data.draw(st.binary(max_size=600))
        bench.tick((caller, caller.packet(payload, payload_type=kind)))
    bench.ticks(10)
    bench.close()


def _nothing():  # type: ignore[no-untyped-def]
    from aywa.media.datagrams import Received

    return Received.allocate(0)


def test_header_fields_of_a_stream_are_ours(bench: Bench) -> None:
    bench.open()
    bench.ticks(3)
    fields = [struct.unpack("!BBHII", p[:12]) for p in bench.sent["a"]]
    assert {(f[0], f[1], f[4]) for f in fields} == {(0x80, 0, fields[0][4])}


def test_an_old_style_hold_forgets_neither_peer_nor_capture(bench: Bench) -> None:
    caller = bench.open(files=True)
    bench.tick((caller, caller.audio(noise(160))))
    bench.configure("a", remote_host="0.0.0.0", direction="recvonly")
    bench.command(plane.CaptureSip("a", 1.0, ("pbx.example", 1), ("h", 2), "udp", b"x"))
    bench.configure("a", direction="sendrecv")
    bench.tick((caller, caller.audio(noise(160))))
    assert len(bench.sent["a"]) == 2
    assert len(bench.of(plane.PeerLocked)) == 1
