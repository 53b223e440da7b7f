"""What another program has stored, and no domain object can hold."""

from __future__ import annotations

import asyncpg
import pytest

from focal_data.data_layer import Tenant
from focal_data.domain.config import Agent
from focal_data.domain.memory import Episode
from focal_data.errors import CorruptDataError
from focal_data.settings import Settings, dsn


@pytest.mark.parametrize(
    "change",
    [
        "valid_from = '200000-01-01'",
        "occurred_at = '4000-01-01 BC'",
        "occurred_at = '-infinity'",
        """source_metadata = ('{"secret": 1' || repeat('0', 400) || '}')::jsonb""",
        """source_metadata = '["secret"]'""",
    ],
)
async def test_it_is_an_error_that_names_the_table(
    tenant: Tenant, focal_settings: Settings, change: str
) -> None:
    """Neither the driver's error nor what was read is chained to it, and the next call works."""
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    episode = await tenant.memory.add_episode(Episode(agent_id=agent.id, content=""))
    connection = await asyncpg.connect(dsn(focal_settings.owner_url()))
    await connection.execute(f"UPDATE episodes SET {change} WHERE id = $1", episode.id)
    await connection.close()
    with pytest.raises(CorruptDataError, match="episodes") as caught:
        await tenant.memory.get_episode(episode.id)
    assert caught.value.__context__ is None
    assert "secret" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert agent == await tenant.config.get_agent(agent.id)
