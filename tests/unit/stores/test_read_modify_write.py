"""The helper for reading, changing and writing: what it does again, and what it doesn't."""

from __future__ import annotations

import asyncio

import pytest

from focal_data.errors import InvalidDataError, NotFoundError, StaleRevisionError, StoreError
from focal_data.stores.base import read_modify_write


class Counter:
    """A number with a revision; each of the first ``losses`` writes comes too late."""

    def __init__(self, losses: int = 0) -> None:
        self.value: int | None = 0
        self.losses = losses
        self.writes = 0

    async def read(self) -> int | None:
        return self.value

    async def write(self, value: int) -> int:
        self.writes += 1
        if self.writes <= self.losses:
            raise StaleRevisionError("Counter", 7)
        self.value = value
        return value


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Nobody waits; the pauses that were asked for."""
    asked: list[float] = []

    async def sleep(seconds: float) -> None:
        asked.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return asked


async def test_it_reads_again_after_a_loss(no_pauses: list[float]) -> None:
    """As often as it takes, with a pause before each attempt but the first."""
    counter = Counter(losses=9)
    assert 1 == await read_modify_write(counter.read, lambda value: value + 1, counter.write)
    assert (10, 9) == (counter.writes, len(no_pauses))
    assert all(0 <= pause <= 1 for pause in no_pauses)


async def test_it_gives_up_after_the_last_attempt() -> None:
    """With the error of that attempt."""
    counter = Counter(losses=3)
    with pytest.raises(StaleRevisionError) as caught:
        await read_modify_write(counter.read, lambda value: value, counter.write, attempts=3)
    assert (7, 3, 0) == (caught.value.current_revision, counter.writes, counter.value)


async def test_what_is_not_there_is_not_found() -> None:
    """And nothing is written."""
    counter = Counter()
    counter.value = None
    with pytest.raises(NotFoundError):
        await read_modify_write(counter.read, lambda value: value, counter.write)
    assert 0 == counter.writes


async def test_other_errors_end_it_at_once() -> None:
    """Those of the change, and those of the store."""
    counter = Counter()
    with pytest.raises(ZeroDivisionError):
        await read_modify_write(counter.read, lambda value: 1 // value, counter.write)

    async def fails(value: int) -> int:
        raise StoreError(str(value))

    with pytest.raises(StoreError, match="5"):
        await read_modify_write(counter.read, lambda value: value + 5, fails)


@pytest.mark.parametrize("attempts", [0, -1, 1.5])
async def test_there_is_at_least_one_attempt(attempts: int) -> None:
    """Anything else is refused."""
    counter = Counter()
    with pytest.raises(InvalidDataError, match="attempts"):
        await read_modify_write(counter.read, lambda value: value, counter.write, attempts=attempts)
