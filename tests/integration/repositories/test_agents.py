"""The repositories of agents and their parts, beside the store that is composed of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.config import Agent, Rule
from focal_data.errors import InvalidDataError
from focal_data.repositories.agents import AgentRepository
from focal_data.repositories.config import RuleRepository
from focal_data.settings import Settings
from focal_data.stores.config import ConfigStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def config(tenant: Tenant) -> ConfigStore:
    """The store of a tenant of this test alone."""
    return tenant.config


@pytest.fixture
async def agent(config: ConfigStore) -> Agent:
    """A stored agent."""
    return await config.save_agent(Agent(name="Ada"))


def a_rule(agent: Agent) -> Rule:
    """A rule of ``agent``."""
    return Rule(agent_id=agent.id, name="greet", condition_text="a greeting", action_text="greet")


async def test_repositories_restore_as_the_store_does(
    tenant: Tenant, config: ConfigStore, agent: Agent
) -> None:
    """A part stays deleted while its agent is, and comes back with it."""
    rule = await config.save_rule(a_rule(agent))
    await config.delete_agent(agent.id)
    assert not await RuleRepository(tenant).restore(rule.id)
    assert await AgentRepository(tenant).restore(agent.id)
    assert [rule.id] == [found.id for found in await config.get_rules(agent.id)]
    assert not await AgentRepository(tenant).restore(agent.id)


async def test_many_are_added_or_none(tenant: Tenant, agent: Agent) -> None:
    """A bad one is named by its place, and nothing is stored."""
    rules = RuleRepository(tenant)
    bad = Rule.model_construct(**{**a_rule(agent).__dict__, "name": "a\x00b"})
    with pytest.raises(InvalidDataError) as caught:
        await rules.add_many([a_rule(agent), bad])
    assert "[1].name" == caught.value.field
    assert 0 == await rules.count()
    assert 3 == len(await rules.add_many([a_rule(agent) for _ in range(3)]))
    assert 3 == await rules.count()


@pytest.fixture(params=["PostgreSQL", "memory"])
async def stopped(request: pytest.FixtureRequest, focal_settings: Settings) -> AsyncIterator[ConfigStore]:
    """A store whose clock stands still."""
    if request.param == "memory":
        yield DataLayer.in_memory(clock=lambda: NOON).tenant(uuid4()).config
        return
    settings = focal_settings.model_copy(update={"pool_size": 1})
    async with DataLayer.open(settings, clock=lambda: NOON) as data:
        yield data.tenant(uuid4()).config


async def test_what_went_with_an_agent_is_told_apart_when_the_clock_stands_still(
    stopped: ConfigStore,
) -> None:
    """What was deleted before it, at the same time by the clock, stays deleted."""
    agent = await stopped.save_agent(Agent(name="Ada"))
    gone, kept = [await stopped.save_rule(a_rule(agent)) for _ in range(2)]
    for _ in range(2):
        await stopped.delete_rule(gone.id)
        await stopped.delete_agent(agent.id)
        await stopped.restore_agent(agent.id)
        assert [kept.id] == [rule.id for rule in await stopped.get_rules(agent.id)]
        await stopped.restore_rule(gone.id)
