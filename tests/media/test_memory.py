"""What a call takes of the media process's memory, and that idle rows take next to nothing."""

import sys
from pathlib import Path

import numpy as np
import pytest

from aywa.base.ids import SeededEntropy
from aywa.media import plane
from aywa.media.dtls import Certificate
from aywa.media.engine import Engine, TableFull

from .conftest import Bench, Caller, noise

STREAMS = 300
TICKS = 60
"""All rings have gone round."""

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the resident memory is read from /proc"
)


def resident_kib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def engine(capacity: int) -> Engine:
    return Engine(capacity=capacity, entropy=SeededEntropy(1), certificate=Certificate.fresh(0.0))


def test_a_recorded_call_takes_less_than_64_kib() -> None:
    """What this test keeps of packets and replies is counted too, some 10 KiB."""
    sound = noise(160 * TICKS).reshape(TICKS, 160)
    bench = Bench(engine(STREAMS))
    before = resident_kib()
    callers = []
    for number in range(STREAMS):
        name = str(number)
        bench.engine.open(plane.OpenStream(name, "192.0.2.1", "f", record=True), 20_000, bench.now)
        bench.configure(name)
        bench.play(sound.ravel(), stream=name)
        callers.append(Caller(name))
    for frame in sound:
        bench.tick(*((caller, caller.audio(frame)) for caller in callers))
        assert np.array_equal(bench.heard("7"), frame)
        for kept in (bench.events, bench.sent, bench.files):
            kept.clear()
    assert (resident_kib() - before) / STREAMS < 64


def test_rows_that_were_never_used_take_next_to_nothing() -> None:
    engine(10)
    before = resident_kib()
    kept = engine(4_000)
    assert (resident_kib() - before) / 4_000 < 4
    assert kept.table.capacity == 4_000


def test_beyond_the_capacity_no_stream_is_opened() -> None:
    one = engine(2)
    for name in "ab":
        one.open(plane.OpenStream(name, "192.0.2.1"), 20_000, 0.0)
    with pytest.raises(TableFull, match="all 2 streams"):
        one.open(plane.OpenStream("c", "192.0.2.1"), 20_000, 0.0)
    one.handle(plane.CloseStream("a"), 0.0, 0.0)
    one.open(plane.OpenStream("c", "192.0.2.1"), 20_000, 0.0)
    assert set(one.table.streams) == {"b", "c"}
