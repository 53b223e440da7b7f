"""Batches of an agent's parts, whose repository has a way in of its own."""

from __future__ import annotations

import pytest

from focal_data.database.scope import TenantScope
from focal_data.domain.config import Agent, Rule
from focal_data.errors import DuplicateError, NotFoundError
from focal_data.ids import new_id
from focal_data.repositories.config import AgentRepository, RuleRepository


async def test_parts_of_agents_go_in_together(scope: TenantScope) -> None:
    """And come back as they were given; the first whose agent is not there is named, and so is one that is there twice."""
    agent, rules = await AgentRepository(scope).add(Agent(name="a")), RuleRepository(scope)
    batch = [Rule(agent_id=agent.id, name=str(n), condition_text="c", action_text="a") for n in range(70)]
    stored = await rules.add_many(batch)
    assert stored == [rule async for rule in rules.stream()]
    again = [rule.evolve(id=new_id()) for rule in batch]
    with pytest.raises(NotFoundError) as missing:
        await rules.add_many([*again[:40], again[40].evolve(agent_id=new_id()), *again[41:]])
    assert ("Agent", 40) == (missing.value.entity, missing.value.row)
    with pytest.raises(DuplicateError) as taken:
        await rules.add_many([*again[:33], batch[33], *again[34:]])
    assert 33 == taken.value.row
    assert 70 == await rules.count()
