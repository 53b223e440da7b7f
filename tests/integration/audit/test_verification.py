"""What was done to the rows behind our back is found, and named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from focal_data.data_layer import DataLayer, Tenant
from focal_data.errors import InvalidDataError, SettingsError
from focal_data.operations import chaining, verification
from focal_data.operations.judging import MAX_FINDINGS, Finding, Problem
from focal_data.operations.operator import Operator
from focal_data.operations.verification import ExportedHead
from focal_data.settings import Settings
from tests.integration.audit.conftest import KEYS
from tests.integration.audit.rows import a_session, a_turn, head_of, sequences

OTHER_KEYS = "third:" + "o" * 40


async def _run(owner: asyncpg.Connection, tenant: Tenant, *statements: str) -> None:
    """As the owner, on the tenant's rows: ``TENANT`` stands for its id in quotes."""
    for statement in statements:
        await owner.execute(statement.replace("TENANT", f"'{tenant.tenant_id}'"))


async def _found(op: Operator, tenant: Tenant) -> list[tuple[Problem, int | None]]:
    report = await op.verify_audit(tenant.tenant_id)
    assert sum(report.counts.values()) == len(report.findings)
    assert report.intact == (not report.findings)
    return [(finding.problem, finding.sequence) for finding in report.findings]


def _swap(table: str, one: int, other: int) -> str:
    return f"""UPDATE {table} SET chain_sequence = CASE chain_sequence WHEN {one} THEN {other} ELSE {one} END
        WHERE tenant_id = TENANT AND chain_sequence IN ({one}, {other})"""


def _set(changes: str, number: int, table: str = "turn_records") -> str:
    return f"UPDATE {table} SET {changes} WHERE tenant_id = TENANT AND chain_sequence = {number}"


def _remove(first: int, last: int) -> str:
    return f"DELETE FROM turn_records WHERE tenant_id = TENANT AND chain_sequence BETWEEN {first} AND {last}"


def _head(changes: str) -> str:
    return f"UPDATE audit_heads SET {changes} WHERE tenant_id = TENANT"


COPY = """INSERT INTO turn_records SELECT (r).* FROM (SELECT jsonb_populate_record(t, jsonb_build_object(
    'id', gen_random_uuid(), 'turn_number', 99{})) AS r FROM turn_records t
    WHERE tenant_id = TENANT AND chain_sequence = {}) found"""
UNLINKED = "".join(
    f", '{name}', null"
    for name in ("chain_id", "chain_sequence", "previous_hash", "text_digest", "hash", "hash_key_id", "salt")
)

