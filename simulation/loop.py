"""An event loop whose clock jumps: a minute of conversation takes milliseconds, exactly the same
ones every time.

The loop never sleeps. When nothing is ready it moves its clock to the next timer. A wait that no
timer will ever end is an error and not a hang, and so is work for a thread, during which the clock
would run away.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from ..base.errors import AywaError

START_S = 1_000.0  # not zero, so that a time forgotten shows
WALL_START_S = 1_700_000_000.0
GRID = 9  # decimals of a second that timers are rounded to

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class SimulationError(AywaError):
    """The simulated world cannot go on; the message says why."""


class _JumpingSelector(selectors.BaseSelector):
    """Asks the system without waiting, then jumps."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self.now = START_S

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            raise SimulationError("every task waits for something that no timer brings")
        self.now = round(self.now + timeout, GRID + 3)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, starting at `START_S`."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 10.0**-GRID
        self._timers = 0

    def time(self) -> float:
        return self._jumping.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Arguments], object],
        *args: *Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        # Timers of one moment run in the order in which they were set: a heap alone would not say.
        self._timers = (self._timers + 1) % 1000
        when = round(when, GRID) + self._timers * 10.0 ** -(GRID + 3)
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(
        self,
        executor: Executor | None,
        func: Callable[[*Arguments], Result],
        *args: *Arguments,
    ) -> asyncio.Future[Result]:
        raise SimulationError(f"{func!r} wants a thread, and time stands still meanwhile")


class VirtualClock:
    """The loop's time as the clock of the product."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def monotonic(self) -> float:
        return self._loop.time()

    def wall(self) -> float:
        return WALL_START_S + self._loop.time() - START_S


def run_virtual(main: Coroutine[Any, Any, Result]) -> Result:
    """Run `main` on a fresh virtual loop. Raises SimulationError if it leaves a task behind."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(_leaving_nothing(main))


async def _leaving_nothing(main: Coroutine[Any, Any, Result]) -> Result:
    result = await main
    left = asyncio.all_tasks() - {asyncio.current_task()}
    if left:
        names = ", ".join(sorted(task.get_name() for task in left if task is not None))
        raise SimulationError(f"tasks left behind: {names}")
    return result
