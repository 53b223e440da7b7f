"""What the suites of the session store share: a clock that the tests move, and sessions to store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, StepVisit
from focal_data.ids import new_id
from focal_data.stores.session import SessionMaintenance, SessionStore
from focal_data.testing.contracts.base import StoreContract, TenantUnderTest

AGENT: Final = new_id()
SCENARIO: Final = new_id()
WORDS: Final = "the customer's own words"
TICK: Final = timedelta(microseconds=1)


class MovedClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **how_far: float) -> datetime:
        """Move it on, and tell what it says then."""
        self.now += timedelta(**how_far)
        return self.now


class SessionSuite(StoreContract):
    """Beside ``tenants``, a suite of sessions asks for ``maintenance``; both are to go by ``clock``.

    What ``maintenance`` looks after is this test's alone, or counts would be those of other tests, too.
    """

    @pytest.fixture
    def clock(self) -> MovedClock:
        """The clock that the implementation under test is made with."""
        return MovedClock()

    @pytest.fixture
    def maintenance(self) -> SessionMaintenance:
        """The maintenance of the implementation under test."""
        raise NotImplementedError(
            f"{type(self).__name__} needs a fixture `maintenance`: a SessionMaintenance"
        )

    @pytest.fixture
    def store(self, tenant: TenantUnderTest) -> SessionStore:
        """The sessions of a tenant of this test alone."""
        return tenant.sessions

    @pytest.fixture
    def others(self, other: TenantUnderTest) -> SessionStore:
        """The sessions of another tenant."""
        return other.sessions


def a_session(**changes: Any) -> Session:
    """One that is found by everything a session can be found by, with ``changes``."""
    values: dict[str, Any] = {
        "agent_id": AGENT,
        "channel": Channel.WEBCHAT,
        "channel_user_id": "user-1",
        "customer_profile_id": new_id(),
        "active_scenario_id": SCENARIO,
        "active_scenario_version": 2,
        "active_step_id": new_id(),
        "step_history": [a_visit("content-1")],
        "variables": {"said": WORDS, "list": [1, 2.5, None, {"deep": True}]},
    }
    return Session(**values | changes)


def a_visit(content: str | None) -> StepVisit:
    """A visit to a step with that content."""
    entered = datetime(2026, 3, 1, tzinfo=UTC)
    return StepVisit(step_id=new_id(), entered_at=entered, turn_number=1, step_content_hash=content)


async def at_step(store: SessionStore, content: str = "content-1", **options: Any) -> list[Session]:
    """Every session that stands at that step, page after page."""
    found: list[Session] = []
    cursor: str | None = None
    while True:
        page = await store.find_sessions_by_step_hash(SCENARIO, 2, content, cursor=cursor, **options)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def in_order(sessions: list[Session]) -> list[Session]:
    """Newest activity first, and then by id."""

    def place(session: Session) -> tuple[float, Any]:
        assert session.last_activity_at is not None
        return -session.last_activity_at.timestamp(), session.session_id

    return sorted(sessions, key=place)
