"""What is stored outlives the migrations."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Table

from focal_data.data_layer import DataLayer
from focal_data.migration import runner
from focal_data.migration.commands import history
from focal_data.settings import Settings
from focal_data.tables import metadata
from focal_data.tables.columns import codes_of
from focal_data.testing import factories
from focal_data.testing.engines import Engines
from focal_data.testing.factories import chance
from tests.integration.migration.conftest import Estate, NewEstate

ROWS = 10_000
FACTORIES = [
    made_by
    for made_by in vars(factories).values()
    if isinstance(made_by, type)
    and issubclass(made_by, factories.TableFactory)
    and not made_by._meta.abstract
    and made_by is not factories.StagedEmbeddingTableFactory
]
"""Of what services may write."""
STAGED = """INSERT INTO staged_embeddings (tenant_id, id, {thing}, revision, digest, target_model, {columns})
    SELECT tenant_id, id, id, 1, sha256(id::text::bytea), 'm', {columns} FROM {table} WHERE embedding IS NOT NULL"""
THINGS = {"entity_id": "entities", "episode_id": "episodes", "rule_id": "rules", "scenario_id": "scenarios"}
EMBEDDING = "embedding, embedding_code, embedding_model, embedding_dimensions"

Column = tuple[str, str]
"""A table and a column."""


@pytest.mark.slow
@pytest.mark.parametrize("start", [one.revision for one in reversed(history())])
async def test_rows_survive_from_every_revision_to_head_and_back(
    new_estate: NewEstate, focal_engines: Engines, start: str
) -> None:
    """Ten thousand rows in every table: up to head, a step down and up again lose nothing that the schema can hold."""
    estate = await new_estate()
    await runner.upgrade(estate.settings)
    await _a_row_of_each(estate, focal_engines)
    await runner.downgrade(estate.settings, start)
    await _many_of_each(estate)
    held = await _sums(estate)
    assert {True} == {count >= ROWS for count, _ in held.values()}
    coded = CODED - ({"staged_embeddings"} - {table for table, _ in held})

    for revision in ("head", history()[0].after[0], "head"):
        move = runner.upgrade if revision == "head" else runner.downgrade
        await move(estate.settings, revision)
        now = await _sums(estate)
        assert revision != "head" or held.keys() <= now.keys()
        held = {column: held[column] for column in held if column in now}
        assert held == {column: now[column] for column in held}, revision
        assert coded == await _coded(estate)
    assert [] == await runner.check(estate.settings)


CODED = {"entities", "episodes", "rules", "scenarios", "staged_embeddings"}
"""Tables whose embeddings have sign codes."""


async def _coded(estate: Estate) -> set[str]:
    """The tables that have some, each that of its vector."""
    found = set()
    async with estate.connection() as admin:
        for table in (table.name for table in metadata.sorted_tables if "embedding_code" in table.columns):
            rows = await admin.fetch(
                f"SELECT DISTINCT halfvec_send(embedding) AS vector, embedding_code AS code FROM {table}"
                " WHERE num_nonnulls(embedding, embedding_code) > 0"
            )
            codes = [row["code"] and row["code"].bytes for row in rows]
            if rows and codes_of([row["vector"] for row in rows]) == codes:
                found.add(table)
    return found


async def _a_row_of_each(estate: Estate, engines: Engines) -> None:
    urls = {"database_url": estate.url(estate.service), "redis_url": engines.redis_url}
    async with DataLayer.open(Settings.of(**urls, app_role=estate.role)) as data:
        for made_by in FACTORIES:
            embedded = "embedding" in metadata.tables[made_by._meta.model.__tablename__].columns
            await made_by.create(
                data.tenant(uuid4()), **({"embedding": chance.embedding()} if embedded else {})
            )
    async with estate.connection(estate.owner) as owner:
        for thing, table in THINGS.items():
            await owner.execute(STAGED.format(thing=thing, table=table, columns=EMBEDDING))
    await _others(estate)


VARIANTS = 3
"""A row as it is made, another with NULL and another with a value in every column that may have either."""
VALUES = {
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "'2031-01-01'",
    "integer": "1",
    "bigint": "1",
    "text": "'full'",
    "character varying": "'full'",
    "jsonb": "'{}'",
    "bytea": "'full'",
}
KEPT = set(EMBEDDING.split(", "))
"""What is there, or is not, together."""


async def _others(estate: Estate) -> None:
    """The variants of each row, in tenants of their own."""
    columns = await _columns(estate)
    async with estate.connection() as admin:
        for table in metadata.sorted_tables:
            made = [row[0] for row in await admin.fetch(f"SELECT DISTINCT tenant_id FROM {table.name}")]
            for mark in ("empty", "full"):
                chosen = {name: _other(mark, table, name, kind) for name, kind in columns[table.name]}
                chosen["tenant_id"] = f"md5(tenant_id::text || '{mark}')::uuid"
                await admin.execute(
                    f"INSERT INTO {table.name} ({', '.join(chosen)}) SELECT {', '.join(chosen.values())}"
                    f" FROM {table.name} WHERE tenant_id = ANY ($1)",
                    made,
                )


def _other(mark: str, table: Table, name: str, kind: str) -> str:
    column = table.columns[name.strip('"')]
    if mark == "empty":
        return "NULL" if column.nullable and name not in THINGS else name
    if name == "scope":
        return "'step'"
    if not column.nullable or column.foreign_keys or name in KEPT:
        return name
    return f"coalesce({name}, {VALUES[kind]})"


async def _many_of_each(estate: Estate) -> None:
    """The rows there are, once more for each of many tenants: what refers to each other stays together."""
    columns = await _columns(estate)
    async with estate.connection(estate.owner) as owner:
        await owner.execute("SET work_mem = '64MB'")
        for table in (table.name for table in metadata.sorted_tables if table.name in columns):
            rows = await owner.fetchval(f"SELECT count(*) FROM {table}")
            others = ", ".join(name for name, _ in columns[table] if name != "tenant_id")
            await owner.execute(
                f"""INSERT INTO {table} (tenant_id, {others})
                    SELECT md5(tenant_id::text || number)::uuid, {others}
                      FROM {table}, generate_series(1, $1) AS number""",
                -(-ROWS // VARIANTS),
            )
            assert rows >= VARIANTS, table


async def _columns(estate: Estate) -> dict[str, list[tuple[str, str]]]:
    """The columns that are not computed, with their types, of each of our tables that there is."""
    async with estate.connection() as admin:
        found = await admin.fetch(
            """SELECT relname, quote_ident(attname), format_type(atttypid, NULL)
                 FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
                WHERE relname = ANY ($1) AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
                ORDER BY relname, attname""",
            list(metadata.tables),
        )
    tables: dict[str, list[tuple[str, str]]] = {}
    for table, column, kind in found:
        tables.setdefault(table, []).append((column, kind))
    return tables


async def _sums(estate: Estate) -> dict[Column, tuple[int, Any]]:
    """How many rows each table has, and for each column a checksum of what it holds in which row."""
    sums: dict[Column, tuple[int, Any]] = {}
    async with estate.connection() as admin:
        for table, named in (await _columns(estate)).items():
            keys = ", ".join(column.name for column in metadata.tables[table].primary_key.columns)
            values = [f"l2_norm({name})" if kind == "halfvec" else name for name, kind in named]
            totals = ", ".join(f"sum(hashtextextended(({value})::text, row))" for value in values)
            rows = f"SELECT *, hashtextextended(ROW({keys})::text, 0) AS row FROM {table} OFFSET 0"
            count, *found = await admin.fetchrow(f"SELECT count(*), {totals} FROM ({rows}) AS rows")
            sums |= {(table, name): (count, total) for (name, _), total in zip(named, found, strict=True)}
    return sums
