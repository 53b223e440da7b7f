"""``focal-data audit``: the chains over what happened, verified, made for rows that have none, and their heads exported."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Annotated, Any
from uuid import UUID

import typer

from focal_data.operations.judging import AuditReport, Finding
from focal_data.operations.operator import Operator
from focal_data.operations.verification import ExportedHead
from focal_data.settings import Settings

audit = typer.Typer(
    name="audit", help="The chains over what happened, as the owner of the tables.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
OneTenant = Annotated[UUID | None, typer.Option("--tenant", help="Only this tenant.")]


@audit.command()
def verify(
    tenant: OneTenant = None,
    heads: Annotated[
        Path | None,
        typer.Option(
            help="Heads exported before; none of their rows may be gone.", exists=True, dir_okay=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find every row that was changed, removed or inserted behind our back. Exit code 1 when there is one."""
    report = asyncio.run(_verify(Settings.load(), tenant, heads))
    for line in [_as_json(report)] if as_json else _told(report):
        typer.echo(line)
    raise typer.Exit(0 if report.intact else 1)


@audit.command()
def chain(tenant: OneTenant = None, as_json: Json = False) -> None:
    """Chain the rows that are stored without a chain: once, when keys are set for the first time."""
    chained = asyncio.run(_chain(Settings.load(), tenant))
    typer.echo(json.dumps({"chained": chained}) if as_json else f"{chained} rows chained")


@audit.command()
def heads(
    tenant: OneTenant = None,
    output: Annotated[
        Path | None, typer.Option(help="Write there; otherwise to the standard output.", dir_okay=False)
    ] = None,
) -> None:
    """Export where each chain ends, a line of JSON each: keep them where who can write to the database can't."""
    asyncio.run(_export(Settings.load(), tenant, output))


async def _verify(settings: Settings, tenant: UUID | None, heads: Path | None) -> AuditReport:
    async with Operator.open(settings) as op:
        if heads is None:
            return await op.verify_audit(tenant)
        with heads.open(encoding="utf-8", errors="replace") as lines:  # what is no text is no head either
            return await op.verify_audit(tenant, exported=ExportedHead.read(lines))


async def _chain(settings: Settings, tenant: UUID | None) -> int:
    async with Operator.open(settings) as op:
        return await op.chain_audit(tenant)


async def _export(settings: Settings, tenant: UUID | None, output: Path | None) -> None:
    async with Operator.open(settings) as op:
        with _opened(output) as file:
            async for head in op.export_audit_heads(tenant):
                file.write(f"{head.line()}\n")


@contextmanager
def _opened(output: Path | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    with output.open("w", encoding="utf-8") as file:
        yield file


def _told(report: AuditReport) -> Iterator[str]:
    if not report.keys:
        yield "FOCAL_DATA_AUDIT_KEYS is not set: nothing is chained as it is written, and no chain can be verified"
    yield f"{report.rows} rows in {report.chains} chains, {report.erased} of them erased; {report.unchained} have no chain"
    for finding in report.findings:
        yield _line(finding)
    if report.intact:
        yield "nothing was found"
        return
    yield "found: " + ", ".join(f"{count} {problem.value}" for problem, count in report.counts.items())


def _line(finding: Finding) -> str:
    row = f"{finding.table} {finding.row_id}" if finding.row_id else ""
    number = f"number {finding.sequence}" if finding.sequence is not None else ""
    chain = f"chain {finding.chain_id}" if finding.chain_id else ""
    place = ", ".join(part for part in (f"tenant {finding.tenant_id}", chain, number, row) if part)
    return f"{finding.problem.value}: {place}{'; ' if finding.detail else ''}{finding.detail}"


def _as_json(report: AuditReport) -> str:
    values: dict[str, Any] = asdict(report) | {"intact": report.intact}
    return json.dumps(values, default=str)
