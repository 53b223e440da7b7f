"""``focal-data doctor``: a line for each thing that must be right, and what to do where it is wrong."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import asyncpg
import typer
from rich.console import Console

from focal_data.cli.models import MODELS, Model, ask
from focal_data.database.engine import Database
from focal_data.database.scope import Transaction
from focal_data.database.tenancy import (
    Identity,
    identity,
    promised,
    read_access,
    refuse_unbound,
    tenant_tables,
)
from focal_data.errors import AccessError, AuthenticationError, FocalDataError, StoreError, StoreTimeoutError
from focal_data.ids import NO_TENANT
from focal_data.migration.revisions import read_status
from focal_data.operations.counting import Census
from focal_data.operations.operator import Operator
from focal_data.redis.cluster_client import client_of
from focal_data.settings import Settings
from focal_data.tables import metadata

OLDEST_SERVER = 160_000
SAFE_MEMORY_POLICIES = ("noeviction", "volatile-ttl", "volatile-lru", "volatile-lfu", "volatile-random")
"""Cold copies and indexes have no time to live: of sessions, a policy of the volatile kind evicts hot copies only."""


class Verdict(StrEnum):
    """How a thing is. Only what is wrong makes the exit code 1."""

    OK = "ok"
    UNUSED = "unused"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """One line."""

    subject: str
    verdict: Verdict
    detail: str
    advice: str = ""


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask each model that is set up one word; a vendor may charge for it."),
    ] = False,
) -> None:
    """Check the engines, the schema, the policies and the grants that the settings name, and tell which models are set up."""
    findings = asyncio.run(examine(Settings.load(), live=live))
    healthy = all(finding.verdict is not Verdict.WRONG for finding in findings)
    if as_json:
        typer.echo(
            json.dumps({"healthy": healthy, "findings": [asdict(finding) for finding in findings]}, indent=2)
        )
    else:
        show(findings)
    raise typer.Exit(0 if healthy else 1)


def show(findings: list[Finding]) -> None:
    """A line each, and the advice below."""
    marks = {
        Verdict.OK: "[green]✓[/]",
        Verdict.UNUSED: "[dim]–[/]",
        Verdict.WARNING: "[yellow]![/]",
        Verdict.WRONG: "[red]✗[/]",
    }
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        console.print(f"{marks[finding.verdict]} {finding.subject}:", end=" ")
        console.print(finding.detail, markup=False)
        if finding.advice:
            console.print(f"    → {finding.advice}", markup=False)


async def examine(settings: Settings, *, live: bool = False) -> list[Finding]:
    """Everything that can be told, in a fixed order; what can't be reached is told once. ``live`` asks the models, too."""
    engines = [*await _postgres(settings), *await _embeddings(settings), *await _redis(settings)]
    return [*engines, *await asyncio.gather(*(_model(model, settings, live=live) for model in MODELS))]


async def _postgres(settings: Settings) -> list[Finding]:
    if settings.database_url is None:
        return [_unset("PostgreSQL", "FOCAL_DATA_DATABASE_URL")]
    database = Database(settings)
    try:  # in a transaction, since behind a proxy a connection has its role nowhere else
        async with Transaction(database, NO_TENANT) as tx:
            return await _database(tx.connection, settings)
    except FocalDataError as error:
        return [
            Finding(
                "PostgreSQL",
                Verdict.WRONG,
                str(error),
                "check FOCAL_DATA_DATABASE_URL, and that the server runs",
            )
        ]
    finally:
        await database.close()


async def _database(connection: asyncpg.Connection, settings: Settings) -> list[Finding]:
    who = await identity(connection, tenant_tables(metadata))
    return [
        _server(who, connection.get_server_version().major),
        _extension(who),
        await _schema(connection),
        *_service(who),
        *await _tables(connection, settings.app_role),
        _chain(settings),
    ]


def _server(who: Identity, major: int) -> Finding:
    version = f"version {major}.{who.server_version % 10_000}"
    if who.server_version < OLDEST_SERVER:
        return Finding("PostgreSQL", Verdict.WRONG, version, "use PostgreSQL 16 or later")
    return Finding("PostgreSQL", Verdict.OK, version)


