"""What the suites of the audit store share: a turn and an event, with everything that can be said of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import pytest

from focal_data.domain.answers import Page
from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.stores.audit import AuditStore
from focal_data.testing.contracts.base import StoreContract, TenantUnderTest

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
STORES_OWN: Final = {"tenant_id", "created_at", "erased_at"}
"""What a store fills in, whatever it was given."""


def a_turn(session_id: UUID, number: int, **changes: object) -> TurnRecord:
    """One turn of a session."""
    given = {"session_id": session_id, "agent_id": uuid4(), "turn_number": number, "user_message": "hello"}
    return TurnRecord.model_validate(given | changes)


def a_full_turn() -> TurnRecord:
    """One with every field."""
    calls = [
        ToolCall(tool_id="t", tool_name="crm", input={"a": [1]}, output="ok", success=True, latency_ms=3),
        ToolCall(tool_id="t", tool_name="crm", success=False, error="no 🦊", latency_ms=0),
    ]
    return a_turn(
        uuid4(),
        2**31 - 1,
        customer_profile_id=uuid4(),
        agent_response="hi 🦊",
        matched_rule_ids=[uuid4(), uuid4()],
        scenario_id=uuid4(),
        step_id=uuid4(),
        scenario_state={"a": None},
        context_extracted={"b": {"c": 1}},
        tool_calls=calls,
        token_usage={"prompt": 3},
        tokens_used=5,
        latency_ms=7,
        created_at=NOON,
        erased_at=NOON,
    )


def an_event(session_id: UUID | None = None, **changes: object) -> AuditEvent:
    """Something that happened."""
    return AuditEvent.model_validate({"event_type": "e", "session_id": session_id} | changes)


def spoiled(entity: Any, **changes: object) -> Any:
    """``entity`` with what its model would have refused."""
    return type(entity).model_construct(**{**entity.__dict__, **changes})


async def all_pages(
    audit: AuditStore, limit: int, start: datetime | None = None, end: datetime | None = None
) -> list[Page[TurnRecord]]:
    """Every page of the turns of a time, from the first to the last."""
    pages = [await audit.list_turns(start, end, limit)]
    while (cursor := pages[-1].next_cursor) is not None and len(
        pages
    ) < 1000:  # one that leads in a circle ends, too
        pages.append(await audit.list_turns(start, end, limit, cursor))
    return pages


class AuditSuite(StoreContract):
    """The fixtures of every suite of the audit store."""

    @pytest.fixture
    def audit(self, tenant: TenantUnderTest) -> AuditStore:
        """The store of a tenant of this test alone."""
        return tenant.audit
