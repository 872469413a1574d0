"""Virtual time."""

import asyncio

import pytest

from aywa.simulation.loop import START_S, SimulationError, VirtualClock, run_virtual


def test_an_hour_passes_at_once_and_exactly() -> None:
    async def main() -> float:
        await asyncio.sleep(3_600)
        return VirtualClock().monotonic()

    assert run_virtual(main()) == pytest.approx(START_S + 3_600, abs=1e-6)


def test_timers_of_one_moment_run_in_the_order_they_were_set() -> None:
    seen: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for i in range(100):
            loop.call_at(START_S + 5.0, seen.append, i)
        await asyncio.sleep(6)

    run_virtual(main())
    assert seen == list(range(100))


def test_a_wait_that_nothing_ends_is_an_error() -> None:
    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(SimulationError, match="no timer"):
        run_virtual(main())


def test_a_thread_is_refused() -> None:
    async def main() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(SimulationError, match="thread"):
        run_virtual(main())


def test_a_task_left_behind_is_an_error() -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(1), name="stray")
        assert not task.done()

    with pytest.raises(SimulationError, match="stray"):
        run_virtual(main())


def test_wall_clock_and_monotonic_go_together() -> None:
    async def main() -> tuple[float, float]:
        clock = VirtualClock()
        wall, mono = clock.wall(), clock.monotonic()
        await asyncio.sleep(12.5)
        return clock.wall() - wall, clock.monotonic() - mono

    wall, mono = run_virtual(main())
    assert wall == pytest.approx(12.5)
    assert mono == pytest.approx(12.5)
