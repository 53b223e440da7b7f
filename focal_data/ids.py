"""Identifiers, and how a new one is made.

Ids made here are UUIDv7 (RFC 9562): ordered by the time they were made, so that rows made together lie together.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final, NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)

NO_TENANT: Final = TenantId(UUID(int=0))
"""The nil UUID: no tenant, until a store fills its own in."""

_VERSION_AND_VARIANT: Final = 0x7 << 76 | 0b10 << 62
_COUNTER_BITS: Final = 42
_COUNTER_SEED_BITS: Final = 41  # one bit of head-room for the ids of one millisecond


class _Clock:
    """The last time stamp and counter given out: ids of one process never go backwards, whatever the clock does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._milliseconds = 0
        self._counter = 0

    def tick(self) -> tuple[int, int]:
        with self._lock:
            now = time.time_ns() // 1_000_000
            if now > self._milliseconds:
                self._milliseconds = now
                self._counter = int.from_bytes(os.urandom(6), "big") & ((1 << _COUNTER_SEED_BITS) - 1)
            else:
                self._counter += 1
                if self._counter >> _COUNTER_BITS:
                    self._milliseconds, self._counter = self._milliseconds + 1, 0
            return self._milliseconds, self._counter


_clock = _Clock()
os.register_at_fork(after_in_child=_clock.__init__)  # type: ignore[misc]  # a child makes a sequence of its own


def new_id() -> UUID:
    """A new UUIDv7: 48 bits of Unix milliseconds, a 42-bit counter seeded at random, 32 random bits."""
    milliseconds, counter = _clock.tick()
    random = int.from_bytes(os.urandom(4), "big")
    high, low = counter >> 30, counter & ((1 << 30) - 1)
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | high << 64 | low << 32 | random)
