"""Agents, and what all their parts share: written while the agent is alive, gone and back with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Final, NoReturn
from uuid import UUID

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    ScalarSelect,
    Select,
    Table,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from focal_data.database.scope import Transaction
from focal_data.database.statement import Statement
from focal_data.domain.config import Agent
from focal_data.errors import ConflictError, NotFoundError
from focal_data.repositories.base import E, TableT, TenantRepository, any_of
from focal_data.repositories.filtering import Conditions
from focal_data.stores.base import checked_limit, checked_offset
from focal_data.tables.config import AgentTable

_NO_AGENT: Final = "agent_id names none of this tenant's"


class AgentRepository(TenantRepository[AgentTable, Agent]):
    """Agents. Deleting one takes its parts along, and restoring it brings back those that went with it."""

    async def page(
        self, *, enabled_only: bool, limit: int, offset: int, include_deleted: bool
    ) -> tuple[list[Agent], int]:
        """One page in the order of ids, and how many there are in all."""
        values = {"limit": checked_limit(limit), "offset": checked_offset(offset)}

        async def work(tx: Transaction) -> tuple[list[Agent], int]:
            here = AgentRepository(tx)
            agents = await here.all(self._page(enabled_only, include_deleted), values)
            total = await here.raw(self._total(enabled_only, include_deleted), {})
            return agents, int(total[0]["count"])

        return await self._scope.run(work)

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Mark the agent and its parts as deleted, all at one time; whether there was one.

        That time is after every earlier deletion of a part, whatever the clock says: by it they are told apart again.
        """
        now = self._scope.now()

        async def work(tx: Transaction) -> bool:
            gone = await AgentRepository(tx)._row(self._delete(), {"id": id, "now": now})
            if gone is None:
                return False
            for part in AgentPartRepository.parts.values():
                await part(tx).delete_with_agent(id, gone["deleted_at"])
            return True

        return await self._scope.run(work)

    async def restore(self, id: UUID) -> bool:  # noqa: A002
        """Bring the agent back with the parts that went with it; whether it was deleted. Raises ``DuplicateError``."""
        agent = await self.get(id, include_deleted=True)
        if agent is None or agent.deleted_at is None:
            return False
        await self.restored(id)
        return True

    async def restored(self, id: UUID) -> Agent:  # noqa: A002
        """The agent, alive again with the parts that went with it. Raises ``NotFoundError``, ``DuplicateError``."""
        now = self._scope.now()

        async def work(tx: Transaction) -> Agent:
            here = AgentRepository(tx)
            agent = await here.one(self._locked(), {"id": id})
            if agent is None:
                raise NotFoundError(Agent.__name__)
            if agent.deleted_at is None:
                return agent
            await here._execute(self._restore(), {"id": id, "now": now})
            for part in AgentPartRepository.parts.values():
                await part(tx).restore_with_agent(id, agent.deleted_at, now)
            return agent.model_copy(
                update={"deleted_at": None, "updated_at": now, "revision": agent.revision + 1}
            )

        return await self._scope.run(work)

    @classmethod
    @cache
    def _delete(cls) -> Statement:
        tick = text("interval '1 microsecond'")
        earlier = [part.last_deleted() + tick for part in AgentPartRepository.parts.values()]
        now = func.greatest(bindparam("now", type_=cls.c.deleted_at.type), *earlier)
        marked = update(cls.table).values(
            {"deleted_at": now, "revision": cls.c.revision + 1, "updated_at": now}
        )
        return Statement(marked.where(*cls._key(), cls.c.deleted_at.is_(None)).returning(cls.c.deleted_at))

    @classmethod
    @cache
    def _page(cls, enabled_only: bool, include_deleted: bool) -> Statement:
        rows = cls.rows(*cls._enabled(enabled_only), include_deleted=include_deleted)
        return Statement(rows.order_by(cls.c.id).limit(bindparam("limit")).offset(bindparam("offset")))

    @classmethod
    @cache
    def _total(cls, enabled_only: bool, include_deleted: bool) -> Statement:
        return Statement(cls.counted(*cls._enabled(enabled_only), include_deleted=include_deleted))

    @classmethod
    @cache
    def _locked(cls) -> Statement:
        return Statement(cls.rows(cls.c.id == bindparam("id"), include_deleted=True).with_for_update())

    @classmethod
    def _enabled(cls, enabled_only: bool) -> list[ColumnElement[bool]]:
        return [cls.c.enabled] if enabled_only else []


