"""Time-outs that all have one length: who began first is due first, so one timer does for all."""

from __future__ import annotations

import asyncio


class Deadlines:
    """Makes time-outs, and remembers those in use.

    ``asyncio.timeout`` with a time sets a timer of the event loop for every call and cancels it again, which is a tenth of
    what a call costs that takes 250 µs.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._due: dict[asyncio.Timeout, float] = {}  # in order
        self._loop: asyncio.AbstractEventLoop | None = None
        """Where the timer is set, if one is."""

    def new(self) -> asyncio.Timeout:
        """A time-out that is to be entered at once, by ``async with``, and of which ``end`` is to be told."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._seconds
        if self._loop is not loop:
            self._due.clear()  # of a loop that is no more
            self._set(loop, due)
        timeout = asyncio.timeout(None)
        self._due[timeout] = due
        return timeout

    def end(self, timeout: asyncio.Timeout) -> None:
        """It is not in use any more."""
        self._due.pop(timeout, None)

    def _set(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._loop = loop
        loop.call_at(due, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is not loop:
            return
        self._loop = None
        while self._due:
            timeout, due = next(iter(self._due.items()))
            if due > loop.time():
                self._set(loop, due)
                return
            del self._due[timeout]
            timeout.reschedule(due)
