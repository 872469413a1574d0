"""Codecs and keys through a media process and real sockets."""

import asyncio
from typing import Any

import numpy as np
import pytest

from aywa.codecs import wideband
from aywa.codecs.tones import tone
from aywa.codecs.wideband import WidebandUnavailable
from aywa.media import plane
from aywa.media.io.client import MediaPlane
from aywa.media.io.spawn import spawn_media_process
from aywa.media.io.stream import MediaStream
from aywa.media.sdp import Negotiated

PORTS = (31_020, 31_029)


def agreed(port: int, codec: Any, number: int, events: int | None) -> Negotiated:
    return Negotiated("127.0.0.1", port, port + 1, codec, number, events, "sendrecv")


@pytest.mark.parametrize(
    ("codec", "number", "events", "heard_by"),
    [
        ("pcmu", 0, 101, "rtp"),
        ("pcma", 8, None, "inband"),
        ("g722", 9, 101, "rtp"),
        ("opus", 107, None, "inband"),
    ],
)
async def test_sound_and_keys_reach_the_peer(
    codec: str, number: int, events: int | None, heard_by: str
) -> None:
    if wideband.wideband_codec(codec) and not wideband.available():
        pytest.skip("the extra wideband is missing")
    media = await spawn_media_process(ports=PORTS, capacity=2, on_fault=lambda _: None)
    told: asyncio.Queue[plane.Event] = asyncio.Queue()
    came: asyncio.Queue[plane.Event] = asyncio.Queue()
    one = await media.open("one", "127.0.0.1", on_event=told.put_nowait, media_timeout_s=0.2)
    other = await media.open("other", "127.0.0.1", on_event=came.put_nowait)
    one.configure(agreed(other.port, codec, number, events))
    silent = await asyncio.wait_for(told.get(), 5)
    assert isinstance(silent, plane.MediaSilent)
    other.configure(agreed(one.port, codec, number, events))
    one.play(1, tone(600, seconds=0.3))
    one.send_digits("4#", tone_ms=80)
    digits, loudest = "", 0
    while len(digits) < 2 or loudest < 8_000:
        match await asyncio.wait_for(came.get(), 5):
            case plane.Digit() as digit:
                assert digit.heard_by == heard_by
                digits += digit.digit
            case plane.Heard() as heard:
                loudest = max(loudest, int(np.abs(heard.pcm).max()))
    assert digits == "4#"
    assert (await other.close()).mos
    await one.close()
    events_told = [told.get_nowait() for _ in range(told.qsize())]
    assert [e.digits for e in events_told if isinstance(e, plane.DigitsSent)] == ["4#"]
    await media.close()


def test_a_codec_that_is_not_there_is_refused_before_it_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wideband, "find_spec", lambda _: None)
    sent: list[plane.Command] = []

    class Sink:
        def send(self, commands: list[plane.Command]) -> None:
            sent.extend(commands)

        async def close(self) -> None:
            return

    stream = MediaStream(MediaPlane(Sink()), plane.Opened("a", 20_000, ("sha-256", b"")))
    with pytest.raises(WidebandUnavailable, match="offer G"):
        stream.configure(agreed(20_002, "opus", 107, 101))
    assert sent == []
    stream.configure(agreed(20_002, "pcmu", 0, 101))
    assert len(sent) == 1
