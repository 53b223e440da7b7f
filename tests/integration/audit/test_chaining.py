"""Rows are chained as they are written, by many writers at once, whole or not at all."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import JsonValue, SecretStr
from sqlalchemy import text

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.statement import Statement
from focal_data.domain.audit import AuditEvent, ToolCall
from focal_data.domain.chain import LANES
from focal_data.errors import AccessError, DuplicateError, RetryableError
from focal_data.operations.operator import Operator
from focal_data.repositories.audit import AuditEventRepository, TurnRecordRepository
from focal_data.settings import Settings
from tests.integration.audit.conftest import ROTATED
from tests.integration.audit.rows import a_session, a_turn, head_of, sequences


async def test_a_session_is_one_chain(tenant: Tenant, owner: asyncpg.Connection, op: Operator) -> None:
    """Of its turns and its events, numbered from 1 without a gap; what is read back is as without a chain."""
    session_id = await a_session(tenant, turns=4)
    assert [1, 2, 3, 4, 5] == await sequences(owner, tenant, session_id)
    head = await head_of(owner, tenant, session_id)
    assert head is not None
    assert 5 == head[0]
    report = await op.verify_audit(tenant.tenant_id)
    assert (True, 5, 1, 0) == (report.intact, report.rows, report.chains, report.unchained)
    turn = (await tenant.audit.list_turns_by_session(session_id))[0]
    assert turn == await tenant.audit.get_turn(turn.id)


async def test_many_writers_of_one_session_make_one_chain(
    tenant: Tenant, keyed: Settings, owner: asyncpg.Connection, op: Operator
) -> None:
    """Of two processes, and inside of transactions too."""
    session_id = uuid4()

    async def in_transaction(numbers: range) -> None:
        async with tenant.transaction() as tx:
            for number in numbers:
                await tx.audit.save_turn(a_turn(session_id, number))
                await tx.audit.save_event(AuditEvent(event_type="e", session_id=session_id))

    async with DataLayer.open(keyed) as another:
        elsewhere = another.tenant(tenant.tenant_id)
        await asyncio.gather(
            *(tenant.audit.save_turn(a_turn(session_id, number)) for number in range(20)),
            *(elsewhere.audit.save_turn(a_turn(session_id, number)) for number in range(20, 40)),
            *(in_transaction(range(start, start + 3)) for start in range(40, 52, 3)),
        )
    assert [*range(1, 65)] == await sequences(owner, tenant, session_id)
    assert (await op.verify_audit(tenant.tenant_id)).intact


@pytest.mark.parametrize("part", [{"sequence": 9}, {"hash": b"x" * 32}])
async def test_a_wrong_memory_does_no_harm(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator, part: dict[str, Any]
) -> None:
    """What the process believes of a head counts only where the database agrees."""
    session_id = await a_session(tenant)
    key = (tenant.tenant_id, session_id)
    right = tenant.scope.chaining.head(key)
    assert right is not None
    tenant.scope.chaining.remember(key, replace(right, **part))
    await tenant.audit.save_turn(a_turn(session_id, 5))
    assert [*range(1, 7)] == await sequences(owner, tenant, session_id)
    assert (await op.verify_audit(tenant.tenant_id)).intact


async def test_events_without_a_session_are_chained_in_lanes(tenant: Tenant, op: Operator) -> None:
    """Of their tenant, and never more than there are."""
    await asyncio.gather(*(tenant.audit.save_event(AuditEvent(event_type="e")) for _ in range(100)))
    report = await op.verify_audit(tenant.tenant_id)
    assert (True, 100) == (report.intact, report.rows)
    assert 1 < report.chains <= LANES


async def test_one_transaction_writes_to_one_lane(tenant: Tenant, op: Operator) -> None:
    """So two of them can't wait for each other crosswise."""
    async with tenant.transaction() as tx:
        for _ in range(10):
            await tx.audit.save_event(AuditEvent(event_type="e"))
    assert 1 == (await op.verify_audit(tenant.tenant_id)).chains


