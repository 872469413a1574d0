"""What G.722 and Opus cost: µs per frame of 20 ms, and a tick of the engine with such streams.

.venv/bin/python bench/wideband.py
"""

import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from aywa.base.ids import SeededEntropy
from aywa.codecs.tones import tone
from aywa.codecs.wideband import CLOCK_RATE, Decoder, Encoder, WidebandCodec
from aywa.media import plane
from aywa.media.datagrams import Received
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine
from aywa.media.rtp.packet import RtpPacket

STREAMS = 20
TICKS = 200


def frames(codec: WidebandCodec) -> tuple[float, float, list[bytes]]:
    """µs of CPU to encode and to decode a frame, and the payloads."""
    encoder, decoder = Encoder(codec), Decoder(codec)
    sound = tone(440, 1_200, seconds=TICKS / 50, dbfs=-20).reshape(-1, 160)
    begin = time.process_time()
    payloads = [encoder.encode(frame) for frame in sound]
    middle = time.process_time()
    for payload in payloads:
        decoder.decode(payload)
    end = time.process_time()
    return (middle - begin) / TICKS * 1e6, (end - middle) / TICKS * 1e6, payloads


def tick(codec: WidebandCodec, payloads: list[bytes]) -> float:
    """µs of CPU a stream and tick, hearing and speaking."""
    engine = Engine(capacity=STREAMS, entropy=SeededEntropy(1), certificate=Certificate.fresh(0.0))
    now = 100.0
    for number in range(STREAMS):
        engine.open(plane.OpenStream(f"s{number}", "127.0.0.1"), 20_000 + 2 * number, now)
        settings = plane.ConfigureStream(
            f"s{number}", "127.0.0.1", 40_000, 40_001, codec, 107, None
        )
        engine.handle(settings, now, now)
    batch = Received.allocate(STREAMS)
    batch.row[:] = list(engine.table.streams.values())
    batch.source[:] = engine.book.number("127.0.0.1", 40_000)
    spent = 0.0
    for number, payload in enumerate(payloads):
        stamp = number * 160 * CLOCK_RATE[codec] // 8_000
        packet = np.frombuffer(bytes(RtpPacket(107, number, stamp, 7, payload)), np.uint8)
        batch.data[:, : len(packet)] = packet
        batch.length[:] = len(packet)
        now += 0.02
        batch.stamp[:] = now
        begin = time.process_time()
        engine.tick(now, now, batch)
        spent += time.process_time() - begin
    return spent / len(payloads) / STREAMS * 1e6


def main() -> None:
    print("codec  encode µs  decode µs  engine µs/stream/tick")
    codecs: tuple[WidebandCodec, ...] = ("g722", "opus")
    for codec in codecs:
        encode, decode, payloads = frames(codec)
        print(f"{codec:5} {encode:10.0f} {decode:10.0f} {tick(codec, payloads):12.0f}")


if __name__ == "__main__":
    main()
