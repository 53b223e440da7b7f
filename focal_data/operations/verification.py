"""Verifying the audit chains of all tenants, and exporting their heads: on the owner's connection, in one snapshot.

Rows, heads and exported heads come in one order, by tenant, chain and number, a batch at a time: however many there are, the
memory that it takes stays the same.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg
import orjson

from focal_data.database.engine import Database
from focal_data.database.scope import Transaction, checked_tenant
from focal_data.database.translation import READ_ERRORS, translated
from focal_data.domain.chain import CHAIN_COLUMNS, KINDS, AuditKeys, AuditKind, ChainHead
from focal_data.errors import InvalidDataError
from focal_data.ids import NO_TENANT
from focal_data.operations.judging import (
    JSON_COLUMNS,
    AuditReport,
    ChainJudge,
    Finding,
    Judged,
    Problem,
    judged,
)

BATCH: Final = 200
"""Rows fetched at once from each table."""

PAGE: Final = 1000
"""Heads exported at once."""

SAME_NUMBER: Final = 100
"""Rows of one number that are looked at together; more than one is the work of somebody else."""

HOURS: Final = 86_400.0
"""Seconds that a statement of the verification may take."""

Key = tuple[UUID, UUID]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ExportedHead:
    """The head of a chain at some time, to be kept where who can write to the database can't."""

    tenant_id: UUID
    chain_id: UUID
    sequence: int
    hash: bytes

    @property
    def key(self) -> Key:
        return self.tenant_id, self.chain_id

    def line(self) -> str:
        """As a line of JSON."""
        ids = {"tenant_id": str(self.tenant_id), "chain_id": str(self.chain_id)}
        return orjson.dumps({**ids, "sequence": self.sequence, "hash": self.hash.hex()}).decode()

    @classmethod
    def read(cls, lines: Iterable[str]) -> Iterator[ExportedHead]:
        """The heads in ``lines``, empty ones left out. Raises ``InvalidDataError`` with the number of a line that is none."""
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield cls._parsed(line, number)

    @classmethod
    def _parsed(cls, line: str, number: int) -> ExportedHead:
        try:
            found = orjson.loads(line)
            ids = UUID(found["tenant_id"]), UUID(found["chain_id"])
            return cls(*ids, int(found["sequence"]), bytes.fromhex(found["hash"]))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InvalidDataError(f"line {number}", "is not an exported head") from None


async def verify_audit(
    database: Database, tenant_id: UUID | None = None, exported: Iterable[ExportedHead] = ()
) -> AuditReport:
    """Verify every chain, or those of one tenant, as they are at one moment; writers go on meanwhile.

    ``exported`` are heads from before, in the order in which they were exported; with a tenant, those of others are passed
    over. Raises ``InvalidDataError`` for another order.
    """
    keys = database.chaining.keys
    report = AuditReport(keys=keys.ids if keys else ())
    heads_before = _Stream(_exported(exported, tenant_id))
    async with snapshot(database) as connection:
        heads = _Stream(_heads(connection, tenant_id))
        rows = _Stream(
            _groups(_merged([_Stream(_rows(connection, kind, tenant_id)) for kind in KINDS], keys, report))
        )
        while key := _least([await heads.key(), await rows.key(), await heads_before.key()]):
            head, before = await heads.take(key), await heads_before.take(key)
            judge = ChainJudge(report, key, head=_head(head), exported=_head(before))
            while group := await rows.take(key):
                judge.add(group.rows)
            judge.end()
            report.chains += 1
        await _find_unchained(connection, tenant_id, report)
    return report


async def export_audit_heads(
    database: Database, tenant_id: UUID | None = None
) -> AsyncIterator[ExportedHead]:
    """Every head, or those of one tenant, by tenant and chain; read page by page, while writers go on."""
    place: Key = (NO_TENANT, NO_TENANT)
    query = f"""SELECT tenant_id, chain_id, sequence, hash FROM audit_heads
        WHERE (tenant_id, chain_id) > ($1, $2) {_of(tenant_id)} ORDER BY tenant_id, chain_id LIMIT {PAGE}"""  # noqa: S608
    full = True
    while full:
        async with _reading(database) as connection:
            heads = [ExportedHead(*record) for record in await connection.fetch(query, *place)]
        for head in heads:
            yield head
        full = len(heads) == PAGE
        place = heads[-1].key if heads else place


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A transaction in which everything is as it was at its first statement, and nothing can be changed."""
    async with _reading(database) as connection:
        await connection.execute(_SNAPSHOT)
        yield connection


@asynccontextmanager
async def _reading(database: Database) -> AsyncIterator[asyncpg.Connection]:
    """A transaction of the owner, whose driver's errors are made ours."""
    async with Transaction(database, NO_TENANT) as tx:
        failure = None
        try:
            yield tx.connection
        except InvalidDataError:
            raise
        except READ_ERRORS as error:
            failure = translated(error)
        if failure is not None:
            raise failure


