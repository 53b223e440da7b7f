"""In debug mode no model is called inside of a transaction, whoever began it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.embedding import Embedding
from focal_data.errors import UsageError
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.settings import Settings
from focal_data.unit_of_work import UnitOfWork

VECTOR = Embedding([1.0], model="m")


class OwnProvider(EmbeddingProvider):
    """A user's own."""

    model_id = "m"
    dimensions = 1

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        return [VECTOR for _ in texts]


async def embedded_inside(tenant: Tenant) -> Embedding:
    """As one shouldn't."""
    async with tenant.transaction():
        return await OwnProvider().embed("text")


async def embedded_in_work(tenant: Tenant) -> Embedding:
    """By the other way of having a transaction."""

    async def work(_: UnitOfWork) -> Embedding:
        return await OwnProvider().embed("text")

    return await tenant.in_transaction(work)


@pytest.mark.parametrize("way", [embedded_inside, embedded_in_work])
async def test_in_debug_mode_it_raises_and_says_where(focal_settings: Settings, way: object) -> None:
    """The line is the one that wanted a transaction; once it is over, the provider answers again."""
    assert callable(way)
    async with DataLayer.open(focal_settings.model_copy(update={"debug": True})) as data:
        with pytest.raises(UsageError, match=rf"begun at {__file__}:\d+:"):
            await way(data.tenant(uuid4()))
        assert VECTOR == await OwnProvider().embed("text")


async def test_otherwise_it_does_not(tenant: Tenant) -> None:
    """What it costs is paid in debug mode only."""
    assert VECTOR == await embedded_inside(tenant)
