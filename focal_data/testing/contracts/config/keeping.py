"""What holds for everything that a config store keeps: it comes back, it is locked by its revision, it is nobody else's."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from focal_data.errors import DuplicateError, NotFoundError, StaleRevisionError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract, spoil
from focal_data.testing.contracts.config.kinds import (
    ALL,
    LONG_AGO,
    Kind,
    an_agent,
    content,
    each,
)

WRITERS = 50


class KeepingContract(ConfigContract):
    """Saving, reading, changing and deleting, for every kind."""

    @each(ALL)
    async def test_what_is_saved_comes_back_with_every_field(self, config: ConfigStore, kind: Kind) -> None:
        """Read, listed, and as ``save`` returned it; the store adds its own tenant, revision and times."""
        agent = await config.save_agent(an_agent())
        new = kind.make(agent.id)
        stored = await kind.save(config, new)
        assert stored == await kind.get(config, new)
        assert [stored] == [found for found in await kind.listed(config, new) if found.id == new.id]
        assert content(new) == content(stored)
        assert 1 == stored.revision
        assert isinstance(stored.created_at, datetime) and stored.created_at == stored.updated_at
        assert stored.created_at.utcoffset() == timedelta(0)

    @each(ALL)
    async def test_one_with_its_defaults_comes_back(self, config: ConfigStore, kind: Kind) -> None:
        """What was left out is the default of its field."""
        agent = await config.save_agent(an_agent())
        full = kind.make(agent.id)
        needed = {n: getattr(full, n) for n, field in kind.domain.model_fields.items() if field.is_required()}
        least = kind.domain(**needed)
        stored = await kind.save(config, least)
        assert stored == await kind.get(config, least)
        assert content(least) == content(stored)

    @each(ALL)
    async def test_revision_times_and_deletion_are_the_stores(self, config: ConfigStore, kind: Kind) -> None:
        """What a caller puts there is ignored, in a new one and in a change."""
        stored = await kind.stored(config, created_at=LONG_AGO, updated_at=LONG_AGO)
        assert LONG_AGO < stored.created_at == stored.updated_at
        theirs = {n: LONG_AGO for n in ("created_at", "updated_at", "deleted_at") if hasattr(stored, n)}
        changed = await kind.save(config, stored.evolve(**theirs))
        assert changed == await kind.get(config, stored)
        assert stored.created_at == changed.created_at
        assert LONG_AGO < changed.updated_at

    @each(ALL)
    async def test_a_change_is_kept_under_the_next_revision(self, config: ConfigStore, kind: Kind) -> None:
        """It was made when it was, and changed now."""
        stored = await kind.stored(config)
        changed = await kind.save(config, stored.evolve(**kind.change))
        assert changed == await kind.get(config, stored)
        assert content(stored.evolve(**kind.change)) == content(changed)
        assert (2, stored.created_at) == (changed.revision, changed.created_at)
        assert stored.updated_at <= changed.updated_at

    @each(ALL)
    async def test_a_stale_writer_learns_the_current_revision(self, config: ConfigStore, kind: Kind) -> None:
        """And changes nothing, whether behind or ahead."""
        stored = await kind.stored(config)
        current = await kind.save(config, stored.evolve(**kind.change))
        for stale in (stored, current.evolve(revision=3)):
            with pytest.raises(StaleRevisionError) as caught:
                await kind.save(config, stale)
            assert (kind.domain.__name__, 2) == (caught.value.entity, caught.value.current_revision)
        assert current == await kind.get(config, stored)

    @each(ALL)
    async def test_of_fifty_writers_of_one_revision_one_wins(self, config: ConfigStore, kind: Kind) -> None:
        """The others get the current revision, and what is stored is the winner's."""
        stored = await kind.stored(config)
        writers = (kind.save(config, stored.evolve(**kind.change)) for _ in range(WRITERS))
        outcomes = await asyncio.gather(*writers, return_exceptions=True)
        stale = [outcome for outcome in outcomes if isinstance(outcome, StaleRevisionError)]
        won = [outcome for outcome in outcomes if isinstance(outcome, kind.domain)]
        assert [2] * (WRITERS - 1) == [error.current_revision for error in stale]
        assert [await kind.get(config, stored)] == won

    @each(ALL)
    async def test_of_many_that_store_one_id_one_wins(self, config: ConfigStore, kind: Kind) -> None:
        """The others find it taken."""
        agent = await config.save_agent(an_agent())
        new = kind.make(agent.id)
        outcomes = await asyncio.gather(*(kind.save(config, new) for _ in range(10)), return_exceptions=True)
        assert 9 == sum(isinstance(outcome, DuplicateError) for outcome in outcomes)
        assert [await kind.get(config, new)] == [o for o in outcomes if isinstance(o, kind.domain)]

    @each(ALL)
    async def test_an_id_is_taken_once(self, config: ConfigStore, kind: Kind) -> None:
        """One of revision 0 is new, and a new one does not replace what has its id."""
        stored = await kind.stored(config)
        with pytest.raises(DuplicateError):
            await kind.save(config, stored.evolve(revision=0, **kind.change))
        assert stored == await kind.get(config, stored)

    @each(ALL)
    async def test_what_was_never_stored_can_not_be_changed(self, config: ConfigStore, kind: Kind) -> None:
        """It is not found, by the name of its class."""
        agent = await config.save_agent(an_agent())
        new = kind.make(agent.id, revision=1)
        with pytest.raises(NotFoundError) as caught:
            await kind.save(config, new)
        assert kind.domain.__name__ == caught.value.entity
        assert await kind.get(config, new) is None

    @each(ALL)
    async def test_what_is_not_there_is_absent(self, config: ConfigStore, kind: Kind) -> None:
        """``None``, an empty list, and nothing to delete."""
        absent = kind.make(new_id())
        assert await kind.get(config, absent) is None
        assert [] == await kind.listed(config, absent)
        assert await kind.delete(config, absent) is False

    @each(ALL)
    async def test_what_is_deleted_is_absent(self, config: ConfigStore, kind: Kind) -> None:
        """From reads and lists, for a second deletion, and for a change."""
        stored = await kind.stored(config)
        assert await kind.delete(config, stored) is True
        assert await kind.get(config, stored) is None
        assert [] == [found for found in await kind.listed(config, stored) if found.id == stored.id]
        assert await kind.delete(config, stored) is False
        with pytest.raises(NotFoundError) as caught:
            await kind.save(config, stored.evolve(**kind.change))
        assert kind.domain.__name__ == caught.value.entity

    @each(ALL)
    async def test_of_many_that_delete_one_one_does(self, config: ConfigStore, kind: Kind) -> None:
        """The others find nothing to delete."""
        stored = await kind.stored(config)
        outcomes = await asyncio.gather(*(kind.delete(config, stored) for _ in range(10)))
        assert 1 == sum(outcomes)

    @each(ALL)
    async def test_what_a_caller_does_to_its_objects_changes_nothing(
        self, config: ConfigStore, kind: Kind
    ) -> None:
        """Neither to what was handed over nor to anything that came back, down to the last list inside."""
        agent = await config.save_agent(an_agent())
        given = kind.make(agent.id)
        first = content(given)
        stored = await kind.save(config, given)
        spoil(given)
        spoil(stored)
        for mine in (await kind.get(config, given), *await kind.listed(config, given)):
            spoil(mine)
        found = await kind.get(config, given)
        assert first == content(found)
        changed = await kind.save(config, found)
        spoil(found)
        spoil(changed)
        assert first == content(await kind.get(config, given))
