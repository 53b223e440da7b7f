"""What belongs to an agent goes with it, comes back with it, and is written only while it is there."""

from __future__ import annotations

import asyncio

import pytest

from focal_data.errors import ConflictError, DuplicateError, NotFoundError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import (
    OF_AGENT,
    PARTS,
    TOOL,
    Kind,
    an_agent,
    content,
    each,
)


class PartsContract(ConfigContract):
    """What belongs to an agent."""

    @each(OF_AGENT)
    async def test_an_agent_that_is_not_there_gets_no_parts(
        self, config: ConfigStore, others: ConfigStore, kind: Kind
    ) -> None:
        """Absent, another tenant's, or deleted: neither a new one nor one that is moved."""
        theirs, gone = await others.save_agent(an_agent()), await config.save_agent(an_agent())
        await config.delete_agent(gone.id)
        stored = await kind.stored(config)
        for agent_id in (new_id(), theirs.id, gone.id):
            for part in (kind.make(agent_id), stored.evolve(agent_id=agent_id)):
                with pytest.raises(NotFoundError) as caught:
                    await kind.save(config, part)
                assert "Agent" == caught.value.entity
                assert agent_id == stored.agent_id or [] == await kind.listed(config, part)
        assert stored == await kind.get(config, stored)

    @each(OF_AGENT)
    async def test_agents_parts_are_listed_apart(self, config: ConfigStore, kind: Kind) -> None:
        """In the order of their ids; other agents' are left out."""
        mine, theirs = await config.save_agent(an_agent()), await config.save_agent(an_agent())
        made = [kind.make(agent.id) for agent in (mine, theirs, mine, theirs, mine)]
        for part in reversed(made):
            await kind.save(config, part)
        assert [made[n].id for n in (0, 2, 4)] == [part.id for part in await kind.listed(config, made[0])]
        assert [made[n].id for n in (1, 3)] == [part.id for part in await kind.listed(config, made[1])]

    @each(PARTS)
    async def test_a_part_is_moved_to_another_agent(self, config: ConfigStore, kind: Kind) -> None:
        """And listed there, and goes with that one."""
        stored, there = await kind.stored(config), await config.save_agent(an_agent())
        moved = await kind.save(config, stored.evolve(agent_id=there.id))
        assert [] == await kind.listed(config, stored)
        assert [moved] == await kind.listed(config, moved)
        await config.delete_agent(stored.agent_id)
        assert moved == await kind.get(config, moved)

    @each(PARTS)
    async def test_parts_go_with_their_agent_and_come_back(self, config: ConfigStore, kind: Kind) -> None:
        """All at one time; those deleted before stay deleted, and other agents' stay alive."""
        kept = await kind.stored(config)
        gone = await kind.save(config, kind.make(kept.agent_id))
        other = await kind.stored(config)
        await kind.delete(config, gone)
        before = await kind.get(config, gone, include_deleted=True)
        assert await config.delete_agent(kept.agent_id)
        assert await kind.get(config, kept) is None
        assert [] == await kind.listed(config, kept)
        agent = await config.get_agent(kept.agent_id, include_deleted=True)
        deleted = await kind.get(config, kept, include_deleted=True)
        assert agent is not None
        assert agent.deleted_at == deleted.deleted_at
        assert before == await kind.get(config, gone, include_deleted=True)
        assert {kept.id, gone.id} == {e.id for e in await kind.listed(config, kept, include_deleted=True)}
        restored = await config.restore_agent(kept.agent_id)
        assert restored == await config.get_agent(kept.agent_id)
        back = await kind.get(config, kept)
        assert [back] == await kind.listed(config, kept)
        assert content(kept) == content(back)
        assert 3 == back.revision
        assert before == await kind.get(config, gone, include_deleted=True)
        assert other == await kind.get(config, other)

    @each(PARTS)
    async def test_parts_deleted_after_a_restoration_do_not_come_back_with_the_next(
        self, config: ConfigStore, kind: Kind
    ) -> None:
        """Only what went with the agent the last time."""
        stored = await kind.stored(config)
        await config.delete_agent(stored.agent_id)
        await config.restore_agent(stored.agent_id)
        await kind.delete(config, stored)
        await config.delete_agent(stored.agent_id)
        await config.restore_agent(stored.agent_id)
        assert await kind.get(config, stored) is None

    @each(PARTS)
    async def test_a_part_is_not_restored_while_its_agent_is_deleted(
        self, config: ConfigStore, kind: Kind
    ) -> None:
        """Whether it went with it or before it; afterwards it is."""
        stored = await kind.stored(config)
        before = await kind.save(config, kind.make(stored.agent_id))
        await kind.delete(config, before)
        await config.delete_agent(stored.agent_id)
        for part in (stored, before):
            with pytest.raises(ConflictError) as caught:
                await kind.restore(config, part)
            assert not isinstance(caught.value, DuplicateError)
            assert await kind.get(config, part) is None
        await config.restore_agent(stored.agent_id)
        assert before.id == (await kind.restore(config, before)).id

    async def test_tools_stay_when_their_agent_is_deleted(self, config: ConfigStore) -> None:
        """They have no soft deletion; they are not changed meanwhile, and there when it comes back."""
        tool = await TOOL.stored(config)
        await config.delete_agent(tool.agent_id)
        with pytest.raises(NotFoundError) as caught:
            await config.save_tool_activation(tool.evolve(enabled=False))
        assert "Agent" == caught.value.entity
        await config.restore_agent(tool.agent_id)
        assert tool == await config.get_tool_activation(tool.agent_id, tool.tool_id)

    @each(PARTS)
    async def test_none_is_left_behind_by_an_agent_that_is_being_deleted(
        self, config: ConfigStore, kind: Kind
    ) -> None:
        """Of writers at the same time, those that came in time go along, and the others find no agent."""
        agent = await config.save_agent(an_agent())
        new = [kind.make(agent.id) for _ in range(20)]
        writers = [kind.save(config, part) for part in new]
        deletion = config.delete_agent(agent.id)
        outcomes = await asyncio.gather(*writers[:10], deletion, *writers[10:], return_exceptions=True)
        assert True is outcomes.pop(10)
        assert all(isinstance(outcome, kind.domain | NotFoundError) for outcome in outcomes)
        assert [] == await kind.listed(config, new[0])
        gone = await config.get_agent(agent.id, include_deleted=True)
        assert gone is not None
        kept = await kind.listed(config, new[0], include_deleted=True)
        assert sum(isinstance(outcome, kind.domain) for outcome in outcomes) == len(kept)
        assert {gone.deleted_at} >= {part.deleted_at for part in kept}

    @each(PARTS)
    async def test_none_slips_under_an_agent_that_is_being_deleted(
        self, config: ConfigStore, kind: Kind
    ) -> None:
        """Not by being moved to it, nor by being restored: what is alive has a living agent."""
        agent = await config.save_agent(an_agent())
        moved = [await kind.stored(config) for _ in range(5)]
        back = [await kind.save(config, kind.make(agent.id)) for _ in range(5)]
        for part in back:
            await kind.delete(config, part)
        await asyncio.gather(
            *(kind.save(config, part.evolve(agent_id=agent.id)) for part in moved),
            *(kind.restore(config, part) for part in back),
            config.delete_agent(agent.id),
            return_exceptions=True,
        )
        assert [] == await kind.listed(config, back[0])

    async def test_an_agent_deleted_and_restored_at_once_stays_whole(self, config: ConfigStore) -> None:
        """Whoever comes last: its parts are where it is."""
        agent = await config.save_agent(an_agent())
        for kind in PARTS:
            await kind.save(config, kind.make(agent.id))
        calls = [call(agent.id) for _ in range(10) for call in (config.delete_agent, config.restore_agent)]
        await asyncio.gather(*calls)
        found = await config.get_agent(agent.id, include_deleted=True)
        assert found is not None
        for kind in PARTS:
            (part,) = await kind.listed(config, kind.make(agent.id), include_deleted=True)
            assert found.deleted_at == part.deleted_at
            assert found.revision == part.revision