async def test_a_duplicate_leaves_no_gap_and_moves_no_head(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """By number or by id, in a call of its own and in a transaction."""
    session_id = await a_session(tenant)
    before = await head_of(owner, tenant, session_id)
    turn = (await tenant.audit.list_turns_by_session(session_id))[0]
    for again in (a_turn(session_id, 2), turn.evolve(turn_number=77)):
        with pytest.raises(DuplicateError):
            await tenant.audit.save_turn(again)
        with pytest.raises(DuplicateError):
            async with tenant.transaction() as tx:
                await tx.audit.save_turn(again)
    assert before == await head_of(owner, tenant, session_id)
    await tenant.audit.save_turn(a_turn(session_id, 5))
    assert [*range(1, 7)] == await sequences(owner, tenant, session_id)
    assert (await op.verify_audit(tenant.tenant_id)).intact


async def test_a_first_turn_that_is_taken_opens_no_chain(tenant: Tenant, owner: asyncpg.Connection) -> None:
    """An id that another session has."""
    turn = await tenant.audit.save_turn(a_turn(uuid4(), 1))
    other = uuid4()
    with pytest.raises(DuplicateError):
        await tenant.audit.save_turn(turn.evolve(session_id=other))
    assert await head_of(owner, tenant, other) is None


async def test_what_is_rolled_back_is_not_chained(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """And what is written next follows what was committed."""
    session_id = await a_session(tenant)
    with pytest.raises(ZeroDivisionError):
        async with tenant.transaction() as tx:
            await tx.audit.save_turn(a_turn(session_id, 5))
            await tx.audit.save_turn(a_turn(session_id, 6))
            _ = 1 // 0
    await tenant.audit.save_turn(a_turn(session_id, 5))
    assert [*range(1, 7)] == await sequences(owner, tenant, session_id)
    assert (await op.verify_audit(tenant.tenant_id)).intact


@pytest.mark.slow
async def test_transactions_that_cross_are_told_or_done(tenant: Tenant, op: Operator) -> None:
    """Of two that write to two chains in opposite order, one is a deadlock's victim; run again, both are written."""
    chains = [await a_session(tenant), await a_session(tenant)]
    met = asyncio.Barrier(2)
    waited = 0

    async def write(order: list[int]) -> None:
        async def work(tx: object) -> None:
            nonlocal waited
            for place, index in enumerate(order):
                turn = a_turn(chains[index], 10 + order[0])
                await tx.audit.save_turn(turn)  # type: ignore[attr-defined]
                if place == 0 and waited < 2:
                    waited += 1
                    await met.wait()

        await tenant.in_transaction(work)

    await asyncio.gather(write([0, 1]), write([1, 0]))
    report = await op.verify_audit(tenant.tenant_id)
    assert (True, 14) == (report.intact, report.rows)


async def test_batches_are_chained(tenant: Tenant, owner: asyncpg.Connection, op: Operator) -> None:
    """In their order, of several sessions at once; a bad one leaves nothing, and no head moved."""
    one, two = await a_session(tenant), uuid4()
    before = await head_of(owner, tenant, one)
    turns = TurnRecordRepository(tenant)
    batch = [a_turn(chain, number) for number in range(10, 30) for chain in (one, two)]
    with pytest.raises(DuplicateError) as caught:
        await turns.add_many([*batch, a_turn(one, 1)])
    assert 40 == caught.value.row
    assert (before, None) == (await head_of(owner, tenant, one), await head_of(owner, tenant, two))
    await turns.add_many(batch)
    assert [] == await turns.add_many([])
    assert [*range(1, 26)] == await sequences(owner, tenant, one)
    assert [*range(1, 21)] == await sequences(owner, tenant, two)
    assert (await op.verify_audit(tenant.tenant_id)).intact


async def test_one_that_is_added_if_free_moves_the_head_only_then(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """What is taken leaves its chain as it was."""
    session_id = await a_session(tenant)
    turns, before = TurnRecordRepository(tenant), await head_of(owner, tenant, session_id)
    assert await turns.add_if_free(a_turn(session_id, 1)) is None
    assert before == await head_of(owner, tenant, session_id)
    assert await turns.add_if_free(a_turn(session_id, 5)) is not None
    assert await AuditEventRepository(tenant).add_if_free(AuditEvent(event_type="e")) is not None
    assert [*range(1, 7)] == await sequences(owner, tenant, session_id)
    assert (await op.verify_audit(tenant.tenant_id)).intact


async def test_without_keys_rows_are_stored_without_a_chain(
    data: DataLayer, owner: asyncpg.Connection, op: Operator
) -> None:
    """And counted as such."""
    tenant = data.tenant(uuid4())
    session_id = await a_session(tenant)
    assert [None] * 5 == await _chain_ids(owner, tenant)
    assert await head_of(owner, tenant, session_id) is None
    report = await op.verify_audit(tenant.tenant_id)
    assert (True, 0, 5) == (report.intact, report.rows, report.unchained)


async def _chain_ids(owner: asyncpg.Connection, tenant: Tenant) -> list[object]:
    query = """SELECT chain_id FROM turn_records WHERE tenant_id = $1
        UNION ALL SELECT chain_id FROM audit_events WHERE tenant_id = $1"""
    return [row[0] for row in await owner.fetch(query, tenant.tenant_id)]


async def test_keys_rotate(tenant: Tenant, keyed: Settings, owner: asyncpg.Connection) -> None:
    """The newest writes, each row names its own, and all of them verify."""
    session_id = await a_session(tenant)
    rotated = keyed.model_copy(update={"audit_keys": SecretStr(ROTATED)})
    async with DataLayer.open(rotated) as data, Operator.open(rotated) as op:
        await data.tenant(tenant.tenant_id).audit.save_turn(a_turn(session_id, 5))
        assert (await op.verify_audit(tenant.tenant_id)).intact
    query = "SELECT DISTINCT hash_key_id FROM turn_records WHERE tenant_id = $1 ORDER BY 1"
    assert ["first", "second"] == [row[0] for row in await owner.fetch(query, tenant.tenant_id)]


async def test_a_salt_is_of_one_row_alone(tenant: Tenant, owner: asyncpg.Connection) -> None:
    """Equal texts have different digests."""
    session_id = uuid4()
    for number in (1, 2, 3):
        await tenant.audit.save_turn(a_turn(session_id, number))
    query = "SELECT DISTINCT salt, text_digest FROM turn_records WHERE tenant_id = $1"
    found = await owner.fetch(query, tenant.tenant_id)
    assert 3 == len({row["salt"] for row in found}) == len({row["text_digest"] for row in found})
    assert {32} == {len(row["salt"]) for row in found}


async def test_times_are_hashed_to_the_microsecond(keyed: Settings, op: Operator) -> None:
    """As PostgreSQL keeps them, at the ends of the calendar too."""
    times = [
        datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(1, 1, 2, tzinfo=UTC),
        datetime(9999, 12, 30, 23, 59, 59, 999_999, tzinfo=UTC),
    ]
    for time in times:
        async with DataLayer.open(keyed, clock=lambda time=time: time) as data:  # type: ignore[misc]
            tenant = data.tenant(uuid4())
            await a_session(tenant)
            assert (await op.verify_audit(tenant.tenant_id)).intact


def _float(bits: bytes) -> float:
    return struct.unpack("<d", bits)[0]  # type: ignore[no-any-return]


FLOATS = (
    st.floats(allow_nan=False, allow_infinity=False)
    | st.binary(min_size=8, max_size=8).map(_float).filter(lambda value: value - value == 0)
    | st.integers(-(2**70), 2**70).map(float)
    | st.sampled_from(
        [
            -0.0,
            1e2,
            1e15,
            1e16,
            1e19,
            1e20,
            1e22,
            2.0**53,
            2.0**63,
            -(2.0**63),
            5e-324,
            1.7976931348623157e308,
        ]
    )
)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
async def test_json_is_hashed_as_it_comes_back(tenant: Tenant, op: Operator, value: JsonValue) -> None:
    """Whatever JSONB makes of the order of keys, of -0.0 and of 1e2."""
    call = ToolCall(tool_id="t", tool_name="n", input=value, output=[value], success=False, latency_ms=0)
    document = {"value": value, "another": [value]}
    values = {"scenario_state": document, "context_extracted": document, "token_usage": document}
    await tenant.audit.save_turn(a_turn(uuid4(), 1, tool_calls=[call], **values))
    await tenant.audit.save_event(AuditEvent(event_type="e", event_data=document))
    assert (await op.verify_audit(tenant.tenant_id)).intact


@pytest.mark.parametrize("table", ["turn_records", "audit_events"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET hash = hash",
        "UPDATE {} SET salt = NULL",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "INSERT INTO {0} SELECT * FROM {0} ON CONFLICT (tenant_id, id) DO UPDATE SET hash = excluded.hash",
    ],
)
async def test_the_application_can_not_change_a_row(tenant: Tenant, table: str, statement: str) -> None:
    """Not its chain columns either."""
    with pytest.raises(AccessError):
        await tenant.scope.execute(Statement(text(statement.format(table))), {})


@pytest.mark.parametrize("statement", ["DELETE FROM audit_heads", "TRUNCATE audit_heads"])
async def test_the_application_can_not_remove_a_head(tenant: Tenant, statement: str) -> None:
    """It moves heads, and that is all."""
    with pytest.raises(AccessError):
        await tenant.scope.execute(Statement(text(statement)), {})


async def test_a_tenant_sees_its_own_heads(tenant: Tenant, chained: DataLayer) -> None:
    """And moves no other's."""
    await a_session(tenant)
    other = chained.tenant(uuid4())
    everything = Statement(text("SELECT tenant_id FROM audit_heads"))
    assert {tenant.tenant_id} == {row["tenant_id"] for row in await tenant.scope.fetch(everything, {})}
    assert [] == await other.scope.fetch(everything, {})
    assert 0 == await other.scope.execute(Statement(text("UPDATE audit_heads SET sequence = 0")), {})


async def test_a_head_that_somebody_moves_in_between_is_told(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written then."""
    session_id = await a_session(tenant)

    async def beside(*_: object) -> object:
        from focal_data.domain.chain import ChainHead

        return ChainHead(3, b"another")

    monkeypatch.setattr("focal_data.repositories.chain.claim", beside)
    with pytest.raises(RetryableError):
        async with tenant.transaction() as tx:
            tx.scope.chaining._process._heads.clear()
            await tx.audit.save_turn(a_turn(session_id, 5))
    assert 4 == len(await tenant.audit.list_turns_by_session(session_id))
