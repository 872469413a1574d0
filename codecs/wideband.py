"""G.722 and Opus for the 8 kHz sound of a call, by FFmpeg (package `av`, the extra `wideband`).

An encoder takes frames of 20 ms and gives one payload each; a decoder takes payloads of any length
the codec knows and gives their sound. Both keep state, so there is one of each for a stream.
Payloads come from outside: what is no payload of the codec gives None.
"""

from importlib.util import find_spec
from typing import Any, Literal

import numpy as np

from ..base.errors import AywaError
from .pcm import Pcm
from .resample import Resampler

WidebandCodec = Literal["g722", "opus"]

RATE = 8_000
FRAME = 160
CLOCK_RATE: dict[WidebandCodec, int] = {"g722": 8_000, "opus": 48_000}
"""Of RTP timestamps. G.722's is 8 kHz by an old mistake that became the rule (RFC 3551 §4.5.2)."""
OPUS_BITRATE = 24_000
MAX_PAYLOAD = 1_275 * 6

_LIBRARY: dict[WidebandCodec, str] = {"g722": "g722", "opus": "libopus"}
_SOUND_RATE: dict[WidebandCodec, int] = {"g722": 16_000, "opus": 48_000}
_OPUS_SAMPLES = {0: (80, 160, 320, 480), 1: (80, 160), 2: (20, 40, 80, 160)}
"""Samples at 8 kHz of a frame, by mode (SILK, hybrid, CELT) and size (RFC 6716 §3.1)."""


_MISSING = (
    "{codec} needs the package av, with libopus for Opus ({reason}): "
    "install the runtime with its extra 'wideband', or offer G.711 only"
)


class WidebandUnavailable(AywaError):
    """G.722 and Opus need a package that is not installed."""


def wideband_codec(name: str) -> WidebandCodec | None:
    """The codec of that name, None if it is not one of these."""
    return next((codec for codec in CLOCK_RATE if codec == name), None)


def available() -> bool:
    """Whether the package is installed that G.722 and Opus need."""
    return find_spec("av") is not None


def require(codec: str) -> None:
    """Raises WidebandUnavailable if the codec needs the package and it is not installed."""
    if wideband_codec(codec) and not available():
        raise WidebandUnavailable(_MISSING.format(codec=codec, reason="not installed"))


def _av() -> Any:
    import av  # here, since it is optional, and loading it takes time that plain calls do not have

    return av


def _context(codec: WidebandCodec, mode: Literal["r", "w"]) -> Any:
    try:
        context: Any = _av().CodecContext.create(_LIBRARY[codec], mode)
    except (ImportError, ValueError) as error:
        raise WidebandUnavailable(_MISSING.format(codec=codec, reason=error)) from None
    context.layout = "mono"
    context.sample_rate = _SOUND_RATE[codec]
    return context


class Encoder:
    """Encodes one stream."""

    def __init__(self, codec: WidebandCodec) -> None:
        """Raises WidebandUnavailable."""
        self._context = _context(codec, "w")
        self._frame = _av().AudioFrame.from_ndarray
        self._context.format = "s16"
        self._resampler: Resampler | None = None
        if codec == "opus":
            self._context.sample_rate = RATE  # libopus takes it as it is
            self._context.bit_rate = OPUS_BITRATE
            self._context.options = {"application": "voip", "frame_duration": "20", "vbr": "off"}
        else:
            self._resampler = Resampler(RATE, _SOUND_RATE[codec])
        self._context.open()

    def encode(self, pcm: Pcm) -> bytes:
        """The payload of one frame of 160 samples."""
        sound = self._resampler.feed(pcm) if self._resampler else pcm
        frame = self._frame(sound[None, :], format="s16", layout="mono")
        frame.sample_rate = self._context.sample_rate
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


class Decoder:
    """Decodes one stream."""

    def __init__(self, codec: WidebandCodec) -> None:
        """Raises WidebandUnavailable."""
        self._codec = codec
        self._context = _context(codec, "r")
        self._packet, self._error = _av().Packet, _av().error.FFmpegError
        self._resampler = Resampler(_SOUND_RATE[codec], RATE)
        self._context.open()

    def decode(self, payload: bytes) -> Pcm | None:
        """The 8 kHz sound of a payload; None if it is none of the codec."""
        samples = samples_of(self._codec, payload)
        if samples is None:
            return None
        try:
            frames = self._context.decode(self._packet(payload))
        except self._error:
            return None
        if not frames:
            return None
        sound = np.concatenate([_mono(frame) for frame in frames])
        return self._resampler.feed(sound)


def _mono(frame: Any) -> Pcm:
    sound: Pcm = frame.to_ndarray().reshape(-1)
    return sound


def samples_of(codec: WidebandCodec, payload: bytes) -> int | None:
    """How many samples at 8 kHz a payload holds; None if it is none of the codec."""
    if not payload or len(payload) > MAX_PAYLOAD:
        return None
    if codec == "g722":
        return len(payload)
    first = payload[0]
    setting = first >> 3
    if setting < 12:
        frame = _OPUS_SAMPLES[0][setting & 3]
    elif setting < 16:
        frame = _OPUS_SAMPLES[1][setting & 1]
    else:
        frame = _OPUS_SAMPLES[2][setting & 3]
    count = (1, 2, 2)[first & 3] if first & 3 < 3 else payload[1] & 0x3F if len(payload) > 1 else 0
    return frame * count if 0 < frame * count <= 960 else None
