"""Agents in memory, and what all their parts share: written while the agent is alive, gone and back with it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from focal_data.domain.base import Entity, SoftDeletableEntity
from focal_data.domain.checking import copied
from focal_data.domain.config import Agent
from focal_data.errors import ConflictError, NotFoundError
from focal_data.inmemory.database import Tables
from focal_data.inmemory.repository import InMemoryRepository, Parent, Unique, alive
from focal_data.stores.base import checked_limit, checked_offset

E = TypeVar("E", bound=Entity)
S = TypeVar("S", bound=SoftDeletableEntity)

_TICK: Final = timedelta(microseconds=1)
_NO_AGENT: Final = "agent_id names none of this tenant's"


class InMemoryAgentRepository(InMemoryRepository[Agent]):
    """Agents. Deleting one takes its parts along, and restoring it brings back those that went with it."""

    kind = "agents"
    domain = Agent
    unique = (Unique("uq_agents_name", ("name",), alive),)

    async def page(
        self, *, enabled_only: bool, limit: int, offset: int, include_deleted: bool
    ) -> tuple[list[Agent], int]:
        """One page in the order of ids, and how many there are in all."""
        start, end = checked_offset(offset), checked_offset(offset) + checked_limit(limit)
        found = self.those(
            self._scope.tables(),
            lambda agent: agent.enabled or not enabled_only,
            include_deleted=include_deleted,
        )
        return [copied(agent) for agent in found[start:end]], len(found)

    async def restored(self, id: UUID) -> Agent:  # noqa: A002
        """The agent, alive again with the parts that went with it. Raises ``NotFoundError``, ``DuplicateError``."""
        return copied(await self._scope.write(lambda tables: self.bring_back(tables, id)))

    def bring_back(self, tables: Tables, id: UUID) -> Agent:  # noqa: A002
        """``restored``, on ``tables``."""
        agent = self.find(tables, id, include_deleted=True)
        if agent is None:
            raise NotFoundError(Agent.__name__)
        self.unmark(tables, id)
        return tables.rows(self.kind)[id]  # type: ignore[no-any-return]

    def mark(self, tables: Tables, id: UUID, *, at: datetime | None = None) -> bool:  # noqa: A002
        """Mark the agent and its parts as deleted, all at one time; whether there was one.

        That time is after every earlier deletion of a part, whatever the clock says: by it they are told apart again.
        """
        parts = list(self._parts(tables, id))
        earlier = [entity.deleted_at + _TICK for _, entity in parts if entity.deleted_at is not None]
        now = max([at or self._scope.now(), *earlier])
        if not super().mark(tables, id, at=now):
            return False
        for part, entity in parts:
            part.mark(tables, entity.id, at=now)
        return True

    def unmark(self, tables: Tables, id: UUID) -> bool:  # noqa: A002
        """Bring the agent back with the parts that went with it; whether it was deleted. Raises ``DuplicateError``."""
        agent = self.find(tables, id, include_deleted=True)
        if agent is None or not super().unmark(tables, id):
            return False
        for part, entity in self._parts(tables, id):
            if entity.deleted_at == agent.deleted_at:
                part.unmark(tables, entity.id)
        return True

    def _parts(
        self, tables: Tables, agent_id: UUID
    ) -> Iterator[tuple[InMemoryAgentPartRepository[Any], SoftDeletableEntity]]:
        for kind in self.kinds.values():
            if issubclass(kind, InMemoryAgentPartRepository):
                part = kind(self._scope)
                for entity in part.those(tables, lambda e: e.agent_id == agent_id, include_deleted=True):
                    yield part, entity


class InMemoryOfAgentRepository(InMemoryRepository[E]):
    """What names an agent in ``agent_id``: it is written only while that agent is alive."""

    def insert(self, tables: Tables, entity: E) -> E:
        """Keep a new one. Raises ``NotFoundError`` unless its agent is alive, ``DuplicateError``."""
        self._require_agent(tables, entity)
        return super().insert(tables, entity)

    def change(self, tables: Tables, entity: Any, **stamps: Any) -> E:
        """As everywhere, while its agent is alive."""
        self._require_agent(tables, entity)
        return super().change(tables, entity, **stamps)

    def _require_agent(self, tables: Tables, entity: E) -> None:
        if not self._has_agent(tables, entity):
            raise NotFoundError(Agent.__name__, _NO_AGENT)

    def _has_agent(self, tables: Tables, entity: Any) -> bool:
        agent = tables.rows(InMemoryAgentRepository.kind).get(entity.agent_id)
        return agent is not None and alive(agent)


class InMemoryAgentPartRepository(InMemoryOfAgentRepository[S]):
    """What belongs to an agent, and goes and comes back with it.

    The kind needs an ``agent_id`` and a ``deleted_at``. A subclass joins in by being declared.
    """

    async def restored(self, id: UUID) -> S:  # noqa: A002
        """It, alive again. Raises ``NotFoundError``, ``DuplicateError``, and ``ConflictError`` while its agent is deleted."""
        return copied(await self._scope.write(lambda tables: self.bring_back(tables, id)))

    def bring_back(self, tables: Tables, id: UUID) -> S:  # noqa: A002
        """``restored``, on ``tables``."""
        found = self.find(tables, id, include_deleted=True)
        if found is None:
            raise NotFoundError(self.domain.__name__)
        if not alive(found) and not self.unmark(tables, id):
            raise ConflictError(f"{self.domain.__name__}: its agent is deleted")
        return tables.rows(self.kind)[id]  # type: ignore[no-any-return]

    def unmark(self, tables: Tables, id: UUID) -> bool:  # noqa: A002
        """As everywhere, while its agent is alive."""
        found = self.find(tables, id, include_deleted=True)
        return found is not None and self._has_agent(tables, found) and super().unmark(tables, id)


def of_an_agent(kind: str) -> Parent:
    """The parent that every part of an agent has, in the table of ``kind``."""
    return Parent(f"fk_{kind}_agent_id", "agent_id", InMemoryAgentRepository.kind, Agent.__name__)