class OfAgentRepository(TenantRepository[TableT, E]):
    """What names an agent in ``agent_id``: it is written only while that agent is alive."""

    async def add(self, entity: E) -> E:
        """Insert it while its agent is alive, which the same statement makes sure of; ``NotFoundError`` otherwise."""
        stored = self._new(entity)
        if not await self._scope.execute(self._insert(), self._values(stored)):
            raise NotFoundError(Agent.__name__, _NO_AGENT)
        return stored

    async def add_many(self, entities: Iterable[E]) -> list[E]:
        """Insert all of them or none, while their agents are alive; errors have the ``row``."""
        stored = self._all_new(entities)
        rows = self._all_values(stored)
        agents = [row["agent_id"] for row in rows]

        async def work(tx: Transaction) -> None:
            found = await type(self)(tx).raw(self._alive_agents(), {"ids": list(set(agents))})
            alive = {row["id"] for row in found}
            for number, agent_id in enumerate(agents):
                if agent_id not in alive:
                    raise NotFoundError(Agent.__name__, _NO_AGENT).at_row(number)
            await self._road().insert(tx, rows)

        if rows:
            await self._scope.run(work)
        return stored

    def _all_values(self, entities: Sequence[E]) -> list[dict[str, Any]]:
        return [row | {"key_agent_id": row["agent_id"]} for row in super()._all_values(entities)]

    async def _explain(self, id: UUID, entity: E) -> NoReturn:  # noqa: A002
        if not await self.raw(self._alive_agents(), {"ids": [entity.agent_id]}):  # type: ignore[attr-defined]
            raise NotFoundError(Agent.__name__, _NO_AGENT)
        await super()._explain(id, entity)

    @classmethod
    def _inserted(cls) -> Insert:
        """INSERT … SELECT from the agent itself, locked, so that none slips in while the agent is being deleted."""
        columns = cls.mapper.written
        values = select(*(bindparam(c.name, type_=c.type) for c in columns))
        agent = values.select_from(AgentRepository.table).where(*cls._alive(bindparam("key_agent_id")))
        names = [column.name for column in columns]
        return insert(cls.table).from_select(names, agent.with_for_update(read=True))

    @classmethod
    def _guard(cls) -> ColumnElement[bool]:
        """The agent is alive; one that it is moved to is locked, too: when being deleted it would not see what comes."""
        agent_id: BindParameter[UUID] = bindparam("key_agent_id")
        alive = select(AgentRepository.c.id).where(*cls._alive(agent_id)).exists()
        return or_(and_(cls.c.agent_id == agent_id, alive), cls._locked_agent(agent_id).exists())

    @classmethod
    def _locked_agent(cls, agent_id: Any) -> Select[Any]:
        return select(AgentRepository.c.id).where(*cls._alive(agent_id)).with_for_update(read=True)

    @classmethod
    @cache
    def _alive_agents(cls) -> Statement:
        agents = select(AgentRepository.c.id).where(
            *AgentRepository.scoped(), AgentRepository.c.id == any_of("ids")
        )
        return Statement(agents.order_by(AgentRepository.c.id).with_for_update(read=True))

    @classmethod
    def _alive(cls, agent_id: Any) -> list[ColumnElement[bool]]:
        return [*AgentRepository.scoped(), AgentRepository.c.id == agent_id]


class AgentPartRepository(OfAgentRepository[TableT, E]):
    """What belongs to an agent, and goes and comes back with it.

    The table needs an ``agent_id`` and a ``deleted_at``. A subclass joins in by being declared.
    """

    parts: ClassVar[dict[Table, type[AgentPartRepository[Any, Any]]]] = {}
    """Every kind of part, by its table."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "table" in cls.__dict__:
            cls.parts[cls.table] = cls

    async def restored(self, id: UUID) -> E:  # noqa: A002
        """It, alive again. Raises ``NotFoundError``, ``DuplicateError``, and ``ConflictError`` while its agent is deleted."""
        now = self._scope.now()

        async def work(tx: Transaction) -> E:
            here = type(self)(tx)
            if await here._execute(self._restore(), {"id": id, "now": now}) == 0:
                part = await here.get(id, include_deleted=True)
                if part is None:
                    raise NotFoundError(self.mapper.domain.__name__)
                if part.deleted_at is not None:  # type: ignore[attr-defined]
                    raise ConflictError(f"{self.mapper.domain.__name__}: its agent is deleted")
            found: E | None = await here.get(id)
            if found is None:
                raise NotFoundError(self.mapper.domain.__name__)
            return found

        return await self._scope.run(work)

    async def delete_with_agent(self, agent_id: UUID, now: datetime) -> int:
        """Mark the agent's parts as deleted at ``now``; how many."""
        return await self._execute(self._delete_with_agent(), {"key_agent_id": agent_id, "now": now})

    async def restore_with_agent(self, agent_id: UUID, deleted_at: datetime, now: datetime) -> int:
        """Bring back the parts that were deleted at the very time of the agent; how many."""
        values = {"key_agent_id": agent_id, "was": deleted_at, "now": now}
        return await self._execute(self._restore_with_agent(), values)

    @classmethod
    def last_deleted(cls) -> ScalarSelect[datetime]:
        """When a part of the agent with this ``id`` was last deleted; ``NULL`` when none was."""
        agent = (cls.c.tenant_id == bindparam("tenant_id"), cls.c.agent_id == bindparam("id"))
        return select(func.max(cls.c.deleted_at)).where(*agent).scalar_subquery()

    @classmethod
    @cache
    def _restore(cls) -> Statement:
        """As everywhere, and only while the agent is alive."""
        agent = cls._locked_agent(cls.c.agent_id).correlate(cls.table).exists()
        return Statement(cls._marked(None).where(cls.c.deleted_at.is_not(None), agent))

    @classmethod
    @cache
    def _delete_with_agent(cls) -> Statement:
        return Statement(cls._marked(bindparam("now"), *cls._of_agent()).where(cls.c.deleted_at.is_(None)))

    @classmethod
    @cache
    def _restore_with_agent(cls) -> Statement:
        return Statement(cls._marked(None, *cls._of_agent()).where(cls.c.deleted_at == bindparam("was")))

    @classmethod
    def _of_agent(cls) -> list[ColumnElement[bool]]:
        return [cls.c.tenant_id == bindparam("tenant_id"), cls.c.agent_id == bindparam("key_agent_id")]


class ScopedPartRepository(AgentPartRepository[TableT, E]):
    """Rules and templates: parts that apply globally, in one scenario or in one step."""

    @classmethod
    def _scoped_conditions(cls) -> Conditions:
        return {
            "agent_id": cls.c.agent_id == bindparam("agent_id"),
            "scope": cls.c.scope == bindparam("scope"),
            "scope_id": cls.c.scope_id == bindparam("scope_id"),
        }
