"""Sessions to store."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, StepVisit
from focal_data.ids import TenantId, new_id
from focal_data.redis import keys

SECRET = "the customer's own words"
AGENT = new_id()
SCENARIO = new_id()


def a_session(**changes: object) -> Session:
    """One that is found by everything a session can be found by."""
    values = {
        "agent_id": AGENT,
        "channel": Channel.WEBCHAT,
        "channel_user_id": "user-1",
        "customer_profile_id": new_id(),
        "active_scenario_id": SCENARIO,
        "active_scenario_version": 2,
        "active_step_id": new_id(),
        "step_history": [a_visit("content-1")],
        "variables": {"said": SECRET, "list": [1, 2.5, None, {"deep": True}]},
    }
    return Session(**{**values, **changes})


def a_visit(content: str | None) -> StepVisit:
    return StepVisit(
        step_id=new_id(),
        entered_at=datetime(2026, 3, 1, tzinfo=UTC),
        turn_number=1,
        step_content_hash=content,
    )


def hot_key(tenant_id: TenantId, session_id: UUID) -> bytes:
    return keys.hot(keys.tag(tenant_id.hex.encode(), session_id))


def cold_key(tenant_id: TenantId, session_id: UUID) -> bytes:
    return keys.cold(keys.tag(tenant_id.hex.encode(), session_id))
