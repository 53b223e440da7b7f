"""What a repository can do, and the fixtures of its suites."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Protocol
from uuid import UUID

import pytest

from focal_data.domain.answers import CountMode, Page
from focal_data.domain.conditions import Condition
from focal_data.testing.contracts.base import StoreContract, TenantUnderTest
from focal_data.testing.contracts.notes import Note

Notes_ = list[Note]


class Notes(Protocol):
    """The repository under test."""

    async def get(self, id: UUID, *, include_deleted: bool = ...) -> Note | None: ...  # noqa: A002

    async def get_many(self, ids: Iterable[UUID], *, include_deleted: bool = ...) -> dict[UUID, Note]: ...

    async def exists(self, id: UUID, *, include_deleted: bool = ...) -> bool: ...  # noqa: A002

    async def add(self, entity: Note) -> Note: ...

    async def add_many(self, entities: Iterable[Note]) -> Notes_: ...

    async def save(self, entity: Note) -> Note: ...

    async def update_fields(self, id: UUID, /, *, revision: int | None = ..., **changes: Any) -> Note: ...  # noqa: A002

    async def delete(self, id: UUID) -> bool: ...  # noqa: A002

    async def restore(self, id: UUID) -> bool: ...  # noqa: A002

    async def purge(self, id: UUID) -> bool: ...  # noqa: A002

    async def list(
        self,
        *,
        where: Condition | None = ...,
        order_by: str = ...,
        limit: int = ...,
        cursor: str | None = ...,
        include_deleted: bool = ...,
        count: CountMode = ...,
    ) -> Page[Note]: ...

    async def count(
        self, where: Condition | None = ..., *, mode: CountMode = ..., include_deleted: bool = ...
    ) -> int: ...

    def stream(
        self,
        *,
        where: Condition | None = ...,
        order_by: str = ...,
        batch_size: int = ...,
        include_deleted: bool = ...,
    ) -> AsyncIterator[Note]: ...


Call = Callable[[Notes], Awaitable[object]]
MakeRepository = Callable[[Any], Notes]


class KitContract(StoreContract):
    """The fixtures. A subclass of a suite overrides ``tenants`` and ``repository``."""

    @pytest.fixture
    def repository(self) -> MakeRepository:
        """The repository under test: from a tenant, or from what its ``transaction()`` gives, to its notes."""
        raise NotImplementedError(f"{type(self).__name__} needs a fixture `repository`: a class for notes")

    @pytest.fixture
    def notes(self, tenant: TenantUnderTest, repository: MakeRepository) -> Notes:
        """The notes of the tenant."""
        return repository(tenant)

    @pytest.fixture
    def foreign(self, other: TenantUnderTest, repository: MakeRepository) -> Notes:
        """The notes of another tenant."""
        return repository(other)


def titles(page: Iterable[Note]) -> list[str]:
    """The titles, in order."""
    return [note.title for note in page]
