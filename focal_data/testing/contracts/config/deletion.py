"""Soft deletion: hidden unless asked for, and undone by ``restore_…``."""

from __future__ import annotations

import asyncio

import pytest

from focal_data.errors import DuplicateError, NotFoundError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract, spoil
from focal_data.testing.contracts.config.kinds import (
    LONG_AGO,
    SOFT,
    Kind,
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
