"""Soft deletion: hidden unless asked for, undone by ``restore_…``, and an agent's parts go and come back with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from focal_data.errors import ConflictError, DuplicateError, NotFoundError
from focal_data.ids import NO_TENANT, new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.keeping import ConfigContract, spoil
from focal_data.testing.contracts.config.kinds import (
    LONG_AGO,
    OF_AGENT,
    PARTS,
    RULE,
    SOFT,
    TOOL,
    Kind,
    a_rule,
    an_agent,
    content,
    each,
)


class DeletionContract(ConfigContract):
    """Deleting softly and restoring, for every kind that is deleted so."""

    @each(SOFT)
    async def test_what_is_deleted_is_shown_to_who_asks(self, config: ConfigStore, kind: Kind) -> None:
        """As it was, with the time of its deletion and the next revision."""
        stored = await kind.stored(config)
        await kind.delete(config, stored)
        deleted = await kind.get(config, stored, include_deleted=True)
        assert deleted is not None
        assert content(stored.evolve(deleted_at=deleted.deleted_at)) == content(deleted)
        assert stored.updated_at <= deleted.deleted_at == deleted.updated_at
        assert (2, stored.created_at) == (deleted.revision, deleted.created_at)
        listed = await kind.listed(config, stored, include_deleted=True)
        assert [deleted] == [found for found in listed if found.id == stored.id]

    @each(SOFT)
    async def test_a_second_deletion_leaves_the_first(self, config: ConfigStore, kind: Kind) -> None:
        """Its time and revision stay."""
        stored = await kind.stored(config)
        await kind.delete(config, stored)
        first = await kind.get(config, stored, include_deleted=True)
        assert not await kind.delete(config, stored)
        assert first == await kind.get(config, stored, include_deleted=True)

    @each(SOFT)
    async def test_what_is_restored_is_as_it_was(self, config: ConfigStore, kind: Kind) -> None:
        """Read and listed again, under the next revision, and changed again from there."""
        stored = await kind.stored(config)
        await kind.delete(config, stored)
        restored = await kind.restore(config, stored)
        assert restored == await kind.get(config, stored)
        assert [restored] == [found for found in await kind.listed(config, stored) if found.id == stored.id]
        assert content(stored) == content(restored)
        assert (3, stored.created_at) == (restored.revision, restored.created_at)
        assert 4 == (await kind.save(config, restored.evolve(**kind.change))).revision

    @each(SOFT)
    async def test_what_is_not_deleted_is_returned_as_it_is(self, config: ConfigStore, kind: Kind) -> None:
        """To restore it changes nothing."""
        stored = await kind.stored(config)
        assert stored == await kind.restore(config, stored)
        assert stored == await kind.get(config, stored)

    @each(SOFT)
    async def test_of_many_that_restore_one_all_get_it(self, config: ConfigStore, kind: Kind) -> None:
        """It comes back once."""
        stored = await kind.stored(config)
        await kind.delete(config, stored)
        found = await asyncio.gather(*(kind.restore(config, stored) for _ in range(10)))
        assert [await kind.get(config, stored)] * 10 == found
        assert 3 == found[0].revision

    @each(SOFT)
    async def test_what_was_never_stored_can_not_be_restored(
        self, config: ConfigStore, others: ConfigStore, kind: Kind
    ) -> None:
        """Nor can another tenant's."""
        theirs = await kind.stored(others)
        await kind.delete(others, theirs)
        for absent in (kind.make(new_id()), theirs):
            with pytest.raises(NotFoundError) as caught:
                await kind.restore(config, absent)
            assert kind.domain.__name__ == caught.value.entity
        assert await kind.get(config, theirs, include_deleted=True) is None
        assert [] == [e for e in await kind.listed(config, theirs, include_deleted=True) if e.id == theirs.id]
        assert await kind.get(others, theirs) is None

    @each(SOFT)
    async def test_to_save_neither_deletes_nor_restores(self, config: ConfigStore, kind: Kind) -> None:
        """``deleted_at`` of a caller is ignored, and what is deleted is not found by a writer."""
        stored = await kind.stored(config, deleted_at=LONG_AGO)
        assert stored.deleted_at is None
        changed = await kind.save(config, stored.evolve(deleted_at=LONG_AGO))
        assert changed == await kind.get(config, stored)
        await kind.delete(config, stored)
        deleted = await kind.get(config, stored, include_deleted=True)
        for mine in (deleted, deleted.evolve(deleted_at=None)):
            with pytest.raises(NotFoundError):
                await kind.save(config, mine)
        assert deleted == await kind.get(config, stored, include_deleted=True)

    @each(SOFT)
    async def test_the_id_of_a_deleted_one_stays_taken(self, config: ConfigStore, kind: Kind) -> None:
        """It can come back, so nothing takes its place."""
        stored = await kind.stored(config)
        await kind.delete(config, stored)
        with pytest.raises(DuplicateError):
            await kind.save(config, stored.evolve(revision=0))

    @each(SOFT)
    async def test_copies_of_deleted_ones_are_copies_too(self, config: ConfigStore, kind: Kind) -> None:
        """What is shown to who asks is not what is stored, nor is what a restoration gives."""
        stored = await kind.stored(config)
        await kind.delete(config, stored)
        shown = await kind.get(config, stored, include_deleted=True)
        first = content(shown)
        for mine in (shown, *await kind.listed(config, stored, include_deleted=True)):
            spoil(mine)
        assert first == content(await kind.get(config, stored, include_deleted=True))
        spoil(await kind.restore(config, stored))
        assert content(stored) == content(await kind.get(config, stored))


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


class ForeignContract(ConfigContract):
    """What belongs to another tenant is absent by every key that leads to it."""

    @each(OF_AGENT)
    async def test_another_tenants_agent_has_no_parts(
        self, config: ConfigStore, others: ConfigStore, kind: Kind
    ) -> None:
        """Its id, taken for a parent, is nobody's."""
        theirs = await kind.stored(others)
        assert [] == await kind.listed(config, theirs)
        mine = await kind.stored(config)
        change: dict[str, Any] = {"agent_id": theirs.agent_id, "tenant_id": NO_TENANT}
        with pytest.raises(NotFoundError) as caught:
            await kind.save(config, mine.evolve(**change))
        assert "Agent" == caught.value.entity
        assert mine == await kind.get(config, mine)

    async def test_deleting_an_agent_leaves_another_tenants_parts(
        self, config: ConfigStore, others: ConfigStore
    ) -> None:
        """Though the ids are the same."""
        agent = an_agent()
        rule = a_rule(agent.id)
        for store in (config, others):
            await store.save_agent(agent)
            await store.save_rule(rule)
        await config.delete_agent(agent.id)
        assert await RULE.get(others, rule) is not None
        await others.delete_rule(rule.id)
        await config.restore_agent(agent.id)
        assert await RULE.get(config, rule) is not None
        assert await RULE.get(others, rule) is None