TAMPERING: list[tuple[str, list[str], list[tuple[Problem, int | None]]]] = [
    *(
        (f"changed: {change}", [_set(change, 3)], [(Problem.CHANGED, 3)])
        for change in (
            "created_at = created_at + interval '1 microsecond'",
            "created_at = '0044-03-15 BC'",
            "created_at = '20000-01-01'",
            "created_at = '-infinity'",
            "matched_rule_ids = '{NULL}'",
            "token_usage = '{\"prompt\": 1e9999}'",
            "customer_profile_id = NULL",
            "agent_id = gen_random_uuid()",
            "session_id = gen_random_uuid()",
            "turn_number = 77",
            "matched_rule_ids = '{}'",
            "scenario_id = NULL",
            "step_id = gen_random_uuid()",
            "token_usage = '{\"prompt\": 4}'",
            "tokens_used = NULL",
            "latency_ms = 8",
            "id = gen_random_uuid()",
            "text_digest = sha256('x')",
            "token_usage = ('{\"prompt\": 1' || repeat('0', 400) || '}')::jsonb",
        )
    ),
    *(
        (f"event: {change}", [_set(change, 2, "audit_events")], [(Problem.CHANGED, 2)])
        for change in ("event_type = 'x'", "turn_id = gen_random_uuid()", "created_at = now()")
    ),
    *(
        (f"text: {change}", [_set(change, 3)], [(Problem.TEXT_CHANGED, 3)])
        for change in (
            "user_message = 'x'",
            "agent_response = NULL",
            "agent_response = ''",
            "tool_calls = '[]'",
            'scenario_state = \'{"step": "paid"}\'',
            "context_extracted = NULL",
            "salt = sha256('x')",
            "salt = NULL",
            "salt = NULL, erased_at = now()",
            "erased_at = now()",
        )
    ),
    ("event text", [_set("event_data = '{}'", 2, "audit_events")], [(Problem.TEXT_CHANGED, 2)]),
    ("another key's id", [_set("hash_key_id = 'gone'", 3)], [(Problem.KEY_MISSING, 3)]),
    ("a new hash", [_set("hash = sha256('x')", 3)], [(Problem.CHANGED, 3)]),
    ("a row removed", [_remove(3, 3)], [(Problem.REMOVED, 3)]),
    ("two rows removed", [_remove(3, 4)], [(Problem.REMOVED, 3)]),
    ("the first removed", [_remove(1, 1)], [(Problem.REMOVED, 1)]),
    ("the newest removed", [_remove(6, 6)], [(Problem.REMOVED, 6)]),
    ("all removed, but the event", [_remove(1, 9)], [(Problem.REMOVED, 1), (Problem.REMOVED, 3)]),
    (
        "removed, and the rest moved up",
        [
            _remove(4, 4),
            "UPDATE turn_records SET chain_sequence = chain_sequence - 1 WHERE tenant_id = TENANT AND chain_sequence > 4",
        ],
        [(Problem.REORDERED, 4), (Problem.REORDERED, 5), (Problem.REMOVED, 6)],
    ),
    ("swapped", [_swap("turn_records", 4, 5)], [(Problem.REORDERED, 4), (Problem.REORDERED, 5)]),
    ("a copy with its number", [COPY.format("", 3)], [(Problem.INSERTED, 3)]),
    ("a copy behind the end", [COPY.format(", 'chain_sequence', 7", 6)], [(Problem.INSERTED, 7)]),
    (
        "a copy behind the end, and the head with it",
        [COPY.format(", 'chain_sequence', 7", 6), _head("sequence = 7")],
        [(Problem.CHANGED, 7)],
    ),
    (
        "a copy in a chain of its own",
        [COPY.format(", 'chain_id', gen_random_uuid()", 1)],
        [(Problem.INSERTED, 1)],
    ),
    ("a row without a chain", [COPY.format(UNLINKED, 3)], [(Problem.UNCHAINED, None)]),
    (
        "taken out of its chain",
        [
            _set(
                "chain_id = NULL, chain_sequence = NULL, previous_hash = NULL, text_digest = NULL, hash = NULL,"
                " hash_key_id = NULL, salt = NULL",
                3,
            )
        ],
        [(Problem.REMOVED, 3), (Problem.UNCHAINED, None)],
    ),
    ("the head set back", [_head("sequence = 4")], [(Problem.HEAD_SET_BACK, 4)]),
    ("the head set to nothing", [_head("sequence = 0")], [(Problem.HEAD_SET_BACK, 0)]),
    ("the head set forth", [_head("sequence = 8")], [(Problem.REMOVED, 7)]),
    ("the head's hash", [_head("hash = sha256('x')")], [(Problem.HEAD_CHANGED, 6)]),
    ("no head", ["DELETE FROM audit_heads WHERE tenant_id = TENANT"], [(Problem.HEAD_MISSING, None)]),
]


@pytest.mark.parametrize(
    ("statements", "expected"), [case[1:] for case in TAMPERING], ids=[c[0] for c in TAMPERING]
)
async def test_tampering_is_found(
    tenant: Tenant,
    owner: asyncpg.Connection,
    op: Operator,
    statements: list[str],
    expected: list[tuple[Problem, int | None]],
) -> None:
    """With the number where it was done."""
    await a_session(tenant, turns=5)
    assert [] == await _found(op, tenant)
    await _run(owner, tenant, *statements)
    assert expected == await _found(op, tenant)


async def test_a_finding_names_everything(tenant: Tenant, owner: asyncpg.Connection, op: Operator) -> None:
    """Tenant, chain, number, table and row."""
    session_id = await a_session(tenant)
    await _run(owner, tenant, _set("latency_ms = 8", 3))
    turn = (await tenant.audit.list_turns_by_session(session_id))[1]
    expected = Finding(
        Problem.CHANGED,
        tenant_id=tenant.tenant_id,
        chain_id=session_id,
        sequence=3,
        table="turn_records",
        row_id=turn.id,
    )
    assert [expected] == (await op.verify_audit(tenant.tenant_id)).findings


async def test_a_row_of_another_tenant_is_found(
    tenant: Tenant, chained: DataLayer, owner: asyncpg.Connection, op: Operator
) -> None:
    """Given to this one, chain and head and all."""
    other = chained.tenant(uuid4())
    session_id = await a_session(other, turns=2)
    for table in ("turn_records", "audit_events", "audit_heads"):
        await owner.execute(
            f"UPDATE {table} SET tenant_id = $1 WHERE tenant_id = $2", tenant.tenant_id, other.tenant_id
        )
    assert [(Problem.CHANGED, n) for n in (1, 2, 3)] == await _found(op, tenant)
    assert [1, 2, 3] == await sequences(owner, tenant, session_id)