def _extension(who: Identity) -> Finding:
    if who.extension_version is None:
        advice = "an administrator must run CREATE EXTENSION vector in this database"
        return Finding("pgvector", Verdict.WRONG, "the extension is missing", advice)
    return Finding("pgvector", Verdict.OK, f"version {who.extension_version}")


async def _schema(connection: asyncpg.Connection) -> Finding:
    try:
        status = await read_status(connection)
    except FocalDataError as error:
        return Finding(
            "schema", Verdict.WRONG, str(error), "use a version of focal-data that knows this revision"
        )
    if status.at_head:
        return Finding("schema", Verdict.OK, f"at head, {status.head}")
    detail = f"at {status.current or 'no revision'}, behind {status.head}"
    return Finding("schema", Verdict.WRONG, detail, "run `focal-data db upgrade` as the owner of the tables")


def _service(who: Identity) -> Iterator[Finding]:
    try:
        refuse_unbound(who)
    except StoreError as error:
        yield Finding("service", Verdict.WRONG, str(error))
        return
    yield Finding("service", Verdict.OK, f"{who.login} acts as {who.role}, and the policies bind it")
    if who.login_is_stronger:
        detail = f"{who.login} is stronger than {who.role}, and could leave it with RESET ROLE"
        advice = (
            "give services a login of their own that owns nothing and may only act as the application role"
        )
        yield Finding("login", Verdict.WARNING, detail, advice)


async def _tables(connection: asyncpg.Connection, role: str) -> list[Finding]:
    access = await read_access(connection, role)
    flaws = [
        f"{table.name}: {flaw}"
        for table in metadata.sorted_tables
        for flaw in (access[table.name].flaws(promised(table)) if table.name in access else ["missing"])
    ]
    if not flaws:
        return [
            Finding(
                "tables", Verdict.OK, f"{len(metadata.tables)}, each with its policy and no grant too many"
            )
        ]
    advice = "run `focal-data db upgrade` as the owner; `focal-data db check` tells what differs"
    return [Finding("tables", Verdict.WRONG, flaw, advice) for flaw in flaws]


def _chain(settings: Settings) -> Finding:
    keys = list(settings.chain_keys())
    if keys:
        older = f", {len(keys) - 1} older to verify" if keys[1:] else ""
        return Finding("audit chain", Verdict.OK, f"rows are chained with the key {keys[0]}{older}")
    advice = "set FOCAL_DATA_AUDIT_KEYS, then run `focal-data audit chain` for the rows that exist"
    return Finding("audit chain", Verdict.WARNING, "no key is set: rows are stored without a chain", advice)


async def _embeddings(settings: Settings) -> list[Finding]:
    """What there is of which model, and what is missing; only the owner sees that of all tenants."""
    if settings.migration_url is None and settings.database_url is None:
        return []
    try:
        async with Operator.open(settings) as op:
            return list(_counted(await op.count_embeddings()))
    except AccessError:
        advice = "set FOCAL_DATA_MIGRATION_URL to the login that migrates"
        return [Finding("embeddings", Verdict.UNUSED, "only the owner of the tables can count them", advice)]
    except StoreTimeoutError:
        return [Finding("embeddings", Verdict.WARNING, "there are too many to be counted in time")]
    except FocalDataError:  # what is wrong is told elsewhere
        return []


