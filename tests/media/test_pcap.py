"""Captures are read back by independent readers: dpkt, and tshark where it is."""

import io
import shutil
import subprocess
from pathlib import Path

import dpkt
import numpy as np
import pytest

from aywa.media import pcap
from aywa.media.rtp.packet import RtpPacket
from aywa.media.sdp import Session

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
        assert frame.data.sum == one[0][1].data.sum != 0
        assert frame.data.data.sum == 0
        frame.data.data.sum = one[0][1].data.data.sum
        assert bytes(frame) == bytes(one[0][1])


def words_sum(data: bytes) -> int:
    """RFC 1071 by the letter: what a right checksum brings to 0xFFFF."""
    total = sum(int.from_bytes(data[i : i + 2].ljust(2, b"\0")) for i in range(0, len(data), 2))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return total


@pytest.mark.parametrize("ends", [(HERE, THERE), (SIX, OTHER)])
@pytest.mark.parametrize("payload", [b"", b"x", OPTIONS, bytes(1_400), b"\xff" * 99])
def test_every_checksum_is_right(
    ends: tuple[tuple[str, int], tuple[str, int]], payload: bytes
) -> None:
    conversation = pcap.TcpConversation()
    records = [pcap.udp_record(1.0, *ends, payload)]
    records += [conversation.records(1.0, *ends, payload)] if payload else []
    for record in records:
        [(_, frame)] = frames(pcap.FILE_HEADER + record)
        packet = record[30:]
        head, hosts = (packet[:20], packet[12:20]) if ends[0] == HERE else (b"", packet[8:40])
        body = packet[20 if head else 40 :]
        assert not head or words_sum(head) == 0xFFFF
        pseudo = hosts + len(body).to_bytes(4) + frame.data.p.to_bytes(4)
        assert words_sum(pseudo + body) == 0xFFFF


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


def test_connections_of_one_port_are_numbered_apart() -> None:
    talk, third = pcap.TcpConversation(), ("192.0.2.3", 5060)
    data = talk.records(1.0, HERE, THERE, b"abc") + talk.records(2.0, HERE, third, b"de")
    data += talk.records(3.0, third, HERE, b"f") + talk.records(4.0, HERE, THERE, b"g")
    segments = [frame.data.data for _, frame in frames(pcap.FILE_HEADER + data)]
    assert [(s.seq, s.ack) for s in segments] == [(1, 1), (1, 1), (1, 3), (4, 1)]


def test_a_conversation_remembers_so_many_connections_and_no_more() -> None:
    talk = pcap.TcpConversation()
    talk.records(0.0, HERE, THERE, b"abc")
    for port in range(1_000):
        talk.records(1.0, ("192.0.2.9", port), HERE, b"x")
    assert len(talk._next) <= 64
    again = talk.records(2.0, HERE, THERE, b"y")
    assert frames(pcap.FILE_HEADER + again)[0][1].data.data.seq == 1


def test_an_ipv4_host_beside_an_ipv6_one_is_mapped() -> None:
    record = pcap.udp_record(1.0, HERE, OTHER, b"x")
    [(_, frame)] = frames(pcap.FILE_HEADER + record)
    assert frame.data.src == bytes(10) + b"\xff\xff" + bytes([192, 0, 2, 1])
    mapped = pcap.udp_record(1.0, ("::ffff:192.0.2.1", 5060), THERE, b"x")
    assert mapped == pcap.udp_record(1.0, HERE, THERE, b"x")
    scoped = pcap.udp_record(1.0, ("2001:db8::1%eth0", 5060), OTHER, b"x")
    assert scoped == pcap.udp_record(1.0, SIX, OTHER, b"x")


def test_what_cannot_have_crossed_a_wire_is_refused() -> None:
    with pytest.raises(pcap.PcapError, match=r"'pbx\.example' .* is not an IP address"):
        pcap.udp_record(1.0, ("pbx.example", 5060), HERE, b"x")
    with pytest.raises(pcap.PcapError, match="is not an IP address"):
        pcap.TcpConversation().records(1.0, HERE, ("", 5060), b"x")
    with pytest.raises(pcap.PcapError, match="expected at most 65507"):
        pcap.udp_record(1.0, HERE, THERE, bytes(65_508))
    assert len(pcap.udp_record(1.0, HERE, THERE, bytes(65_507))) > 65_507


def call() -> bytes:
    """A call in each direction: SDP says which ports carry RTP, 50 packets go each way."""
    caller, callee = ("192.0.2.1", 20_000), ("192.0.2.2", 40_000)
    offer = Session(*caller, 1).offer()
    answer, _ = Session(*callee, 2).answer(offer)
    invite = (
        b"INVITE sip:a@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
        b"From: <sip:b@192.0.2.1>;tag=1\r\nTo: <sip:a@192.0.2.2>\r\nCall-ID: 1\r\n"
        b"CSeq: 1 INVITE\r\n"
    )
    ok = invite.replace(b"INVITE sip:a@192.0.2.2 SIP/2.0", b"SIP/2.0 200 OK")
    data = pcap.FILE_HEADER
    for begin, body, hosts in [(invite, offer, (caller, callee)), (ok, answer, (callee, caller))]:
        content = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(body)
        signalling = (hosts[0][0], 5060), (hosts[1][0], 5060)
        data += pcap.udp_record(100.0, *signalling, begin + content + body)
    for ssrc, (source, destination) in enumerate([(caller, callee), (callee, caller)]):
        packets = [bytes(RtpPacket(0, n, 160 * n, ssrc, bytes(160))) for n in range(50)]
        rows = np.frombuffer(b"".join(packets), np.uint8).reshape(50, 172)
        at = np.arange(50, dtype=np.float64) * 0.02 + 101.0
        ends = (np.full(50, number(source)), np.full(50, number(destination)))
        data += pcap.udp4_records(at, *ends, rows).tobytes()
    return data


@pytest.mark.peers
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_finds_nothing_malformed(tmp_path: Path) -> None:
    talk = pcap.TcpConversation()
    header = b"X-Long: " + b"x" * 2_000 + b"\r\nContent-Length"
    long = OPTIONS.replace(b"Content-Length", header)
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


@pytest.mark.peers
@pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not installed")
def test_tshark_follows_the_call_through_its_sdp(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    path.write_bytes(call())
    command = ["tshark", "-n", "-r", str(path)]
    streams = subprocess.run(
        [*command, "-q", "-z", "rtp,streams"], capture_output=True, text=True, check=True
    ).stdout
    rows = sorted(line.split() for line in streams.splitlines() if "0x0000000" in line)
    assert [(row[2], row[3], row[4], row[5]) for row in rows] == [
        ("192.0.2.1", "20000", "192.0.2.2", "40000"),
        ("192.0.2.2", "40000", "192.0.2.1", "20000"),
    ]
    assert [(row[7], row[8], row[9]) for row in rows] == [("g711U", "50", "0")] * 2
    shown = subprocess.run(
        [*command, "-Y", "_ws.malformed || _ws.expert.severity >= warning"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert shown == ""
