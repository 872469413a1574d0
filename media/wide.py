"""Streams that speak G.722 or Opus: a small path of their own, stream by stream.

The jitter buffer holds one octet a sample, which suits G.711 only. So a payload of another codec is
put aside, and *tickets* take its place in the buffer: each slot of 10 ms tells which payload it
belongs to and which part of it. What comes out of the buffer is decoded in order of media time, and
loss, reordering, recording and concealment are the same for every codec.
"""

import struct
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from ..codecs.pcm import Pcm
from ..codecs.wideband import CLOCK_RATE, RATE, Decoder, WidebandCodec, samples_of
from .jitter import FRAME, MAX_PACKET, SLOT, SLOTS
from .rtp.sequence import timestamp_add, timestamp_distance

MAX_ASIDE = SLOTS
"""Payloads put aside; the jitter buffer has no more slots than that."""

_TICKET = struct.Struct("!II")


class WideEar:
    """What one stream received in a codec other than G.711."""

    def __init__(self, codec: WidebandCodec) -> None:
        """Raises WidebandUnavailable."""
        self.codec = codec
        self._decoder = Decoder(codec)
        self._aside: OrderedDict[int, bytes | Pcm] = OrderedDict()
        self._serial = 0
        self._divisor = CLOCK_RATE[codec] // RATE
        self._clock: tuple[int, int] | None = None

    def samples_time(self, timestamp: int) -> int:
        """An RTP timestamp as one that counts 8 kHz samples, modulo 2**32.

        Not a mere division: the sender's clock wraps where no multiple of it does.
        """
        theirs, ours = self._clock or (timestamp, timestamp // self._divisor)
        step = timestamp_distance(timestamp, theirs)
        ours = timestamp_add(ours, step // self._divisor)
        self._clock = timestamp_add(theirs, step // self._divisor * self._divisor), ours
        return ours

    def put_aside(self, payload: bytes, tickets: NDArray[np.uint8]) -> int:
        """Keep a payload and write its tickets, 480 octets; gives its samples, 0 if broken."""
        samples = min(samples_of(self.codec, payload) or 0, MAX_PACKET)
        self._serial = (self._serial + 1) & 0xFFFF_FFFF
        for part in range(samples // SLOT):
            ticket = np.frombuffer(_TICKET.pack(self._serial, part), np.uint8)
            tickets[part * SLOT : part * SLOT + _TICKET.size] = ticket
        if samples:
            self._aside[self._serial] = payload
            if len(self._aside) > MAX_ASIDE:
                self._aside.popitem(last=False)
        return samples

    def sound(self, tickets: NDArray[np.uint8]) -> Pcm | None:
        """The frame of 160 samples that two tickets stand for; None if it cannot be decoded."""
        octets = tickets.tobytes()
        halves = [self._half(*_TICKET.unpack_from(octets, at)) for at in range(0, FRAME, SLOT)]
        kept = [half for half in halves if half is not None]
        return np.concatenate(kept) if len(kept) == len(halves) else None

    def _half(self, serial: int, part: int) -> Pcm | None:
        kept = self._aside.get(serial)
        if isinstance(kept, bytes):
            sound = self._decoder.decode(kept)
            if sound is None:
                del self._aside[serial]
                return None
            kept = self._aside[serial] = sound
        if kept is None:
            return None
        half = kept[part * SLOT : part * SLOT + SLOT]
        if (part + 2) * SLOT > min(len(kept), MAX_PACKET):
            del self._aside[serial]
        return np.concatenate([half, np.zeros(SLOT - len(half), np.int16)])