def _counted(census: list[Census]) -> Iterator[Finding]:
    """Of each kind how many by which model; and the tenants in which a search finds only a part, whatever it asks by."""
    if not census:
        yield Finding("embeddings", Verdict.OK, "there is nothing to embed")
    for kind in sorted({found.kind for found in census}):
        counts: Counter[str] = Counter()
        for found in (found for found in census if found.kind == kind):
            counts[f"by {found.model}" if found.model else "without one"] += found.count
        told = ", ".join(f"{count} {whose}" for whose, count in sorted(counts.items()))
        missing = "without one" in counts
        advice = "`focal-data memory fill --model …` embeds what has none" if missing else ""
        yield Finding(f"embeddings of {kind}", Verdict.WARNING if missing else Verdict.OK, told, advice)
    models: defaultdict[UUID, set[str]] = defaultdict(set)
    for found in census:
        models[found.tenant_id] |= {found.model} if found.model else set()
    if mixed := sorted(str(tenant) for tenant, names in models.items() if len(names) > 1):
        detail = f"{len(mixed)} tenants have embeddings of more than one model, the first is {mixed[0]}"
        advice = "`focal-data memory reembed --model …` makes them one model's"
        yield Finding("embedding models", Verdict.WARNING, detail, advice)


async def _redis(settings: Settings) -> list[Finding]:
    if settings.redis_url is None:
        return [_unset("Redis", "FOCAL_DATA_REDIS_URL")]
    try:
        async with client_of(settings) as redis:
            facts = await redis.info()
    except FocalDataError as error:
        return [
            Finding(
                "Redis", Verdict.WRONG, str(error), "check FOCAL_DATA_REDIS_URL, and that the server runs"
            )
        ]
    server = _redis_server(facts, in_cluster=settings.redis_cluster)
    return [server, _memory_policy(facts), _persistence(facts)]


def _redis_server(facts: Mapping[str, str], *, in_cluster: bool) -> Finding:
    name = "Valkey" if "valkey_version" in facts else "Redis"
    version = f"{name} {facts.get('valkey_version', facts.get('redis_version', '?'))}"
    if facts.get("cluster_enabled") == "1" and not in_cluster:
        return Finding(
            "Redis", Verdict.WRONG, f"{version}, a node of a cluster", "set FOCAL_DATA_REDIS_CLUSTER=true"
        )
    return Finding("Redis", Verdict.OK, version)


def _memory_policy(facts: Mapping[str, str]) -> Finding:
    policy = facts.get("maxmemory_policy", "unknown")
    if policy in SAFE_MEMORY_POLICIES:
        return Finding("Redis memory policy", Verdict.OK, policy)
    advice = (
        "set maxmemory-policy to noeviction: under this one, sessions that were acknowledged can be evicted"
    )
    return Finding("Redis memory policy", Verdict.WRONG, policy, advice)


def _persistence(facts: Mapping[str, str]) -> Finding:
    if facts.get("aof_enabled") == "1":
        return Finding("Redis persistence", Verdict.OK, "append-only file")
    advice = "set appendonly to yes, or live sessions are lost when the server restarts"
    return Finding("Redis persistence", Verdict.WARNING, "no append-only file", advice)


async def _model(model: Model, settings: Settings, *, live: bool) -> Finding:
    """A model needs not be there; a key without its SDK is probably a mistake."""
    keyed, install = model.has_key(settings), f'pip install "focal-data[{model.extra}]"'
    parts = [f"key {'set' if keyed else 'not set'}"] if model.key else []
    parts.append("installed" if model.installed else "not installed")
    if not keyed:
        return Finding(model.subject, Verdict.UNUSED, ", ".join(parts), f"to use it, set {model.variable}")
    if not model.installed:
        verdict = Verdict.WARNING if model.key else Verdict.UNUSED
        return Finding(model.subject, verdict, ", ".join(parts), f"to use it, {install}")
    return await _asked(model, settings) if live else Finding(model.subject, Verdict.OK, ", ".join(parts))


async def _asked(model: Model, settings: Settings) -> Finding:
    try:
        return Finding(model.subject, Verdict.OK, await ask(model, settings))
    except FocalDataError as error:
        advice = f"check {model.variable}" if isinstance(error, AuthenticationError) else ""
        return Finding(model.subject, Verdict.WRONG, f"{type(error).__name__}: {error}", advice)


def _unset(subject: str, variable: str) -> Finding:
    return Finding(
        subject, Verdict.WRONG, f"{variable} is not set", f"set {variable}; .env.example shows how"
    )
