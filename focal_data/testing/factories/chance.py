"""Where everything in a factory comes from that looks like chance: ids, times, numbers, names. The same seed gives the same.

Nobody else's ``random`` is touched. Without a seed no two processes give the same ids; within one, none comes twice.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from focal_data.domain.embedding import Embedding

T = TypeVar("T")

BEGINNING: Final = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""The time at which a stream begins: times of a factory are past ones, whatever the clock of the machine says."""
MODEL: Final = "test-embedding"
_VERSION_AND_VARIANT: Final = 0x7 << 76 | 0b10 << 62
_LETTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


class _Stream:
    """One stream of numbers, with a clock and a counter of its own."""

    def __init__(self, seed: int | str | bytes) -> None:
        self.random = random.Random(seed)  # noqa: S311  (no secrets are made of it)
        self.now = BEGINNING
        self.count = 0
        self.tag = "".join(self.random.choices(_LETTERS, k=6))


_stream = _Stream(os.urandom(16))


def _start_anew() -> None:
    seed(os.urandom(16))


os.register_at_fork(after_in_child=_start_anew)  # or both would give the same ids


def seed(value: int | str | bytes) -> None:
    """Begin a new stream, which ``value`` alone decides."""
    global _stream  # noqa: PLW0603
    _stream = _Stream(value)


@contextmanager
def seeded(value: int | str | bytes) -> Iterator[None]:
    """A stream that ``value`` alone decides, within the block; behind it the one before goes on."""
    global _stream  # noqa: PLW0603
    before, _stream = _stream, _Stream(value)
    try:
        yield
    finally:
        _stream = before


def new_id() -> UUID:
    """A UUIDv7 by the stream's clock, which every id moves on by a millisecond: ids are in the order they were made."""
    stream = _stream
    stream.now += timedelta(milliseconds=1)
    milliseconds = (stream.now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    high, low = stream.random.getrandbits(12), stream.random.getrandbits(62)
    return UUID(int=milliseconds << 80 | _VERSION_AND_VARIANT | high << 64 | low)


def text_id() -> str:
    """An id of the ideation studio."""
    return str(new_id())


def time() -> datetime:
    """The stream's time, a second later each time it is asked for."""
    _stream.now += timedelta(seconds=1)
    return _stream.now


def number(low: int, high: int) -> int:
    """From ``low`` to ``high``, both included."""
    return _stream.random.randint(low, high)


def fraction() -> float:
    """From 0 to 1, in hundredths."""
    return _stream.random.randint(0, 100) / 100


def pick(choices: Sequence[T]) -> T:
    """One of ``choices``."""
    return _stream.random.choice(choices)


def some(choices: Sequence[T]) -> list[T]:
    """One or two of ``choices``, in their order."""
    chosen = set(_stream.random.sample(range(len(choices)), k=_stream.random.randint(1, 2)))
    return [choice for number, choice in enumerate(choices) if number in chosen]


def digest() -> str:
    """Sixty-four hexadecimal digits, as a SHA-256 has."""
    return f"{_stream.random.getrandbits(256):064x}"


def distinct(word: str, separator: str = " ") -> str:
    """``word`` with an ending that makes it different from all others."""
    _stream.count += 1
    return f"{word}{separator}{_stream.tag}{_stream.count}"


def embedding(dimensions: int = 8, *, model: str = MODEL) -> Embedding:
    """A vector of length 1 or about, as a store gives it back: in half precision."""
    values = [_stream.random.gauss(0, 1) for _ in range(dimensions)]
    length = sum(value * value for value in values) ** 0.5 or 1.0
    return Embedding([value / length for value in values], model=model).rounded()


def position() -> int:
    """A place in an order, behind all that were given before."""
    _stream.count += 1
    return _stream.count