# -- streams ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Row:
    kind: AuditKind
    values: asyncpg.Record

    @property
    def key(self) -> Key:
        return self.values["tenant_id"], self.values["chain_id"]

    @property
    def place(self) -> tuple[Key, int]:
        return self.key, self.values["chain_sequence"] or 0


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of one chain that have the same number."""

    key: Key
    rows: list[Judged]


class _Stream(Generic[T]):
    """Something in the order of its keys, of which the next one can be looked at."""

    def __init__(self, items: AsyncIterator[T]) -> None:
        self._items = items
        self._next: T | None = None
        self._begun = False

    async def peek(self) -> T | None:
        if not self._begun:
            self._begun, self._next = True, await anext(self._items, None)
        return self._next

    async def pop(self) -> T | None:
        item = await self.peek()
        self._next = await anext(self._items, None)
        return item

    async def key(self) -> Key | None:
        item: Any = await self.peek()
        return None if item is None else item.key

    async def take(self, key: Key) -> T | None:
        """The next one, if that is its key."""
        return await self.pop() if await self.key() == key else None


async def _merged(
    streams: list[_Stream[_Row]], keys: AuditKeys | None, report: AuditReport
) -> AsyncIterator[tuple[Key, Judged]]:
    while True:
        nexts = [(row.place, n) for n, stream in enumerate(streams) if (row := await stream.peek())]
        if not nexts:
            return
        row = await streams[min(nexts)[1]].pop()
        assert row is not None
        report.rows += 1
        report.erased += row.values["erased_at"] is not None
        yield row.key, judged(row.kind, row.values, keys, seek=not report.full)


async def _groups(rows: AsyncIterator[tuple[Key, Judged]]) -> AsyncIterator[_Group]:
    group: _Group | None = None
    async for key, row in rows:
        if (
            group
            and (group.key, group.rows[0].sequence) == (key, row.sequence)
            and len(group.rows) < SAME_NUMBER
        ):
            group.rows.append(row)
            continue
        if group:
            yield group
        group = _Group(key, [row])
    if group:
        yield group


async def _rows(
    connection: asyncpg.Connection, kind: AuditKind, tenant_id: UUID | None
) -> AsyncIterator[_Row]:
    names = (*kind.facts, *kind.erased, *CHAIN_COLUMNS, "erased_at")
    columns = ", ".join(_legible(kind, name) for name in names)
    query = f"""SELECT {columns} FROM {kind.table} WHERE chain_id IS NOT NULL {_of(tenant_id)}
        ORDER BY tenant_id, chain_id, chain_sequence, id"""  # noqa: S608  (names of ours)
    async for record in _cursor(connection, f"chained_{kind.table}", query):
        yield _Row(kind, record)


def _legible(kind: AuditKind, name: str) -> str:
    """A column as the driver can read it whatever it holds: one row that it can't would hide all others."""
    if name in JSON_COLUMNS[kind.name]:
        return f"{name}::text AS {name}"
    if name in _TIMES:
        beyond = f"{name} < '0001-01-01Z' OR {name} > '9999-12-31 23:59:59.999999Z'"
        return f"CASE WHEN {beyond} THEN 'infinity' ELSE {name} END AS {name}"
    return name


async def _heads(connection: asyncpg.Connection, tenant_id: UUID | None) -> AsyncIterator[ExportedHead]:
    query = f"""SELECT tenant_id, chain_id, sequence, hash FROM audit_heads WHERE true {_of(tenant_id)}
        ORDER BY tenant_id, chain_id"""  # noqa: S608  (names of ours)
    async for record in _cursor(connection, "heads", query):
        yield ExportedHead(*record)


async def _find_unchained(
    connection: asyncpg.Connection, tenant_id: UUID | None, report: AuditReport
) -> None:
    """Rows without a chain are counted; in a tenant that has chains each of them is told."""
    for kind in KINDS:
        without = f"FROM {kind.table} r WHERE chain_id IS NULL {_of(tenant_id)}"
        report.unchained += await connection.fetchval(f"SELECT count(*) {without}", timeout=HOURS)
        began = "AND EXISTS (SELECT FROM audit_heads h WHERE h.tenant_id = r.tenant_id)"
        query = f"SELECT tenant_id, id {without} {began}"
        async for record in _cursor(connection, f"unchained_{kind.table}", query):
            place = {"table": kind.table, "row_id": record["id"]}
            report.add(Finding(Problem.UNCHAINED, record["tenant_id"], **place))


async def _cursor(connection: asyncpg.Connection, name: str, query: str) -> AsyncIterator[asyncpg.Record]:
    """The rows of ``query``, fetched as they are asked for."""
    await connection.execute(f"DECLARE focal_{name} NO SCROLL CURSOR FOR {query}", timeout=HOURS)
    while batch := await connection.fetch(f"FETCH {BATCH} FROM focal_{name}", timeout=HOURS):
        for record in batch:
            yield record


async def _exported(heads: Iterable[ExportedHead], tenant_id: UUID | None) -> AsyncIterator[ExportedHead]:
    last: Key | None = None
    for head in heads:
        if last is not None and head.key <= last:
            raise InvalidDataError("exported", "heads must be in the order in which they were exported")
        last = head.key
        if tenant_id in (None, head.tenant_id):
            yield head


def _of(tenant_id: UUID | None) -> str:
    """The condition on the tenant, which stands in the text: a cursor takes no parameters. It is a UUID, formatted by us."""
    return "" if tenant_id is None else f"AND tenant_id = '{checked_tenant(tenant_id)}'"


def _least(keys: list[Key | None]) -> Key | None:
    return min((key for key in keys if key is not None), default=None)


def _head(head: ExportedHead | None) -> ChainHead | None:
    return None if head is None else ChainHead(head.sequence, head.hash)


_TIMES: Final = ("created_at", "erased_at")
_SNAPSHOT: Final = f"""SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;
    SET LOCAL statement_timeout = {round(HOURS * 1000)}; SET LOCAL work_mem = '64MB'"""
"""Rows are sorted by PostgreSQL, on disk where they are many: an index over chains would cost every write (decisions/0012)."""
