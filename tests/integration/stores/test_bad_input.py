"""Data that a store refuses: ``InvalidDataError`` with the field, and the value nowhere, not even in what is chained."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from focal_data.data_layer import Tenant
from focal_data.domain.config import Agent, Rule, Template
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.errors import DriverError, InvalidDataError
from focal_data.ids import new_id

SECRET = "s3cr3t"
ID = new_id()
QUERY = Embedding([1.0], model="m")
TOO_LONG = Embedding.from_bytes(np.ones(1537, "<f4").tobytes(), model="m")
TOO_EARLY = datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))

Call = Callable[[Tenant], Awaitable[object]]


def a_rule(**changes: Any) -> Rule:
    """A rule changed past its validation."""
    rule = Rule(agent_id=ID, name="greet", condition_text="a greeting", action_text="greet")
    return rule.model_copy(update=changes)


CALLS: dict[str, tuple[str, Call]] = {
    "a name with NUL": ("name", lambda t: t.config.get_variable_by_name(ID, f"{SECRET}\0")),
    "a lone surrogate": ("name", lambda t: t.config.get_variable_by_name(ID, f"{SECRET}\ud800")),
    "no id": ("agent_id", lambda t: t.config.get_agent(SECRET)),  # type: ignore[arg-type]
    "no scope": ("scope", lambda t: t.config.get_rules(ID, scope=[SECRET])),  # type: ignore[arg-type]
    "no status": ("status", lambda t: t.config.list_migration_plans(status=5)),  # type: ignore[arg-type]
    "no entity": ("entity", lambda t: t.config.save_agent(SECRET)),  # type: ignore[arg-type]
    "another entity": (
        "entity",
        lambda t: t.config.save_agent(Template(agent_id=ID, name=SECRET, text=SECRET)),  # type: ignore[arg-type]
    ),
    "no scenario": ("entity", lambda t: t.config.archive_scenario_version(a_rule())),  # type: ignore[arg-type]
    "no filter": ("filters", lambda t: t.memory.get_episodes(SECRET)),  # type: ignore[arg-type]
    "no query": ("query", lambda t: t.memory.vector_search_episodes(ID, SECRET)),  # type: ignore[arg-type]
    "no direction": (
        "direction",
        lambda t: t.memory.traverse_from_entities([ID], direction=[SECRET]),  # type: ignore[arg-type]
    ),
    "a query too long": ("query", lambda t: t.memory.vector_search_episodes(ID, TOO_LONG)),
    "an embedding too long": (
        "embedding",
        lambda t: t.memory.add_episode(Episode(agent_id=ID, content=SECRET, embedding=TOO_LONG)),
    ),
    "a group with NUL": ("group_id", lambda t: t.memory.delete_by_group(f"{SECRET}\0")),
    "a time out of range": ("start_time", lambda t: t.audit.list_turns(TOO_EARLY)),
    "a list changed": (
        "attached_tool_ids.0",
        lambda t: t.config.save_rule(a_rule(attached_tool_ids=[SECRET * 100])),
    ),
    "JSON changed": ("action_config", lambda t: t.config.save_rule(a_rule(action_config={"x": {SECRET}}))),
    "an unvalidated agent": (
        "name",
        lambda t: t.config.save_agent(Agent.model_construct(name=f"{SECRET}\0")),
    ),
}


def chained(error: BaseException) -> list[BaseException]:
    """Everything that ``error`` was caused by, or raised in."""
    above = [found for found in (error.__cause__, error.__context__) if found is not None]
    return above + [far for near in above for far in chained(near)]


@pytest.mark.parametrize("name", CALLS)
async def test_it_names_the_field_and_holds_the_value_nowhere(tenant: Tenant, name: str) -> None:
    """Whatever finds it: the model, the encoder, the driver or PostgreSQL."""
    field, call = CALLS[name]
    with pytest.raises(InvalidDataError) as caught:
        await call(tenant)
    assert field == caught.value.field
    assert SECRET not in str(caught.value)
    assert [] == [
        error
        for error in chained(caught.value)
        if isinstance(error, ValidationError) or SECRET in repr(error) or not own(error)
    ]


def own(error: BaseException) -> bool:
    """Whether ``error`` is a stand-in, or one that only has our words."""
    return isinstance(error, DriverError | ValueError) and not isinstance(error, UnicodeError)


@pytest.mark.parametrize("number", [1e16, 9.3e18, 1e19, 1.8e19, -1e19, 1e20, 1e308, 2**63 - 1, -(2**63)])
async def test_a_large_number_in_json_comes_back_as_it_was(tenant: Tenant, number: float) -> None:
    """A float as a float: as an integer, one beyond 64 bits could not be read again."""
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    episode = Episode(agent_id=agent.id, content="", source_metadata={"x": number})
    await tenant.memory.add_episode(episode)
    found = await tenant.memory.get_episode(episode.id)
    assert found is not None
    assert (type(number), number) == (type(found.source_metadata["x"]), found.source_metadata["x"])