async def test_an_erased_row_verifies_and_is_counted(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """Its text and salt are gone; what stays is held as before."""
    await a_session(tenant)
    erased = """user_message = '', agent_response = NULL, tool_calls = '[]', scenario_state = NULL,
        context_extracted = NULL, salt = NULL, erased_at = now()"""
    await _run(owner, tenant, _set(erased, 3))
    await _run(owner, tenant, _set("event_data = '{}', salt = NULL, erased_at = now()", 2, "audit_events"))
    report = await op.verify_audit(tenant.tenant_id)
    assert (True, 2) == (report.intact, report.erased)
    await _run(owner, tenant, _set("tokens_used = 6", 3))
    assert [(Problem.CHANGED, 3)] == await _found(op, tenant)


async def test_a_missing_key_is_no_tampering(
    tenant: Tenant, keyed: Settings, owner: asyncpg.Connection
) -> None:
    """It is told as what it is, and what needs no key is looked at all the same."""
    await a_session(tenant, turns=3)
    others = keyed.model_copy(update={"audit_keys": SecretStr(OTHER_KEYS)})
    async with Operator.open(others) as op:
        report = await op.verify_audit(tenant.tenant_id)
        assert {Problem.KEY_MISSING: 4} == report.counts
        assert {"the key first is not set"} == {finding.detail for finding in report.findings}
        await _run(owner, tenant, _remove(3, 3))
        assert (Problem.REMOVED, 3) in await _found(op, tenant)
    async with Operator.open(keyed.model_copy(update={"audit_keys": None})) as op:
        report = await op.verify_audit(tenant.tenant_id)
        assert ((), {Problem.KEY_MISSING: 3, Problem.REMOVED: 1}) == (report.keys, report.counts)


async def _exported(op: Operator, tenant: Tenant) -> list[ExportedHead]:
    return [head async for head in op.export_audit_heads(tenant.tenant_id)]


Spoil = Callable[[asyncpg.Connection, Tenant, UUID], Awaitable[None]]


async def _cut(owner: asyncpg.Connection, tenant: Tenant, session_id: UUID) -> None:
    """Remove the newest rows, and set the head to the one before."""
    query = "SELECT hash FROM turn_records WHERE tenant_id = $1 AND chain_id = $2 AND chain_sequence = 3"
    before = await owner.fetchval(query, tenant.tenant_id, session_id)
    await _run(owner, tenant, _remove(4, 9))
    await owner.execute(
        "UPDATE audit_heads SET sequence = 3, hash = $3 WHERE tenant_id = $1 AND chain_id = $2",
        *(tenant.tenant_id, session_id, before),
    )


async def _unwrite(owner: asyncpg.Connection, tenant: Tenant, _: UUID) -> None:
    """Remove the whole session with its head."""
    for table in ("turn_records", "audit_events", "audit_heads"):
        await owner.execute(f"DELETE FROM {table} WHERE tenant_id = $1", tenant.tenant_id)


@pytest.mark.parametrize("spoil", [_cut, _unwrite])
async def test_what_only_exported_heads_show(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator, spoil: Spoil
) -> None:
    """The newest rows, or all, removed together with their head: with the export it is found, without it is not."""
    session_id = await a_session(tenant, turns=5)
    heads = await _exported(op, tenant)
    await spoil(owner, tenant, session_id)
    assert (await op.verify_audit(tenant.tenant_id)).intact
    report = await op.verify_audit(tenant.tenant_id, exported=heads)
    found = [(finding.problem, finding.chain_id, finding.sequence) for finding in report.findings]
    assert [(Problem.EXPORT_MISSED, session_id, 6)] == found


async def test_a_chain_that_went_on_agrees_with_its_export(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """And one that was cut and written on does not."""
    session_id = await a_session(tenant, turns=5)
    heads = await _exported(op, tenant)
    assert heads == list(ExportedHead.read(f"{head.line()}\n" for head in heads))
    await tenant.audit.save_turn(a_turn(session_id, 6))
    assert (await op.verify_audit(tenant.tenant_id, exported=heads)).intact
    await _cut(owner, tenant, session_id)
    for number in (4, 5, 6, 7):
        await tenant.audit.save_turn(a_turn(session_id, number))
    report = await op.verify_audit(tenant.tenant_id, exported=heads)
    assert [(Problem.EXPORT_MISSED, 6)] == [(f.problem, f.sequence) for f in report.findings]


async def test_a_head_that_was_set_back_and_written_behind_is_found(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """By the numbers that were given twice."""
    session_id = await a_session(tenant, turns=5)
    query = "SELECT hash FROM turn_records WHERE tenant_id = $1 AND chain_sequence = 3"
    third = await owner.fetchval(query, tenant.tenant_id)
    await owner.execute(
        "UPDATE audit_heads SET sequence = 3, hash = $2 WHERE tenant_id = $1", tenant.tenant_id, third
    )
    for number in (14, 15):
        await tenant.audit.save_turn(a_turn(session_id, number))
    assert [3, 4, 4, 5, 5, 6] == (await sequences(owner, tenant, session_id))[2:]
    doubles = [(Problem.HEAD_SET_BACK, number) for number in (4, 5, 5)]
    assert doubles == await _found(op, tenant)


async def test_a_row_behind_another_than_its_own_is_found(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """Both were written, and the one between is gone."""
    session_id = await a_session(tenant, turns=4)
    query = "SELECT hash FROM turn_records WHERE tenant_id = $1 AND chain_sequence = 3"
    third = await owner.fetchval(query, tenant.tenant_id)
    back = "UPDATE audit_heads SET sequence = 3, hash = $2 WHERE tenant_id = $1"
    await owner.execute(back, tenant.tenant_id, third)
    for number in (14, 15, 16):
        await tenant.audit.save_turn(a_turn(session_id, number))
    await _run(owner, tenant, "DELETE FROM turn_records WHERE tenant_id = TENANT AND turn_number IN (4, 14)")
    assert [*range(1, 7)] == await sequences(owner, tenant, session_id)
    assert [(Problem.REMOVED, 5)] == await _found(op, tenant)


@pytest.mark.slow
async def test_a_verification_sees_one_moment(
    tenant: Tenant, op: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are written while it runs disturb nothing."""
    monkeypatch.setattr(verification, "BATCH", 2)
    sessions = [await a_session(tenant) for _ in range(5)]
    done = False

    async def write(session_id: UUID) -> None:
        number = 5
        while not done:
            await tenant.audit.save_turn(a_turn(session_id, number))
            number += 1

    writers = [asyncio.create_task(write(session_id)) for session_id in sessions]
    reports = [await op.verify_audit(tenant.tenant_id) for _ in range(5)]
    done = True
    await asyncio.gather(*writers)
    assert [{}] * 5 == [report.counts for report in reports]
    assert reports[0].rows < reports[-1].rows


async def test_an_export_in_another_order_is_refused(tenant: Tenant, op: Operator) -> None:
    """So is a line that is no head."""
    await a_session(tenant)
    await a_session(tenant)
    one, two = await _exported(op, tenant)
    for wrong in ([two, one], [one, one]):
        with pytest.raises(InvalidDataError, match="exported"):
            await op.verify_audit(tenant.tenant_id, exported=wrong)
    for line in ("x", "[]", '{"tenant_id": 5}', one.line().replace('"hash":"', '"hash":"z')):
        with pytest.raises(InvalidDataError, match="line 2: is not an exported head"):
            list(ExportedHead.read(["\n", line]))


async def test_all_tenants_are_verified_and_exported(
    chained: DataLayer, op: Operator, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one run, page by page; what is wrong is named with its tenant."""
    monkeypatch.setattr(verification, "BATCH", 3)
    monkeypatch.setattr(verification, "PAGE", 2)
    tenants = sorted((chained.tenant(uuid4()) for _ in range(3)), key=lambda tenant: tenant.tenant_id)
    for tenant in tenants:
        await a_session(tenant)
        await a_session(tenant)
        await _run(owner, tenant, _set("latency_ms = 9", 4))
    ours = {tenant.tenant_id for tenant in tenants}
    report = await op.verify_audit()
    changed = [f.tenant_id for f in report.findings if f.tenant_id in ours and f.problem is Problem.CHANGED]
    assert [tenant.tenant_id for tenant in tenants for _ in range(2)] == changed
    heads = [head async for head in op.export_audit_heads()]
    assert sorted(heads, key=lambda head: head.key) == heads
    assert 6 == sum(head.tenant_id in ours for head in heads)
    assert heads == sorted({*heads}, key=lambda head: head.key)


async def test_findings_beyond_a_thousand_are_counted(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """So that a database full of them is told in little memory."""
    await a_session(tenant, turns=1)
    many = f"""INSERT INTO turn_records SELECT (r).* FROM generate_series(2, {MAX_FINDINGS + 50}) n, LATERAL (
        SELECT jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), 'turn_number', n{UNLINKED})) AS r
        FROM turn_records t WHERE tenant_id = TENANT AND turn_number = 1) found"""
    await _run(owner, tenant, many)
    report = await op.verify_audit(tenant.tenant_id)
    assert (MAX_FINDINGS, MAX_FINDINGS + 49) == (len(report.findings), report.counts[Problem.UNCHAINED])


async def test_rows_from_before_are_chained_by_the_operator(
    data: DataLayer,
    chained: DataLayer,
    op: Operator,
    owner: asyncpg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In batches, oldest first, behind what was written since; interrupted, the next run goes on."""
    monkeypatch.setattr(chaining, "BATCH", 2)
    before = data.tenant(uuid4())
    sessions = [await a_session(before), await a_session(before)]
    for number in range(3):
        await before.audit.save_event(_event(number))
    after = chained.tenant(before.tenant_id)
    await after.audit.save_turn(a_turn(sessions[0], 5))
    assert {Problem.UNCHAINED: 13} == (await op.verify_audit(before.tenant_id)).counts

    batches = chaining._chain_rows

    async def once(*arguments: object) -> int:
        monkeypatch.setattr(chaining, "_chain_rows", _broken)
        return await batches(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(chaining, "_chain_rows", once)
    with pytest.raises(ConnectionResetError):
        await op.chain_audit(before.tenant_id)
    left = (await op.verify_audit(before.tenant_id)).unchained
    assert 0 < left < 13
    monkeypatch.setattr(chaining, "_chain_rows", batches)
    assert left == await op.chain_audit(before.tenant_id)
    assert 0 == await op.chain_audit(before.tenant_id)
    report = await op.verify_audit(before.tenant_id)
    assert (True, 14, 0) == (report.intact, report.rows, report.unchained)
    order = (
        "SELECT turn_number FROM turn_records WHERE tenant_id = $1 AND chain_id = $2 ORDER BY chain_sequence"
    )
    numbers = [row[0] for row in await owner.fetch(order, before.tenant_id, sessions[0])]
    assert [5, 1, 2, 3, 4] == numbers
    await after.audit.save_turn(a_turn(sessions[0], 6))
    assert (await op.verify_audit(before.tenant_id)).intact


def _event(number: int) -> object:
    from focal_data.domain.audit import AuditEvent

    return AuditEvent(event_type="e", event_data={"n": number})


async def _broken(*_: object) -> int:
    raise ConnectionResetError


async def test_a_row_that_was_erased_before_is_chained(
    data: DataLayer, op: Operator, owner: asyncpg.Connection
) -> None:
    """Without a salt: there is no text to hold it to."""
    tenant = data.tenant(uuid4())
    await a_session(tenant, turns=1)
    await _run(
        owner,
        tenant,
        """UPDATE turn_records SET user_message = '', agent_response = NULL, tool_calls = '[]', scenario_state = NULL,
            context_extracted = NULL, erased_at = now() WHERE tenant_id = TENANT""",
    )
    assert 2 == await op.chain_audit(tenant.tenant_id)
    report = await op.verify_audit(tenant.tenant_id)
    assert (True, 2, 1) == (report.intact, report.rows, report.erased)
    assert 1 == await owner.fetchval(
        "SELECT count(*) FROM turn_records WHERE tenant_id = $1 AND salt IS NULL", tenant.tenant_id
    )


@pytest.mark.slow
async def test_every_tenant_is_chained(data: DataLayer, op: Operator) -> None:
    """Where none is named."""
    tenants = [data.tenant(uuid4()) for _ in range(3)]
    for tenant in tenants:
        await a_session(tenant)
    assert 15 <= await op.chain_audit()
    for tenant in tenants:
        report = await op.verify_audit(tenant.tenant_id)
        assert (True, 5, 0) == (report.intact, report.rows, report.unchained)


async def test_without_keys_nothing_can_be_chained(keyed: Settings) -> None:
    """And the setting is named."""
    async with Operator.open(keyed.model_copy(update={"audit_keys": None})) as op:
        with pytest.raises(SettingsError, match="FOCAL_DATA_AUDIT_KEYS"):
            await op.chain_audit()


async def test_heads_without_rows_are_no_finding(
    tenant: Tenant, owner: asyncpg.Connection, op: Operator
) -> None:
    """One that a writer locked and then had nothing to write behind."""
    from focal_data.repositories.audit import TurnRecordRepository

    turn = await tenant.audit.save_turn(a_turn(uuid4(), 1))
    other = uuid4()
    assert await TurnRecordRepository(tenant).add_if_free(turn.evolve(session_id=other)) is None
    head = await head_of(owner, tenant, other)
    assert head is not None
    assert 0 == head[0]
    assert (await op.verify_audit(tenant.tenant_id)).intact
    assert "first" in KEYS
