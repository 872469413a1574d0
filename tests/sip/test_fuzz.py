"""The short form of bench/fuzz_sip.py."""

from collections.abc import Callable

from bench.fuzz_sip import run


def test_mutated_messages_are_taken_without_an_exception(
    record_property: Callable[[str, object], None],
) -> None:
    inputs, slowest_ms = run(4.0, seed=7)
    assert inputs > 1_000
    record_property("figure", f"{inputs} inputs in 4 s, the longest {slowest_ms:.1f} ms")
