"""What one tenant sees of another's: through its stores, and through raw SQL."""

from __future__ import annotations

from typing import Final, Protocol
from uuid import UUID

from focal_data.cli.demo.counting import rows_of, rows_without_tenant
from focal_data.cli.demo.facts import Isolation
from focal_data.cli.demo.setup import Stage
from focal_data.data_layer import PostgresDataLayer, Tenant
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.session import Session

_SESSIONS: Final = 5
"""So many sessions are looked for by name."""


class HasTenant(Protocol):
    """What a store gives back."""

    @property
    def tenant_id(self) -> UUID: ...


async def look_across(data: PostgresDataLayer, owner: Stage, other: Tenant) -> Isolation:
    """All that ``other`` sees of ``owner``, by every id that the owner knows; and, to compare, what the owner sees."""
    return Isolation(
        repository_rows=await _through_stores(owner, other),
        raw_sql_rows=sum((await rows_of(owner.tenant.tenant_id, other)).values())
        + await rows_without_tenant(data),
        repository_control=await _through_stores(owner, owner.tenant),
        raw_sql_control=sum((await rows_of(owner.tenant.tenant_id, owner.tenant)).values()),
    )


async def _through_stores(owner: Stage, tenant: Tenant) -> int:
    """How many things of the owner's come back when ``tenant`` asks for them by the names that the owner knows.

    The same names may be names of the tenant's own: those things don't count.
    """
    agent_id, nearest = owner.agent.id, owner.scenario.embedding
    assert nearest is not None
    seen: list[HasTenant | None] = [
        await tenant.config.get_agent(agent_id),
        *await tenant.config.get_rules(agent_id),
        *(hit.item for hit in await tenant.config.vector_search_rules(agent_id, nearest)),
        *await tenant.memory.get_episodes(EpisodeFilter(agent_id=agent_id)),
        *(hit.item for hit in await tenant.memory.vector_search_episodes(agent_id, nearest)),
    ]
    for session in await owner.tenant.sessions.list_by_agent(agent_id, limit=_SESSIONS):
        seen += await _of_session(session, tenant)
    return sum(thing is not None and thing.tenant_id == owner.tenant.tenant_id for thing in seen)


async def _of_session(session: Session, tenant: Tenant) -> list[HasTenant | None]:
    return [
        await tenant.sessions.get(session.session_id),
        await tenant.sessions.get_by_channel(session.channel, session.channel_user_id),
        await tenant.profiles.get_by_customer_id(session.channel_user_id),
        *await tenant.audit.list_turns_by_session(session.session_id),
        *await tenant.audit.list_events_by_session(session.session_id),
    ]


def together(parts: list[Isolation]) -> Isolation:
    """The sums."""
    return Isolation(
        repository_rows=sum(part.repository_rows for part in parts),
        raw_sql_rows=sum(part.raw_sql_rows for part in parts),
        repository_control=sum(part.repository_control for part in parts),
        raw_sql_control=sum(part.raw_sql_control for part in parts),
    )
