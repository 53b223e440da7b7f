"""What the store of live sessions promises; ``stores/base.py`` says what holds for every call.

A session lives in two tiers. The hot copy serves a conversation that goes on, and expires some time after the last
call that used it (30 minutes, a setting); the cold one stays, compressed, until the session is too old: some time
after its last activity (7 days, a setting). Past that age it reads as absent, swept or not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from uuid import UUID

from focal_data.domain.answers import Page
from focal_data.domain.checking import checked_text, checked_uuid
from focal_data.domain.config import ScopeFilter
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus
from focal_data.errors import InvalidDataError


class SessionStore(ABC):
    """One tenant's live sessions. Lists are newest activity first, then by id; closed ones are listed too.

    Its errors hold nothing of a session's content. ``CorruptDataError`` names the key of what can't be read.
    """

    @abstractmethod
    async def get(self, session_id: UUID) -> Session | None:
        """The session, or ``None``. A cold one becomes hot; if that fails, it is read all the same."""

    @abstractmethod
    async def save(self, session: Session) -> Session:
        """Insert or update it, both tiers at once, and return it with its new revision and ``last_activity_at``."""

    @abstractmethod
    async def delete(self, session_id: UUID) -> bool:
        """Delete it for good, in both tiers."""

    @abstractmethod
    async def get_by_channel(
        self, channel: Channel, channel_user_id: str, *, agent_id: UUID | None = None
    ) -> Session | None:
        """The newest session on that channel that is not closed, of one agent or of any, or ``None``; as ``get``."""

    @abstractmethod
    async def list_by_agent(
        self, agent_id: UUID, status: SessionStatus | None = None, limit: int = 100
    ) -> list[Session]:
        """The agent's sessions, in one status or in any."""

    @abstractmethod
    async def list_by_customer(self, customer_profile_id: UUID, limit: int = 100) -> list[Session]:
        """The customer's sessions, with any agent, on any channel: those that hold this very id.

        A session keeps the id that it has when profiles are merged: ``ProfileStore.get_merged_ids`` tells the others.
        """

    @abstractmethod
    async def find_sessions_by_step_hash(
        self,
        scenario_id: UUID,
        scenario_version: int,
        step_content_hash: str,
        *,
        scope_filter: ScopeFilter | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Session]:
        """One page of the sessions, not closed, that stand in that version at a step with that content.

        Where a session stands is told by the last of its ``step_history``. Of ``scope_filter``, channels are the
        session's, current nodes are its ``active_step_id``, and its age is counted from ``created_at``.
        """

    @abstractmethod
    async def promote_to_hot(self, session_id: UUID) -> bool:
        """Make a cold session hot. Tells whether there is such a session; a hot one stays hot for its full time."""

    @abstractmethod
    async def demote_to_persistent(self, session_id: UUID) -> bool:
        """Drop the hot copy before its time; the session stays. Tells whether there was one."""


class SessionMaintenance(ABC):
    """What keeps the sessions of all tenants in order. The operator's, never a service's."""

    @abstractmethod
    async def cleanup(self) -> int:
        """Remove what is past the maximum age, with all that points to it; tells how many sessions that were.

        Any number may run at once. It never removes a session that was used meanwhile.
        """

    @abstractmethod
    async def health_check(self) -> bool:
        """Whether the server answers; it never raises because it does not."""


def checked_step(
    scenario_id: UUID, scenario_version: int, step_content_hash: str, scope_filter: ScopeFilter | None
) -> tuple[UUID, int, str]:
    """What ``find_sessions_by_step_hash`` looks for, if it is of the right kinds; otherwise ``InvalidDataError``."""
    checked_uuid("scenario_id", scenario_id)
    if type(scenario_version) is not int:
        raise InvalidDataError("scenario_version", "must be an integer")
    checked_text("step_content_hash", step_content_hash)
    if scope_filter is not None and not isinstance(scope_filter, ScopeFilter):
        raise InvalidDataError("scope_filter", "must be a ScopeFilter")
    return scenario_id, scenario_version, step_content_hash
