"""Tenants behind a proxy that pools by transaction: every message may reach another server connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from pydantic import SecretStr

from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.settings import Settings
from tests.integration.isolation import bouncer

pytestmark = pytest.mark.skipif(
    bouncer.PROGRAM is None, reason="pgbouncer is not installed (Debian has it as a package of that name)"
)


@pytest.fixture(scope="module")
async def pooled(focal_settings: Settings) -> AsyncIterator[DataLayer]:
    """A data layer of ten connections to a proxy that has three to the server."""
    with bouncer.pooling_by_transaction(focal_settings.service_url(), servers=3) as url:
        through = SecretStr(url.render_as_string(hide_password=False))
        changes = {"database_url": through, "transaction_pooling": True, "pool_size": 10}
        async with DataLayer.open(focal_settings.model_copy(update=changes)) as data:
            yield data


async def _own_names(data: DataLayer, number: int) -> list[str]:
    tenant = data.tenant(uuid4())
    for part in range(3):
        await tenant.config.save_agent(Agent(name=f"{number}-{part}"))
    agents, total = await tenant.config.get_agents()
    assert 3 == total
    return [agent.name for agent in agents]


async def test_each_tenant_sees_its_own(pooled: DataLayer) -> None:
    """Fifty tenants at once through three server connections each read what they wrote, and nothing else."""
    found = await asyncio.gather(*(_own_names(pooled, number) for number in range(50)))
    assert [[f"{number}-{part}" for part in range(3)] for number in range(50)] == found


async def test_vectors_and_json_go_through(pooled: DataLayer) -> None:
    """The codecs of a connection hold although its settings are the proxy's."""
    tenant = pooled.tenant(uuid4())
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    embedding = Embedding([1.0, 2.0], model="test")
    episode = Episode(agent_id=agent.id, content="Hello", source_metadata={"a": [1]}, embedding=embedding)
    stored = await tenant.memory.add_episode(episode)
    hits = await tenant.memory.vector_search_episodes(agent.id, embedding)
    assert [stored] == [hit.item for hit in hits]


async def test_a_transaction_rolls_back(pooled: DataLayer) -> None:
    """What a failed block wrote is gone."""
    tenant = pooled.tenant(uuid4())
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction() as tx:
            await tx.config.save_agent(Agent(name="Ada"))
            raise ZeroDivisionError
    assert ([], 0) == await tenant.config.get_agents()
