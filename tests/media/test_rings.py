"""Rings: what is written at any place is read there, and nothing beside it is touched."""

import numpy as np
import pytest

from aywa.media import rings

ROWS, SIZE, WIDTH = 7, 50, 16


@pytest.mark.parametrize("seed", range(5))
def test_a_ring_is_a_line_whose_end_is_its_beginning(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = rng.integers(-99, 99, (ROWS, SIZE)).astype(np.int16)
    expected = ring.copy()
    for _ in range(100):
        rows = rng.permutation(ROWS)[: rng.integers(0, ROWS + 1)]
        at = rng.integers(0, 10 * SIZE, len(rows))
        samples = rng.integers(-99, 99, (len(rows), WIDTH)).astype(np.int16)
        rings.write(ring, rows, at, samples)
        for row, begin, run in zip(rows, at, samples, strict=True):
            for offset, sample in enumerate(run):
                expected[row, (begin + offset) % SIZE] = sample
        assert np.array_equal(ring, expected)
        assert np.array_equal(rings.read(ring, rows, at, WIDTH), samples)


def test_a_run_may_be_as_long_as_the_ring() -> None:
    ring = np.zeros((2, SIZE), np.int16)
    samples = np.arange(2 * SIZE, dtype=np.int16).reshape(2, SIZE)
    rows, at = np.array([1, 0]), np.array([0, SIZE + 3])
    rings.write(ring, rows, at, samples)
    assert np.array_equal(ring, [np.roll(samples[1], 3), samples[0]])
    assert np.array_equal(rings.read(ring, rows, at, SIZE), samples)


def test_what_was_read_is_a_copy() -> None:
    ring = np.zeros((1, SIZE), np.int16)
    rows, at = np.array([0]), np.array([5])
    sound = rings.read(ring, rows, at, WIDTH)
    rings.write(ring, rows, at, np.ones((1, WIDTH), np.int16))
    assert not sound.any()
