"""Versions of scenarios, kept for good."""

from __future__ import annotations

import pytest

from focal_data.errors import DuplicateError, InvalidDataError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import (
    SCENARIO,
    a_scenario,
    an_agent,
)


class ArchiveContract(ConfigContract):
    """Versions of scenarios, kept for good."""

    async def test_an_archived_version_stays_as_it_was(self, config: ConfigStore) -> None:
        """Whatever becomes of the scenario, and of the objects that were handed over and came back."""
        scenario = await SCENARIO.stored(config)
        first = scenario.model_dump()
        archive = await config.archive_scenario_version(scenario)
        assert (scenario.id, 7, scenario) == (archive.scenario_id, archive.version, archive.scenario)
        assert archive.archived_at is not None
        assert archive.archived_at >= scenario.updated_at
        got = await config.get_archived_scenario(scenario.id, 7)
        assert got is not None
        for mine in (scenario, archive.scenario, got):
            mine.tags.append("spoilt")
            mine.steps[0].transitions.clear()
        stored = await config.get_scenario(scenario.id)
        assert stored is not None
        await config.save_scenario(stored.evolve(name="other", version=8))
        await config.delete_scenario(scenario.id)
        await config.delete_agent(scenario.agent_id)
        found = await config.get_archived_scenario(scenario.id, 7)
        assert found is not None
        assert first == found.model_dump()

    async def test_a_version_is_archived_once(self, config: ConfigStore) -> None:
        """And another version beside it."""
        scenario = await SCENARIO.stored(config)
        await config.archive_scenario_version(scenario)
        with pytest.raises(DuplicateError) as caught:
            await config.archive_scenario_version(scenario.evolve(name="other"))
        assert ("scenario_id", "version") == caught.value.fields
        await config.archive_scenario_version(scenario.evolve(version=8))
        assert scenario == await config.get_archived_scenario(scenario.id, 7)
        found = await config.get_archived_scenario(scenario.id, 8)
        assert scenario.evolve(version=8) == found

    async def test_what_was_not_archived_is_absent(self, config: ConfigStore, others: ConfigStore) -> None:
        """Another version, another scenario, another tenant's."""
        scenario = await SCENARIO.stored(config)
        await config.archive_scenario_version(scenario)
        assert await config.get_archived_scenario(scenario.id, 8) is None
        assert await config.get_archived_scenario(new_id(), 7) is None
        assert await others.get_archived_scenario(scenario.id, 7) is None

    async def test_another_tenants_scenario_is_not_archived(
        self, config: ConfigStore, others: ConfigStore
    ) -> None:
        """Nor one that was changed past its validation."""
        theirs, mine = await SCENARIO.stored(others), await SCENARIO.stored(config)
        with pytest.raises(InvalidDataError) as caught:
            await config.archive_scenario_version(theirs)
        assert "tenant_id" == caught.value.field
        with pytest.raises(InvalidDataError) as caught:
            await config.archive_scenario_version(mine.model_copy(update={"name": "s3cr3t\0"}))
        assert "name" == caught.value.field
        assert await config.get_archived_scenario(mine.id, 7) is None

    async def test_one_that_was_never_stored_is_archived(self, config: ConfigStore) -> None:
        """Its tenant is filled in, and its embedding is at the precision that stores keep."""
        agent = await config.save_agent(an_agent())
        scenario = a_scenario(agent.id)
        await config.archive_scenario_version(scenario)
        found = await config.get_archived_scenario(scenario.id, 7)
        assert found is not None
        assert scenario.embedding is not None
        assert (agent.tenant_id, scenario.embedding.rounded()) == (found.tenant_id, found.embedding)
