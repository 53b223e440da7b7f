"""One note kept: added, saved, changed by its fields, deleted, restored, gone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from focal_data.errors import (
    DuplicateError,
    InUseError,
    InvalidDataError,
    NotFoundError,
    StaleRevisionError,
    UsageError,
)
from focal_data.ids import new_id
from focal_data.stores.base import read_modify_write
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.notes import Mood, Note
from focal_data.testing.contracts.repository.kit import Call, KitContract, MakeRepository, Notes

ID = new_id()

ABSENT: dict[str, tuple[object, Call]] = {
    "get": (None, lambda notes: notes.get(ID)),
    "get_many": ({}, lambda notes: notes.get_many([ID])),
    "exists": (False, lambda notes: notes.exists(ID)),
    "delete": (False, lambda notes: notes.delete(ID)),
    "restore": (False, lambda notes: notes.restore(ID)),
    "purge": (False, lambda notes: notes.purge(ID)),
}

CALLS_BY_ID: dict[str, Callable[[Notes, Any], Awaitable[object]]] = {
    "get": lambda notes, id_: notes.get(id_),
    "get_many": lambda notes, id_: notes.get_many([id_]),
    "exists": lambda notes, id_: notes.exists(id_),
    "update_fields": lambda notes, id_: notes.update_fields(id_, title="b"),
    "delete": lambda notes, id_: notes.delete(id_),
    "restore": lambda notes, id_: notes.restore(id_),
    "purge": lambda notes, id_: notes.purge(id_),
}


class KeepingContract(KitContract):
    """Notes one by one."""

    async def test_what_is_added_is_there(self, tenant: TenantUnderTest, notes: Notes) -> None:
        """As it is given back: with the tenant, revision 1 and both times."""
        added = await notes.add(Note(title="a", tags=["x"], attributes={"deep": [1, None]}))
        assert (tenant.tenant_id, 1, added.updated_at) == (added.tenant_id, added.revision, added.created_at)
        assert added.created_at is not None
        assert added == await notes.get(added.id)
        assert await notes.exists(added.id)
        assert {added.id: added} == await notes.get_many([added.id, ID])

    @pytest.mark.parametrize("call", ABSENT)
    async def test_absence_is_no_error(self, notes: Notes, foreign: Notes, call: str) -> None:
        """Neither of what nobody has, nor of another tenant's, which stays as it is."""
        expected, work = ABSENT[call]
        assert expected == await work(notes)
        theirs = await foreign.add(Note(id=ID, title="theirs"))
        assert expected == await work(notes)
        assert theirs == await foreign.get(ID)

    async def test_what_is_stored_shares_nothing_with_the_caller(self, notes: Notes) -> None:
        """What a caller does to a note's JSON changes neither what is stored nor what is read later."""
        given = Note(title="a", attributes={"list": [1]})
        added = await notes.add(given)
        for note in (given, added, await notes.get(given.id)):
            assert note is not None
            note.attributes["list"] = [2]
        found = await notes.get(given.id)
        assert found is not None
        assert {"list": [1]} == found.attributes

    async def test_only_a_new_one_is_added(self, notes: Notes) -> None:
        """One that has a revision is refused, and one whose id is taken is a duplicate."""
        added = await notes.add(Note(title="a"))
        with pytest.raises(InvalidDataError, match="revision"):
            await notes.add(added)
        with pytest.raises(DuplicateError):
            await notes.add(Note(id=added.id, title="b"))

    async def test_saving_inserts_and_updates(self, notes: Notes) -> None:
        """By the revision; a stale one is told the current, a missing one is not found."""
        first = await notes.save(Note(title="a"))
        second = await notes.save(first.evolve(title="b"))
        assert (2, first.created_at) == (second.revision, second.created_at)
        assert second == await notes.get(first.id)
        with pytest.raises(StaleRevisionError) as caught:
            await notes.save(first.evolve(title="c"))
        assert 2 == caught.value.current_revision
        with pytest.raises(NotFoundError) as missing:
            await notes.save(first.evolve(id=ID))
        assert "Note" == missing.value.entity
        assert second == await notes.get(first.id)

    async def test_fields_are_changed_by_name(self, notes: Notes) -> None:
        """All others stay; the whole is given back as stored, and without changes nothing is written."""
        added = await notes.add(Note(title="a", stars=3, attributes={"k": 1}))
        changed = await notes.update_fields(added.id, title="b", mood="cross", body=None)
        expected = added.evolve(title="b", mood=Mood.CROSS, revision=2, updated_at=changed.updated_at)
        assert expected == changed == await notes.get(added.id)
        assert changed == await notes.update_fields(added.id)
        assert changed == await notes.update_fields(added.id, revision=2)

    async def test_fields_are_changed_at_a_revision(self, notes: Notes) -> None:
        """Where one is given: another one is stale, and nothing changes."""
        added = await notes.add(Note(title="a"))
        changed = await notes.update_fields(added.id, revision=1, title="b")
        with pytest.raises(StaleRevisionError) as caught:
            await notes.update_fields(added.id, revision=1, title="c")
        assert 2 == caught.value.current_revision
        assert changed == await notes.get(added.id)

    @pytest.mark.parametrize(
        "changes",
        [
            {"colour": "red"},
            {"id": ID},
            {"tenant_id": ID},
            {"created_at": None},
            {"deleted_at": None},
            {"title": ""},
            {"stars": "s3cr3t"},
            {"body": "s3cr3t\0"},
            {"attributes": {"a": float("nan")}},
        ],
        ids=lambda changes: next(iter(changes)),
    )
    async def test_what_can_not_be_changed_is_named(self, notes: Notes, changes: dict[str, Any]) -> None:
        """An unknown field, one that the store sets, a bad value, which the error doesn't hold; nothing changes."""
        added = await notes.add(Note(title="a"))
        with pytest.raises(InvalidDataError) as caught:
            await notes.update_fields(added.id, **changes)
        assert [caught.value.field] == list(changes)
        assert "s3cr3t" not in str(caught.value)
        assert added == await notes.get(added.id)

    async def test_fields_of_what_is_not_there_are_not_found(self, notes: Notes, foreign: Notes) -> None:
        """Nor those of another tenant's, nor of a deleted one."""
        theirs, gone = await foreign.add(Note(title="a")), await notes.add(Note(title="a"))
        await notes.delete(gone.id)
        for missing in (ID, theirs.id, gone.id):
            with pytest.raises(NotFoundError) as caught:
                await notes.update_fields(missing, title="b")
            assert "Note" == caught.value.entity
        assert theirs == await foreign.get(theirs.id)

    async def test_many_change_fields_at_once(self, notes: Notes) -> None:
        """Different fields of one note, and nobody's change is lost."""
        added = await notes.add(Note(title="a"))
        changes: list[dict[str, Any]] = [
            {"title": "b"},
            {"stars": 1},
            {"pinned": True},
            {"body": "c"},
            {"weight": 1.5},
        ]
        await asyncio.gather(*(notes.update_fields(added.id, **change) for change in changes))
        found = await notes.get(added.id)
        assert found is not None
        assert ("b", 1, True, "c", 1.5, 6) == (
            *(found.title, found.stars, found.pinned, found.body, found.weight, found.revision),
        )

    async def test_many_read_change_and_write_at_once(self, notes: Notes) -> None:
        """Fifty of them through the helper, and each one counts."""
        added = await notes.add(Note(title="a"))
        work = (
            read_modify_write(
                lambda: notes.get(added.id), lambda note: note.evolve(stars=note.stars + 1), notes.save
            )
            for _ in range(50)
        )
        saved = await asyncio.gather(*work)
        assert list(range(1, 51)) == sorted(note.stars for note in saved)
        found = await notes.get(added.id)
        assert found is not None
        assert (50, 51) == (found.stars, found.revision)

    async def test_what_is_deleted_is_hidden_until_restored(self, notes: Notes) -> None:
        """From every read that does not ask for it; once is enough, and restoring brings all of it back."""
        added = await notes.add(Note(title="a"))
        assert (True, False) == (await notes.delete(added.id), await notes.delete(added.id))
        assert (None, False, {}) == (
            await notes.get(added.id),
            await notes.exists(added.id),
            await notes.get_many([added.id]),
        )
        assert (0, 1) == (await notes.count(), await notes.count(include_deleted=True))
        assert ([], ["a"]) == (
            [note.title async for note in notes.stream()],
            [note.title for note in await notes.list(include_deleted=True)],
        )
        deleted = await notes.get(added.id, include_deleted=True)
        assert deleted is not None
        assert deleted.deleted_at is not None
        assert (True, False) == (await notes.restore(added.id), await notes.restore(added.id))
        restored = await notes.get(added.id)
        assert restored is not None
        assert added.evolve(revision=3, updated_at=restored.updated_at) == restored

    async def test_what_is_unique_is_free_again_when_deleted(self, notes: Notes) -> None:
        """A restore whose place is taken is a duplicate, of the fields that are named."""
        first = await notes.add(Note(title="a", code="c"))
        with pytest.raises(DuplicateError) as caught:
            await notes.add(Note(title="b", code="c"))
        assert ("code",) == caught.value.fields
        await notes.delete(first.id)
        await notes.add(Note(title="b", code="c"))
        with pytest.raises(DuplicateError):
            await notes.restore(first.id)

    async def test_a_parent_must_exist_and_stays_while_it_is_named(
        self, notes: Notes, foreign: Notes
    ) -> None:
        """One that is missing, or another tenant's, is not found; one that is named can't be purged."""
        theirs, parent = await foreign.add(Note(title="a")), await notes.add(Note(title="a"))
        for missing in (ID, theirs.id):
            with pytest.raises(NotFoundError) as caught:
                await notes.add(Note(title="b", about_id=missing))
            assert "Note" == caught.value.entity
        child = await notes.add(Note(title="b", about_id=parent.id))
        with pytest.raises(InUseError):
            await notes.purge(parent.id)
        assert (True, True, None) == (
            await notes.purge(child.id),
            await notes.purge(parent.id),
            await notes.get(parent.id, include_deleted=True),
        )

    async def test_one_may_name_itself(self, notes: Notes) -> None:
        """And is not in its own way when it is purged."""
        given = Note(title="a")
        added = await notes.add(given.evolve(about_id=given.id))
        assert added == await notes.get(given.id)
        assert await notes.purge(given.id)
        assert 0 == await notes.count(include_deleted=True)

    @pytest.mark.parametrize("call", CALLS_BY_ID)
    async def test_only_a_uuid_is_an_id(self, notes: Notes, call: str) -> None:
        """Its text is refused, and not taken for something that is not there."""
        added = await notes.add(Note(title="a"))
        with pytest.raises(InvalidDataError) as caught:
            await CALLS_BY_ID[call](notes, str(added.id))
        assert caught.value.field in ("id", "ids")
        assert added == await notes.get(added.id)

    async def test_a_transaction_is_all_or_nothing(
        self, tenant: TenantUnderTest, notes: Notes, repository: MakeRepository
    ) -> None:
        """What is done in one that raises never was; in one that ends well, it stays."""
        with pytest.raises(ZeroDivisionError):
            async with tenant.transaction() as tx:
                await repository(tx).add(Note(title="a"))
                raise ZeroDivisionError
        async with tenant.transaction() as tx:
            here = repository(tx)
            added = await here.add(Note(title="b"))
            assert 1 == await here.count()
            await here.update_fields(added.id, stars=1)
        assert [("b", 1)] == [(note.title, note.stars) for note in await notes.list()]

    async def test_a_transaction_is_for_one_task_at_a_time(
        self, tenant: TenantUnderTest, notes: Notes, repository: MakeRepository
    ) -> None:
        """Of calls that overlap, all but one are refused; then it goes on."""
        async with tenant.transaction() as tx:
            here = repository(tx)
            calls = (here.add(Note(title=title)) for title in ("a", "b", "c"))
            found = await asyncio.gather(*calls, return_exceptions=True)
            await here.add(Note(title="d"))
        assert [Note, UsageError, UsageError] == [type(one) for one in found]
        assert ["a", "d"] == [note.title for note in await notes.list(order_by="title")]
