"""Calls between the runtime and real phones: what crosses the wire and what is kept of it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from aywa.codecs import g711, wav
from tests.peers import call_records as records
from tests.peers.baresip import Baresip
from tests.peers.capture import Capture, rtp_streams, tshark_fields
from tests.peers.kamailio import Kamailio
from tests.peers.melody import likeness, melody
from tests.peers.places import NetworkNamespace, Place
from tests.peers.runtime_process import RuntimeProcess
from tests.peers.sipp import Sipp

pytestmark = pytest.mark.peers

RATE = 8_000
FRAME = 160
SPEECH_S = 6.0

BUSY = """<?xml version="1.0" encoding="UTF-8"?>
<scenario name="busy">
  <recv request="INVITE"/>
  <send><![CDATA[
    SIP/2.0 486 Busy Here
    [last_Via:]
    [last_From:]
    [last_To:];tag=[call_number]
    [last_Call-ID:]
    [last_CSeq:]
    Content-Length: 0

  ]]></send>
  <recv request="ACK"/>
</scenario>
"""


def test_a_sipp_caller_is_sent_50_packets_a_second_and_the_call_keeps_every_one(
    loopback: Place,
    sipp: None,
    runtime: RuntimeProcess,
    start_capture: Callable[..., Capture],
) -> None:
    first, last = runtime.rtp_ports
    ours_only = f"udp and (port {runtime.sip_port} or portrange {first}-{last})"
    capture = start_capture(loopback, ours_only)
    caller = Sipp.start(loopback, "uac_pcap", f"127.0.0.1:{runtime.sip_port}", extra=("-s", "demo"))
    caller.finish()
    call = records.wait_latest(runtime, "ended")
    crossed = capture.stop()
    kept = records.download(runtime, f"/call/{call['id']}/pcap", loopback.folder / "kept.pcap")

    assert call["endedReason"] == "customer-ended-call"
    for path in (crossed, kept):
        assert records.malformed(path) == []
    [ours] = [s for s in rtp_streams(crossed) if s.source[1] == runtime.rtp_ports[0]]
    assert ours.packets_per_second == pytest.approx(50, abs=0.5)
    assert ours.lost == 0
    sent, stored = _packets(crossed, caller.media_port), _packets(kept, caller.media_port)
    assert sent.keys() == stored.keys()
    for ssrc, count in sent.items():
        assert stored[ssrc] == pytest.approx(count, abs=2)
    methods = tshark_fields(kept, "sip.Method", "sip.Method")
    assert methods == [("INVITE",), ("ACK",), ("BYE",)]
    statuses = [status for (status,) in tshark_fields(kept, "sip.Status-Code", "sip.Status-Code")]
    assert statuses[-2:] == ["200", "200"]


def _packets(capture: Path, media_port: int) -> dict[int, int]:
    """Packets by SSRC of the streams from and to a port."""
    return {
        stream.ssrc: stream.packets
        for stream in rtp_streams(capture)
        if media_port in (stream.source[1], stream.destination[1])
    }


def test_a_phone_behind_a_proxy_talks_and_the_recording_is_true_to_the_wire(
    namespace: NetworkNamespace, phones: None, start_capture: Callable[..., Capture]
) -> None:
    runtime = RuntimeProcess.start(namespace)
    kamailio = Kamailio.start(namespace, runtime.sip_address)
    sound = melody(namespace.folder / "melody.wav")
    phone = Baresip.start(namespace, kamailio, "alice", sound)
    capture = start_capture(namespace, "udp")
    phone.dial("sip:demo@trunk.test")
    phone.wait_event("CALL_CLOSED")
    call = records.wait_latest(runtime, "ended")
    crossed = capture.stop()

    port = runtime.rtp_ports[0]
    streams = [s for s in rtp_streams(crossed) if port in (s.source[1], s.destination[1])]
    assert [s.packets_per_second for s in streams] == [pytest.approx(50, abs=0.5)] * 2
    folder = namespace.folder
    kept = records.download(runtime, f"/call/{call['id']}/pcap", folder / "kept.pcap")
    stereo = records.download(
        runtime, f"/call/{call['id']}/recording/stereo", folder / "stereo.wav"
    )
    left, right = wav.read(stereo).pcm.T
    said = wav.read(sound).mono()
    assert likeness(left, said) > 0.99
    heard = wav.read(phone.heard()).mono()
    assert np.abs(heard).max() > 2_000
    assert likeness(right, heard) > 0.99
    offsets = np.concatenate(
        [
            _offsets(kept, f"udp.srcport == {port}", right),
            _offsets(kept, f"udp.dstport == {port}", left),
        ]
    )
    assert np.ptp(offsets) < 0.020


def _offsets(capture: Path, which: str, channel: NDArray[np.int16]) -> NDArray[np.float64]:
    """For each packet with sound: its place in the recording minus its time, in seconds."""
    packets = [
        (float(at), _sound(bytes.fromhex(payload.replace(":", ""))))
        for at, payload in tshark_fields(
            capture, f"rtp && {which}", "frame.time_epoch", "rtp.payload"
        )
    ]
    on_the_wire = g711.decode(g711.encode(channel, "pcmu"), "pcmu")
    # The last packet may leave while the files are being closed.
    offsets = list(_found(packets[:-1], sliding_window_view(on_the_wire, FRAME)))
    assert len(offsets) > 100
    return np.array(offsets)


def _sound(payload: bytes) -> NDArray[np.int16]:
    return g711.decode(np.frombuffer(payload, np.uint8), "pcmu")


def _found(
    packets: list[tuple[float, NDArray[np.int16]]], windows: NDArray[np.int16]
) -> Iterator[float]:
    begin, end = 0, len(windows)
    for at, pcm in packets:
        if np.abs(pcm).max() < 500:
            continue
        places = begin + np.flatnonzero((windows[begin:end] == pcm).all(axis=1))
        assert len(places), f"a packet of {at} is not in the recording"
        yield places[0] / RATE - at
        begin, end = int(places[0]), int(places[0]) + 3 * RATE  # the next one follows


def test_an_outbound_call_says_what_it_is_told_and_hangs_up(
    loopback: Place, sipp: None, runtime: RuntimeProcess
) -> None:
    called = Sipp.start(loopback, "uas")
    call_id = _dial(runtime, called.port)
    records.wait_status(runtime, call_id, "in-progress")
    said = {"type": "say", "content": "Hello.", "interruptAssistantEnabled": True}
    assert runtime.request("POST", f"/call/{call_id}/control", said).status < 300
    _wait_for_words(runtime, call_id, "Hello.")
    ending = runtime.request("POST", f"/call/{call_id}/control", {"type": "end-call"})
    assert ending.status < 300
    called.finish()
    call = records.wait_status(runtime, call_id, "ended")

    assert call["endedReason"] == "manually-canceled"
    assert call["type"] == "outboundPhoneCall"
    items = records.timeline(runtime, call_id)
    statuses = [data["status"] for data in records.data_of(items, "status-update")]
    assert statuses == ["queued", "ringing", "in-progress", "ended"]
    assert [item["seq"] for item in items] == sorted(item["seq"] for item in items)
    assert "Hello." in call["artifact"]["transcript"]


def _wait_for_words(runtime: RuntimeProcess, call_id: str, words: str) -> None:
    """Wait until the assistant has spoken exactly `words`."""
    count = 0
    while True:
        count += 1
        turn = records.wait_item(runtime, call_id, "assistant-turn", count=count)
        if turn["text"] == words:
            return


def test_a_busy_phone_ends_the_call_as_busy(
    loopback: Place, sipp: None, runtime: RuntimeProcess
) -> None:
    scenario = loopback.folder / "busy.xml"
    scenario.write_text(BUSY)
    called = Sipp.start(loopback, scenario)
    call_id = _dial(runtime, called.port)
    called.finish()
    call = records.wait_status(runtime, call_id, "ended")
    assert call["endedReason"] == "customer-busy"
    assert "486" in call["endedMessage"]
    assert "startedAt" not in call


def _dial(runtime: RuntimeProcess, port: int) -> str:
    assistant, number = records.demo(runtime)
    request = {
        "assistantId": assistant["id"],
        "phoneNumberId": number["id"],
        "customer": {"sipUri": f"sip:service@127.0.0.1:{port}"},
    }
    reply = runtime.request("POST", "/call", request)
    assert reply.status == 201, reply.body
    call_id: str = reply.json()["id"]
    return call_id
