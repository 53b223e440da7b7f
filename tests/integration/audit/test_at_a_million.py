"""At a million turns: lists by time use an index, and a verification takes no more memory than at ten thousand."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from focal_data.data_layer import DataLayer, Tenant
from focal_data.database.statement import Statement
from focal_data.domain.chain import TURN, AuditKeys, ChainHead
from focal_data.migration import runner
from focal_data.operations.operator import Operator
from focal_data.repositories import audit
from focal_data.repositories.chain import Link
from focal_data.settings import Settings
from focal_data.testing.databases import driver_url, fresh_database
from focal_data.testing.engines import Engines
from tests.integration.audit.conftest import KEYS
from tests.integration.audit.rows import a_turn

pytestmark = pytest.mark.slow

TURNS = 1_000_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
TENANT = UUID(int=7)

MANY = f"""
    INSERT INTO turn_records (tenant_id, id, session_id, agent_id, turn_number, user_message, matched_rule_ids,
        tool_calls, created_at)
    SELECT CASE WHEN n % 10 = 0 THEN gen_random_uuid() ELSE '{TENANT}'::uuid END, gen_random_uuid(),
        '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002', n, 'hello', '{{}}', '[]',
        timestamptz '2026-01-01 00:00+00' + n * interval '1 second'
    FROM generate_series(1, {TURNS}) n"""


@pytest.fixture(scope="module")
async def settings(focal_engines: Engines) -> AsyncIterator[Settings]:
    """A database of this module alone."""
    async with fresh_database(focal_engines.admin_url) as url:
        settings = Settings.of(database_url=url, redis_url=focal_engines.redis_url, audit_keys=KEYS)
        await runner.upgrade(settings)
        yield settings


@pytest.fixture(scope="module")
async def owner(settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """The owner of its tables."""
    connection = await asyncpg.connect(driver_url(settings.owner_url()))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def tenant(settings: Settings, owner: asyncpg.Connection) -> AsyncIterator[Tenant]:
    """One that has nine turns in ten of a million, a second apart."""
    await owner.execute(MANY)
    await owner.execute("VACUUM ANALYZE turn_records")
    async with DataLayer.open(settings) as data:
        yield data.tenant(TENANT)


async def plan(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, **arguments: object) -> str:
    """How PostgreSQL goes about ``list_turns``, as the application role, with the row counts that it met."""
    plans = []
    explain = "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) "

    class Explained(Statement):
        __slots__ = ()

    async def explained(
        self: object, statement: Statement, values: dict[str, object], **_: object
    ) -> list[object]:
        async with tenant.transaction() as tx:
            await tx.scope.connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
            arguments = statement.arguments({**values, "tenant_id": tenant.tenant_id})
            plans.extend(await tx.scope.connection.fetch(explain + statement.sql, *arguments))
        return []

    with monkeypatch.context() as patched:
        patched.setattr(audit.TurnRecordRepository, "all", explained)
        await tenant.audit.list_turns(**arguments)  # type: ignore[arg-type]
    return "\n".join(row[0] for row in plans)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"start_time": BEGIN + timedelta(seconds=500_000)},
        {"end_time": BEGIN + timedelta(seconds=500_000)},
        {
            "start_time": BEGIN + timedelta(seconds=100_000),
            "end_time": BEGIN + timedelta(seconds=100_100),
            "limit": 1000,
        },
    ],
    ids=lambda arguments: "-".join(arguments) or "all",
)
async def test_lists_by_time_use_the_index(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, object]
) -> None:
    """With and without a range: they read the rows that they give, and sort nothing."""
    found = await plan(tenant, monkeypatch, **arguments)
    assert "Index Scan Backward using ix_turn_records_created_at" in found
    assert ("Seq Scan" not in found, "Sort" not in found) == (True, True)
    assert "Rows Removed" not in found
    assert all(int(part.split()[0]) <= 1001 for part in found.split("rows=")[1:])


async def test_a_page_further_on_uses_the_index_too(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place of the cursor is found in it."""
    end = BEGIN + timedelta(seconds=500_000)
    cursor = (await tenant.audit.list_turns(end_time=end)).next_cursor
    found = await plan(tenant, monkeypatch, end_time=end, cursor=cursor)
    assert "Index Scan Backward using ix_turn_records_created_at" in found
    assert "Sort" not in found


async def _add_chained(owner: asyncpg.Connection, tenant_id: UUID, sessions: int, turns: int) -> None:
    """Rows as services write them, by COPY."""
    keys, names = AuditKeys({"first": b"k" * 40}), audit.TurnRecordRepository._names()
    insert = audit.TurnRecordRepository._insert_linked()
    rows, heads = [], []
    for _ in range(sessions):
        session_id, head = uuid4(), ChainHead()
        for number in range(1, turns + 1):
            turn = a_turn(session_id, number, tenant_id=tenant_id, created_at=BEGIN)
            values = Link(TURN, dict(turn.__dict__), keys, session_id).behind(head)
            head = ChainHead(values["chain_sequence"], values["hash"])
            rows.append(dict(zip(_order(insert), insert.arguments(values), strict=True)))
        heads.append((tenant_id, session_id, head.sequence, head.hash))
    records = [tuple(row[name] for name in names) for row in rows]
    await owner.copy_records_to_table("turn_records", records=records, columns=list(names))
    await owner.copy_records_to_table("audit_heads", records=heads)


def _order(statement: Statement) -> list[str]:
    return [name for name, _ in statement._parameters]


async def test_a_verification_holds_its_memory_flat(settings: Settings, owner: asyncpg.Connection) -> None:
    """Ten times the rows take no more, by what Python allocates at its peak."""
    small, large = uuid4(), uuid4()
    await _add_chained(owner, small, 50, 20)
    for _ in range(10):
        await _add_chained(owner, large, 50, 20)
    peaks = []
    async with Operator.open(settings) as op:
        await op.verify_audit(small)
        for tenant_id, rows in ((small, 1000), (large, 10_000)):
            tracemalloc.start()
            report = await op.verify_audit(tenant_id)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert (True, rows) == (report.intact, report.rows)
    assert peaks[1] < peaks[0] * 1.5
