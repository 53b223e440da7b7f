"""Many notes at once: all of them or none, and the first bad one is named."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StoreError, UsageError
from focal_data.ids import new_id
from focal_data.testing.contracts.base import TenantUnderTest
from focal_data.testing.contracts.notes import Note
from focal_data.testing.contracts.repository.kit import KitContract, MakeRepository, Notes, titles

SIZE = 100

Spoil = Callable[[list[Note], int], Note]
BAD: dict[str, tuple[type[StoreError], str, Spoil]] = {
    "what the model refuses": (
        InvalidDataError,
        "[{row}].title: ",
        lambda batch, n: batch[n].model_copy(update={"title": "s3cr3t\0"}),
    ),
    "one that is stored already": (
        InvalidDataError,
        "[{row}].revision: ",
        lambda batch, n: batch[n].evolve(revision=1),
    ),
    "what is taken": (DuplicateError, "[{row}] ", lambda batch, n: batch[n].evolve(code="taken")),
    "what another one takes": (
        DuplicateError,
        "[{row}] ",
        lambda batch, n: batch[n].evolve(code=batch[n - 1].code),
    ),
    "a missing parent": (
        NotFoundError,
        "[{row}] Note: ",
        lambda batch, n: batch[n].evolve(about_id=new_id()),
    ),
}


def a_batch(size: int = SIZE) -> list[Note]:
    """Notes that can be stored together; each but the first is about the one before it."""
    batch = [Note(title=str(n), code=f"c{n}", stars=n, attributes={"n": n}) for n in range(size)]
    return [
        batch[0],
        *(note.evolve(about_id=before.id) for before, note in pairwise(batch)),
    ]


class BatchesContract(KitContract):
    """``add_many``."""

    @pytest.mark.parametrize("size", [1, 2, 31, 32, 33, 64, 150])
    async def test_all_are_stored_in_their_order(self, notes: Notes, size: int) -> None:
        """Few or many; what is given back is what is stored."""
        stored = await notes.add_many(iter(a_batch(size)))
        assert [str(n) for n in range(size)] == titles(stored)
        assert stored == [note async for note in notes.stream()]

    async def test_none_are_stored_of_none(self, notes: Notes) -> None:
        """An empty batch is no error."""
        assert [] == await notes.add_many([])

    @pytest.mark.parametrize("row", [1, 31, 32, SIZE - 1])
    @pytest.mark.parametrize("fault", BAD)
    async def test_one_bad_one_spoils_all_and_is_named(self, notes: Notes, fault: str, row: int) -> None:
        """By its place from 0, in the error and in its text, which doesn't hold the value."""
        await notes.add(Note(title="before", code="taken"))
        batch, (error, text, spoil) = a_batch(), BAD[fault]
        batch[row] = spoil(batch, row)
        with pytest.raises(error) as caught:
            await notes.add_many(batch)
        assert row == caught.value.row
        assert str(caught.value).startswith(text.format(row=row))
        assert "s3cr3t" not in str(caught.value)
        assert 1 == await notes.count()

    async def test_the_first_of_several_is_named(self, notes: Notes) -> None:
        """Whatever is wrong with the others."""
        batch = a_batch()
        batch[40], batch[70] = batch[40].evolve(about_id=new_id()), batch[70].evolve(code="c1")
        with pytest.raises(NotFoundError) as caught:
            await notes.add_many(batch)
        assert 40 == caught.value.row

    @pytest.mark.parametrize("size", [2, 31, 32, 33, 64])
    async def test_a_parent_goes_before_its_child(self, notes: Notes, size: int) -> None:
        """However many they are: one that names a later one is refused. One may name itself."""
        batch = [Note(title=str(n)) for n in range(size)]
        ahead = [batch[0].evolve(about_id=batch[1].id), *batch[1:]]
        with pytest.raises(NotFoundError) as caught:
            await notes.add_many(ahead)
        assert (0, 0) == (caught.value.row, await notes.count())
        itself = [batch[0].evolve(about_id=batch[0].id), *batch[1:]]
        assert size == len(await notes.add_many(itself))

    async def test_in_a_transaction_too(
        self, tenant: TenantUnderTest, notes: Notes, repository: MakeRepository
    ) -> None:
        """A good batch is part of it; after a bad one it can't go on, and nothing of it stays."""
        with pytest.raises(UsageError):
            async with tenant.transaction() as tx:
                here = repository(tx)
                await here.add_many(a_batch())
                assert SIZE == await here.count()
                with pytest.raises(DuplicateError) as caught:
                    await here.add_many(Note(title="x", code=f"c{n + 80}") for n in range(40))
                assert 0 == caught.value.row
                await here.count()
        assert 0 == await notes.count()
