"""A kind of one's own in memory: what is unique, what refers to what, and what goes with what."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from focal_data.data_layer import DataLayer, InMemoryTenant
from focal_data.domain.base import Entity, Name, SoftDeletableEntity
from focal_data.errors import DuplicateError, InUseError, InvalidDataError, NotFoundError
from focal_data.inmemory.repository import InMemoryRepository, Parent, Unique, alive


class Book(SoftDeletableEntity):
    """What has a title that no other has, while it is not deleted."""

    title: Name
    shelf: Name | None = None


class Page(Entity):
    """A part of a book."""

    book_id: UUID


class Loan(Entity):
    """What refers to a book, and is no part of it."""

    book_id: UUID | None = None


class Books(InMemoryRepository[Book]):
    """Books."""

    kind = "test_books"
    domain = Book
    unique = (Unique("uq_title", ("title",), alive), Unique("uq_shelf", ("shelf",)))


class Pages(InMemoryRepository[Page]):
    """Pages."""

    kind = "test_pages"
    domain = Page
    parents = (Parent("fk_page", "book_id", "test_books", "Book", cascade=True),)


class Loans(InMemoryRepository[Loan]):
    """Loans."""

    kind = "test_loans"
    domain = Loan
    parents = (Parent("fk_loan", "book_id", "test_books", "Book"),)


@pytest.fixture
def tenant() -> InMemoryTenant:
    """A tenant in memory."""
    return DataLayer.in_memory().tenant(uuid4())


async def test_a_kind_of_ones_own_is_kept(tenant: InMemoryTenant) -> None:
    """Made from a tenant, and from a transaction, which it joins."""
    stored = await Books(tenant).save(Book(title="Emma"))
    assert stored == await Books(tenant).get(stored.id)
    with pytest.raises(LookupError):
        async with tenant.transaction() as tx:
            await Books(tx).save(stored.evolve(title="Persuasion"))
            raise LookupError
    assert stored == await Books(tenant).get(stored.id)


async def test_what_is_unique_is_taken_once(tenant: InMemoryTenant) -> None:
    """Under its constraint's name, with its fields; nothing is no value; and a failed change leaves its own keys."""
    emma = await Books(tenant).save(Book(title="Emma", shelf="a"))
    other = await Books(tenant).save(Book(title="Persuasion"))
    await Books(tenant).save(Book(title="Sanditon"))
    with pytest.raises(DuplicateError) as caught:
        await Books(tenant).save(other.evolve(title="Lady Susan", shelf="a"))
    assert ("uq_shelf", ("shelf",)) == (caught.value.constraint, caught.value.fields)
    await Books(tenant).save(Book(title="Lady Susan"))
    with pytest.raises(DuplicateError):
        await Books(tenant).save(Book(title="Persuasion"))
    await Books(tenant).save(emma.evolve(shelf="b"))
    await Books(tenant).save(Book(title="The Watsons", shelf="a"))


async def test_a_mark_frees_what_is_unique_among_the_living(tenant: InMemoryTenant) -> None:
    """And nothing else; a removal frees all."""
    emma = await Books(tenant).save(Book(title="Emma", shelf="a"))
    await Books(tenant).delete(emma.id)
    with pytest.raises(DuplicateError):
        await Books(tenant).save(Book(title="Emma", shelf="a"))
    await Books(tenant).save(Book(title="Emma"))
    with pytest.raises(DuplicateError):
        await Books(tenant).restore(emma.id)
    assert await Books(tenant).purge(emma.id)
    await Books(tenant).save(Book(title="Persuasion", shelf="a"))


async def test_a_parent_must_exist(tenant: InMemoryTenant) -> None:
    """It is named by its class; and none may be named at all."""
    with pytest.raises(NotFoundError) as caught:
        await Loans(tenant).add(Loan(book_id=uuid4()))
    assert "Book" == caught.value.entity
    await Loans(tenant).add(Loan())


async def test_parts_go_with_the_whole_and_others_hold_it(tenant: InMemoryTenant) -> None:
    """Under the constraint's name; then nothing is gone, parts neither."""
    book = await Books(tenant).save(Book(title="Emma"))
    page = await Pages(tenant).add(Page(book_id=book.id))
    loan = await Loans(tenant).add(Loan(book_id=book.id))
    with pytest.raises(InUseError) as caught:
        await Books(tenant).purge(book.id)
    assert "fk_loan" == caught.value.constraint
    assert await Pages(tenant).exists(page.id)
    await Loans(tenant).delete(loan.id)
    assert await Books(tenant).purge(book.id)
    assert not await Pages(tenant).exists(page.id)
    assert not await Books(tenant).purge(book.id)


async def test_many_are_added_or_none(tenant: InMemoryTenant) -> None:
    """A bad one is named by its place."""
    bad = Book(title="Emma").model_copy(update={"title": ""})
    with pytest.raises(InvalidDataError) as caught:
        await Books(tenant).add_many([Book(title="Persuasion"), bad])
    assert "[1].title" == caught.value.field
    with pytest.raises(DuplicateError):
        await Books(tenant).add_many([Book(title="Emma"), Book(title="Emma")])
    made = await Books(tenant).add_many([Book(title="Emma"), Book(title="Persuasion")])
    assert {book.id: book for book in made} == await Books(tenant).get_many([b.id for b in made] + [uuid4()])
