"""The benchmark of calls in its shortest form: it runs, loses nothing, and its floor does the work.

No time is asserted: machines differ.
"""

import math
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import calls, rig
from bench.rig import Plan
from bench.subjects import Floor

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

CALLS = 20


def rows(text: str) -> dict[str, dict[str, str]]:
    """The printed table, by subject and column."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    head, _, *body = lines
    return {cells[1]: dict(zip(head, cells, strict=True)) for cells in body}


def test_the_table_compares_the_engine_with_the_floor() -> None:
    words = ["--calls", str(CALLS), "--rounds", "1", "--seconds", "2", "--no-peers"]
    command = [sys.executable, "-m", "bench.calls", *words]
    done = subprocess.run(command, cwd=rig.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    table = rows(done.stdout)
    assert list(table) == ["floor", "engine"]
    for row in table.values():
        assert row["lost"] == "0"
        ratio = float(row["× floor"].split()[0])
        assert math.isfinite(ratio)
        assert ratio > 0


async def test_the_floor_hears_speaks_and_records(tmp_path: Path) -> None:
    rig.build()
    with calls.scratch(CALLS) as (_, first, peers):
        plan = Plan(CALLS, settle_s=0.5, seconds=2.0)
        floor = await Floor.start(plan, first, peers, tmp_path)
        figures = await rig.measure(floor, plan, peers)
    assert figures.whole
    for number in range(CALLS):
        stereo = np.fromfile(tmp_path / f"{number}.pcm", np.int16).reshape(-1, 2)
        assert len(stereo) >= 8_000
        assert (np.abs(stereo.astype(np.int64)).max(axis=0) > 1_000).all()


def test_the_load_refuses_to_leave_the_machine() -> None:
    rig.build()
    command = [str(rig.BUILT / "load"), "192.0.2.1", "40000", "1", "1"]
    done = subprocess.run(command, input="9\n", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "127.0.0.0/8 only" in done.stderr
