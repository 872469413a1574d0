"""A short run of the media engine's fuzzer (`bench/fuzz_media.py`)."""

import pytest

from bench.fuzz_media import Fuzzer


@pytest.mark.parametrize("seed", range(1, 6))
def test_nothing_that_comes_in_stops_the_engine(seed: int) -> None:
    fuzzer = Fuzzer(seed)
    for _ in range(600):
        fuzzer.step()
    assert fuzzer.packets > 1_000
    assert fuzzer.commands > 300
