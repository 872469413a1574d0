"""Captures are read back by an independent reader, and repaired after a kill."""

import io
import shutil
import subprocess
from pathlib import Path

import dpkt
import numpy as np
import pytest

from aywa.codecs import wav
from aywa.media import pcap
from aywa.media.recovery import Repair, repair_capture, repair_recording

HERE, THERE = ("192.0.2.1", 5060), ("192.0.2.2", 40_000)
SIX, OTHER = ("2001:db8::1", 5060), ("2001:db8::2", 40_000)
OPTIONS = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n"


def number(address: tuple[str, int]) -> int:
    return int.from_bytes(bytes(map(int, address[0].split(".")))) << 16 | address[1]


def frames(data: bytes) -> list[tuple[float, dpkt.ethernet.Ethernet]]:
    reader = dpkt.pcap.Reader(io.BytesIO(data))
    return [(at, dpkt.ethernet.Ethernet(frame)) for at, frame in reader]


@pytest.mark.parametrize(("source", "destination"), [(HERE, THERE), (SIX, OTHER)])
def test_a_datagram_is_read_back(source: tuple[str, int], destination: tuple[str, int]) -> None:
    record = pcap.udp_record(1_700_000_000.123456, source, destination, OPTIONS)
    [(at, frame)] = frames(pcap.FILE_HEADER + record)
    assert at == pytest.approx(1_700_000_000.123456, abs=1e-6)
    udp = frame.data.data
    assert (udp.sport, udp.dport, udp.data) == (source[1], destination[1], OPTIONS)
    if destination == THERE:
        written, frame.data.sum = frame.data.sum, 0
        assert dpkt.ip.IP(bytes(frame.data)).sum == written  # made anew when it is 0


def test_many_records_equal_one_by_one_but_for_the_checksum() -> None:
    payload = np.arange(3 * 172, dtype=np.int64).astype(np.uint8).reshape(3, 172)
    at = np.array([1.0, 1.000001, 1_700_000_000.999999])
    source, destination = np.full(3, number(HERE)), np.full(3, number(THERE))
    got = frames(pcap.FILE_HEADER + pcap.udp4_records(at, source, destination, payload).tobytes())
    for row, (stamp, frame) in enumerate(got):
        one = frames(
            pcap.FILE_HEADER + pcap.udp_record(at[row], HERE, THERE, payload[row].tobytes())
        )
        assert stamp == one[0][0]
        assert frame.data.data.sum == 0
        frame.data.data.sum = one[0][1].data.data.sum
        assert bytes(frame) == bytes(one[0][1])


def test_tcp_segments_follow_each_other_both_ways() -> None:
    talk = pcap.TcpConversation()
    data = talk.records(1.0, HERE, THERE, b"a" * 3_000) + talk.records(2.0, THERE, HERE, b"b")
    data += talk.records(3.0, HERE, THERE, b"c")
    segments = [frame.data.data for _, frame in frames(pcap.FILE_HEADER + data)]
    assert [(s.seq, s.ack, len(s.data)) for s in segments] == [
        (1, 1, 1_400),
        (1_401, 1, 1_400),
        (2_801, 1, 200),
        (1, 3_001, 1),
        (3_001, 2, 1),
    ]


@pytest.mark.peers
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_finds_nothing_malformed(tmp_path: Path) -> None:
    talk = pcap.TcpConversation()
    long = OPTIONS.replace(b"OPTIONS", b"OPTIONS", 1).replace(
        b"Content-Length", b"X-Long: " + b"x" * 2_000 + b"\r\nContent-Length"
    )
    path = tmp_path / "a.pcap"
    path.write_bytes(
        pcap.FILE_HEADER
        + pcap.udp_record(1.0, HERE, THERE, OPTIONS)
        + pcap.udp_record(2.0, SIX, OTHER, OPTIONS)
        + talk.records(3.0, HERE, THERE, long)
    )
    command = ["tshark", "-n", "-r", str(path), "-o", "ip.check_checksum:TRUE"]
    command += ["-o", "udp.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE"]
    fields = ["-T", "fields", "-e", "sip.Method", "-e", "_ws.expert.message"]
    shown = subprocess.run([*command, *fields], capture_output=True, text=True, check=True).stdout
    assert [line.split("\t")[0] for line in shown.splitlines()].count("OPTIONS") == 3
    assert "alformed" not in shown
    assert "checksum" not in shown.lower()


def test_a_half_written_capture_is_cut_to_whole_records(tmp_path: Path) -> None:
    record = pcap.udp_record(1.0, HERE, THERE, OPTIONS)
    path = tmp_path / "a.pcap"
    for cut in range(len(record)):
        path.write_bytes(pcap.FILE_HEADER + record * 2 + record[:cut])
        assert repair_capture(path) == Repair(2, cut)
        assert repair_capture(path) == Repair(2, 0)
        assert len(frames(path.read_bytes())) == 2
    path.write_bytes(pcap.FILE_HEADER[:7])
    assert repair_capture(path) == Repair(0, 7)
    assert frames(path.read_bytes()) == []


def test_a_half_written_recording_gets_its_true_sizes(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    samples = np.arange(40, dtype=np.int16).tobytes()
    for cut in range(4):
        path.write_bytes(wav.header(8_000, 2) + samples + b"\x01" * cut)
        assert repair_recording(path) == Repair(20, cut)
        assert repair_recording(path) == Repair(20, 0)
        assert path.read_bytes() == wav.header(8_000, 2, 80) + samples
    path.write_bytes(b"RIFF")
    assert repair_recording(path) == Repair(0, 0)
    assert wav.read(path).pcm.shape == (0, 2)
