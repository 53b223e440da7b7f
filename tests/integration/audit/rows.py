"""Rows of a conversation, and where they lie in their chains."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg

from focal_data.data_layer import Tenant
from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord


def a_turn(session_id: UUID, number: int, **changes: object) -> TurnRecord:
    """One turn of a session, with something in every field."""
    call = ToolCall(
        tool_id="t", tool_name="crm", input={"b": [1, 2.5], "a": None}, success=True, latency_ms=3
    )
    given = {
        "session_id": session_id,
        "customer_profile_id": uuid4(),
        "agent_id": uuid4(),
        "turn_number": number,
        "user_message": "where is my parcel? 🦊",
        "agent_response": "on its way",
        "matched_rule_ids": [uuid4(), uuid4()],
        "scenario_id": uuid4(),
        "scenario_state": {"step": "tracking"},
        "context_extracted": {"order": "A-1"},
        "tool_calls": [call],
        "token_usage": {"prompt": 3, "ratio": 1.0},
        "tokens_used": 5,
        "latency_ms": 7,
    }
    return TurnRecord.model_validate(given | changes)


async def a_session(tenant: Tenant, turns: int = 4) -> UUID:
    """A session of so many turns, with an event after the first."""
    session_id = uuid4()
    await tenant.audit.save_turn(a_turn(session_id, 1))
    await tenant.audit.save_event(
        AuditEvent(event_type="greeted", event_data={"n": 1}, session_id=session_id)
    )
    for number in range(2, turns + 1):
        await tenant.audit.save_turn(a_turn(session_id, number))
    return session_id


async def head_of(owner: asyncpg.Connection, tenant: Tenant, chain_id: UUID) -> tuple[int, bytes] | None:
    """Where a chain ends, by its head."""
    query = "SELECT sequence, hash FROM audit_heads WHERE tenant_id = $1 AND chain_id = $2"
    row = await owner.fetchrow(query, tenant.tenant_id, chain_id)
    return tuple(row) if row else None  # type: ignore[return-value]


async def sequences(owner: asyncpg.Connection, tenant: Tenant, chain_id: UUID) -> list[int]:
    """The numbers of a chain's rows, upwards."""
    query = """SELECT chain_sequence FROM turn_records WHERE tenant_id = $1 AND chain_id = $2
        UNION ALL SELECT chain_sequence FROM audit_events WHERE tenant_id = $1 AND chain_id = $2 ORDER BY 1"""
    return [row[0] for row in await owner.fetch(query, tenant.tenant_id, chain_id)]
