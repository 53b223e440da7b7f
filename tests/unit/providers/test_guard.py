"""No provider is waited for while a transaction is open: in debug mode that raises, and says where it was begun."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager

import pytest

from focal_data.domain.embedding import Embedding
from focal_data.errors import UsageError
from focal_data.providers.base import Provider
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.telemetry import TransactionMark

VECTOR = Embedding([1.0], model="m")


class OwnProvider(EmbeddingProvider):
    """A user's own: it knows nothing of transactions."""

    model_id = "m"
    dimensions = 1

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        return [VECTOR for _ in texts]


class Talking(Provider, ABC):
    """Another kind of provider, which streams."""

    @abstractmethod
    async def generate(self) -> str: ...

    async def stream(self) -> AsyncIterator[str]:
        for word in ("one", "two"):
            yield word

    async def words(self) -> list[str]:
        return [word async for word in self.stream()]


class Talker(Talking):
    """One that talks."""

    async def generate(self) -> str:
        return "word"


@contextmanager
def transaction() -> Iterator[TransactionMark]:
    """As those do that begin one."""
    mark = TransactionMark()
    try:
        yield mark
    finally:
        mark.end()


@pytest.mark.parametrize("call", ["embed", "embed_batch"])
async def test_a_call_inside_of_a_transaction_is_refused(call: str) -> None:
    """It names what was called."""
    with transaction(), pytest.raises(UsageError, match=rf"\.{call} "):
        await getattr(OwnProvider(), call)("text")


async def test_it_says_where_the_transaction_was_begun() -> None:
    """The file and the line."""
    with transaction() as mark, pytest.raises(UsageError) as caught:
        await OwnProvider().embed("text")
    assert mark.begun_at in str(caught.value)
    assert mark.begun_at.startswith(f"{__file__}:")


async def test_before_and_after_it_answers() -> None:
    """A transaction that is over is none."""
    provider = OwnProvider()
    assert VECTOR == await provider.embed("before")
    with transaction():
        pass
    assert VECTOR == await provider.embed("after")


async def test_a_task_started_inside_is_refused_too_until_the_transaction_is_over() -> None:
    """It has the context of the block that started it, and may outlive the block."""
    provider, over = OwnProvider(), asyncio.Event()

    async def later() -> Embedding:
        await over.wait()
        return await provider.embed("text")

    with transaction():
        with pytest.raises(UsageError):
            await asyncio.create_task(provider.embed("text"))
        task = asyncio.create_task(later())
    over.set()
    assert VECTOR == await task


async def test_the_outer_of_two_transactions_still_counts() -> None:
    """Whichever ends first."""
    outer, inner = TransactionMark(), TransactionMark()
    inner.end()
    with pytest.raises(UsageError):
        await OwnProvider().embed("text")
    later = TransactionMark()
    outer.end()
    with pytest.raises(UsageError):
        await OwnProvider().embed("text")
    later.end()
    assert VECTOR == await OwnProvider().embed("text")


async def test_a_stream_is_refused_at_its_beginning_and_between_its_items() -> None:
    """A transaction that is still open when the next item is wanted would wait for the model."""
    with transaction(), pytest.raises(UsageError):
        await anext(Talker().stream())
    stream = Talker().stream()
    assert "one" == await anext(stream)
    with transaction(), pytest.raises(UsageError):
        await anext(stream)
    assert ["one", "two"] == await Talker().words()


async def test_what_is_guarded_keeps_its_nature() -> None:
    """A call that must be written must still be written, and is a coroutine function by its own name."""
    assert frozenset({"generate"}) == Talking.__abstractmethods__
    assert inspect.iscoroutinefunction(OwnProvider.embed_batch)
    assert inspect.isasyncgenfunction(Talking.stream)
    assert "OwnProvider.embed_batch" == OwnProvider.embed_batch.__qualname__
