"""The audit store in PostgreSQL: what happened stays as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.statement import Statement
from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.errors import AccessError, DuplicateError, InvalidDataError
from focal_data.stores.audit import AuditStore


@pytest.fixture
def audit(tenant: Tenant) -> AuditStore:
    """The store of a tenant of this test alone."""
    return tenant.audit


def a_turn(session_id: UUID, number: int, **changes: object) -> TurnRecord:
    """One turn of a session."""
    given = {"session_id": session_id, "agent_id": uuid4(), "turn_number": number, "user_message": "hello"}
    return TurnRecord.model_validate(given | changes)


async def test_a_turn_comes_back_as_it_was_stored(audit: AuditStore) -> None:
    """With every field, and the store's time."""
    call = ToolCall(tool_id="t", tool_name="crm", input={"a": [1]}, output="ok", success=True, latency_ms=3)
    turn = a_turn(
        uuid4(),
        1,
        agent_response="hi 🦊",
        matched_rule_ids=[uuid4()],
        scenario_state={"a": None},
        context_extracted={"b": {"c": 1}},
        tool_calls=[call],
        token_usage={"prompt": 3},
        tokens_used=5,
        latency_ms=7,
    )
    stored = await audit.save_turn(turn)
    assert stored == await audit.get_turn(turn.id)
    ours = {"created_at", "tenant_id"}
    assert turn.model_dump(exclude=ours) == stored.model_dump(exclude=ours)


async def test_the_stores_times_are_not_the_callers(audit: AuditStore) -> None:
    """created_at is the clock's, and erased_at nobody's."""
    long_ago = datetime(2001, 1, 1, tzinfo=UTC)
    stored = await audit.save_turn(a_turn(uuid4(), 1, created_at=long_ago, erased_at=long_ago))
    assert stored.created_at is not None
    assert long_ago < stored.created_at
    assert stored.erased_at is None


async def test_a_turn_number_is_taken_once(audit: AuditStore) -> None:
    """Per session."""
    session_id = uuid4()
    await audit.save_turn(a_turn(session_id, 1))
    await audit.save_turn(a_turn(uuid4(), 1))
    with pytest.raises(DuplicateError) as caught:
        await audit.save_turn(a_turn(session_id, 1))
    assert ("session_id", "turn_number") == caught.value.fields


async def test_a_sessions_turns_are_in_their_order(audit: AuditStore) -> None:
    """By number, whatever the order in which they were stored."""
    session_id = uuid4()
    for number in (3, 1, 2):
        await audit.save_turn(a_turn(session_id, number))
    turns = await audit.list_turns_by_session(session_id)
    assert [1, 2, 3] == [turn.turn_number for turn in turns]
    assert [2] == [
        turn.turn_number for turn in await audit.list_turns_by_session(session_id, limit=1, offset=1)
    ]


async def test_pages_of_turns_miss_and_repeat_nothing(audit: AuditStore) -> None:
    """Newest first, also when turns are added in between."""
    session_id = uuid4()
    first = [await audit.save_turn(a_turn(session_id, number)) for number in range(5)]
    page = await audit.list_turns(limit=2)
    await audit.save_turn(a_turn(session_id, 99))
    found = list(page)
    while page.next_cursor is not None:
        page = await audit.list_turns(limit=2, cursor=page.next_cursor)
        found += page
    assert [turn.id for turn in reversed(first)] == [turn.id for turn in found]


async def test_turns_of_a_time_hold_its_start_and_not_its_end(audit: AuditStore) -> None:
    """From start_time until before end_time."""
    turns = [await audit.save_turn(a_turn(uuid4(), 1)) for _ in range(3)]
    page = await audit.list_turns(start_time=turns[0].created_at, end_time=turns[2].created_at)
    assert [turns[1].id, turns[0].id] == [turn.id for turn in page]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"start_time": datetime(2026, 1, 1)}, "start_time"),  # noqa: DTZ001
        ({"start_time": datetime.max.replace(tzinfo=UTC), "end_time": datetime.now(UTC)}, "start_time"),
        ({"cursor": "not a cursor"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"limit": 0}, "limit"),
    ],
)
async def test_a_bad_argument_is_named(audit: AuditStore, arguments: dict[str, object], field: str) -> None:
    """Before anything is read."""
    with pytest.raises(InvalidDataError) as caught:
        await audit.list_turns(**arguments)  # type: ignore[arg-type]
    assert field == caught.value.field


async def test_events_are_listed_oldest_first(audit: AuditStore) -> None:
    """Of one type, or of all."""
    session_id = uuid4()
    events = [
        await audit.save_event(AuditEvent(event_type=kind, event_data={"n": n}, session_id=session_id))
        for n, kind in enumerate(("greeted", "asked", "greeted"))
    ]
    assert events == await audit.list_events_by_session(session_id)
    assert [events[0], events[2]] == await audit.list_events_by_session(session_id, "greeted")
    assert events[1] == await audit.get_event(events[1].id)


async def test_another_tenant_sees_nothing(data: DataLayer, audit: AuditStore) -> None:
    """Not by id, not in lists."""
    turn, other = await audit.save_turn(a_turn(uuid4(), 1)), data.tenant(uuid4()).audit
    assert await other.get_turn(turn.id) is None
    assert [] == await other.list_turns_by_session(turn.session_id)
    assert [] == list(await other.list_turns())


@pytest.mark.parametrize("table", ["turn_records", "audit_events", "scenario_archives"])
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET tenant_id = tenant_id", "DELETE FROM {}", "TRUNCATE {}"]
)
async def test_the_application_can_not_change_what_happened(
    tenant: Tenant, statement: str, table: str
) -> None:
    """Whatever the statement, the database refuses it."""
    with pytest.raises(AccessError):
        await tenant.scope.execute(Statement(text(statement.format(table))), {})
