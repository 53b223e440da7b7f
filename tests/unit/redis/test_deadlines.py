"""Time-outs of one length, by one timer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from focal_data.redis.deadlines import Deadlines

LONG = 60.0


async def called(deadlines: Deadlines, seconds: float) -> str:
    timeout = deadlines.new()
    try:
        async with timeout:
            await asyncio.sleep(seconds)
    finally:
        deadlines.end(timeout)
    return "done"


async def test_a_call_that_takes_too_long_times_out() -> None:
    """The same error as that of ``asyncio.timeout``."""
    with pytest.raises(TimeoutError):
        await called(Deadlines(0.01), LONG)


async def test_each_has_its_own_deadline() -> None:
    """One that began later, while the timer was set for another, goes on when that one is due."""
    deadlines = Deadlines(0.2)
    first = asyncio.create_task(called(deadlines, LONG))
    await asyncio.sleep(0.15)
    assert "done" == await called(deadlines, 0.1)
    with pytest.raises(TimeoutError):
        await first


async def test_the_last_one_times_out_too() -> None:
    """The timer is set again for whoever is left."""
    deadlines = Deadlines(0.05)
    await called(deadlines, 0.03)
    with pytest.raises(TimeoutError):
        await called(deadlines, LONG)


async def test_who_is_done_is_left_alone() -> None:
    """What its task does afterwards is not cut off."""
    deadlines = Deadlines(0.02)
    await called(deadlines, 0)
    await asyncio.sleep(0.05)
    assert 0 == asyncio.current_task().cancelling()  # type: ignore[union-attr]


async def test_being_cancelled_is_not_a_time_out() -> None:
    """Who cancels the task gets what he asked for."""
    task = asyncio.create_task(called(Deadlines(LONG), LONG))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_one_timer_does_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls there are until it is due."""
    loop, timers = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def counted(*args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        timers.append(call_at(*args, **kwargs))
        return timers[-1]

    monkeypatch.setattr(loop, "call_at", counted)
    deadlines = Deadlines(LONG)
    for _ in range(10):
        await called(deadlines, 0)
    assert 1 == len(timers)
    timers[0].cancel()


def test_it_works_in_one_loop_after_another() -> None:
    """The timer of a loop that is closed never rings."""
    deadlines = Deadlines(0.05)
    asyncio.run(called(deadlines, 0))
    with pytest.raises(TimeoutError):
        asyncio.run(called(deadlines, LONG))
