"""``focal-data ideation``: existing deployments' sessions, from Redis to PostgreSQL and back.

With a service's settings: ``FOCAL_DATA_DATABASE_URL``, and ``FOCAL_DATA_REDIS_URL`` for the Redis of that deployment. Exit
codes beside those of every command: 1 when a session could not be read or kept, or is there already and not the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Annotated, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from focal_data.cli.operating import Json
from focal_data.data_layer import DataLayer
from focal_data.database.scope import Scope
from focal_data.errors import UsageError
from focal_data.operations.ideation_export import IdeationExport
from focal_data.operations.ideation_ground import BAD, Choice, Findings, Outcome, Step, TransferReport
from focal_data.operations.ideation_import import IdeationImport
from focal_data.redis.ideation_legacy import Finding, LegacyIdeation
from focal_data.settings import Settings

ideation = typer.Typer(
    name="ideation",
    help="Existing ideation deployments' sessions, from Redis and back.",
    no_args_is_help=True,
)

TenantId = Annotated[UUID, typer.Option("--tenant", help="Whose sessions they are.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and compare everything, and write nothing.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Pass over sessions that are there.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace sessions that are there and differ.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="A line for every session.")]

Transfer = IdeationImport | IdeationExport


@ideation.command("import-redis")
def import_redis(
    tenant_id: TenantId,
    dry_run: DryRun = False,
    skip_existing: SkipExisting = False,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Bring the sessions of an existing deployment from Redis into PostgreSQL. Interrupted, run it again."""
    choice = _choice(dry_run=dry_run, skip_existing=skip_existing, overwrite=overwrite)
    _run(tenant_id, choice, IdeationImport, _View("import", as_json=as_json, verbose=verbose))


@ideation.command("export-redis")
def export_redis(
    tenant_id: TenantId,
    dry_run: DryRun = False,
    skip_existing: SkipExisting = False,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Write a tenant's sessions to Redis as an existing deployment keeps them. Interrupted, run it again."""
    choice = _choice(dry_run=dry_run, skip_existing=skip_existing, overwrite=overwrite)
    _run(tenant_id, choice, IdeationExport, _View("export", as_json=as_json, verbose=verbose))


def _choice(*, dry_run: bool, skip_existing: bool, overwrite: bool) -> Choice:
    if skip_existing and overwrite:
        raise UsageError("--skip-existing and --overwrite say opposite things of sessions that are there")
    return Choice(dry_run=dry_run, skip_existing=skip_existing, overwrite=overwrite)


def _run(
    tenant_id: UUID,
    choice: Choice,
    kind: Callable[[LegacyIdeation, Scope, Choice], Transfer],
    view: _View,
) -> None:
    """Run it, and tell what became of it, also of one that is broken off. Ends with exit code 1 if anything failed."""
    transfers: list[Transfer] = []

    async def run() -> None:
        async with DataLayer.open(Settings.load()) as data:
            legacy = LegacyIdeation(data.redis)
            transfers.append(kind(legacy, data.tenant(tenant_id).scope, choice))
            with view.progress:
                await transfers[0].run(lambda step: view.show(step, transfers[0].report))

    complete = False
    try:
        asyncio.run(run())
        complete = True
    finally:
        if transfers:
            view.summarise(transfers[0].report, tenant_id, complete=complete)
    if transfers[0].report.failed:
        raise typer.Exit(1)


_DONE: Final = {
    ("import", False): "imported",
    ("import", True): "would import",
    ("export", False): "exported",
    ("export", True): "would export",
}


class _View:
    """What is shown: a bar at a terminal, what is found as it comes, and the summary."""

    def __init__(self, action: str, *, as_json: bool, verbose: bool) -> None:
        self._action = action
        self._as_json = as_json
        self._verbose = verbose
        self._console = Console(stderr=True, soft_wrap=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        )
        self._task = self.progress.add_task(f"{action} sessions", total=None)
        self._shown = 0

    def show(self, step: Step, report: TransferReport) -> None:
        """One more session is done with."""
        self.progress.update(self._task, total=report.total, advance=1)
        if self._verbose:
            self._line(f"{_spelled(step.outcome, self._action, dry_run=report.dry_run)}: {step.session_id!r}")
        if self._verbose or not self._as_json:
            for finding in step.findings:
                self._line(_told(finding))

    def summarise(self, report: TransferReport, tenant_id: UUID, *, complete: bool) -> None:
        """All of it on standard output, in words or as one JSON object."""
        if self._as_json:
            typer.echo(json.dumps(_as_json(self._action, report, tenant_id, complete=complete)))
            return
        for line in _in_words(self._action, report, complete=complete):
            typer.echo(line)

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)


def _in_words(action: str, report: TransferReport, *, complete: bool) -> list[str]:
    lines = [_told(finding) for finding in report.remarks.named]
    if more := report.remarks.count - len(report.remarks.named):
        lines.append(f"and {more} more")
    lines += [f"{reason}: {count}" for reason, count in sorted(report.notes.items())]
    for outcome in Outcome:
        if count := report.sessions[outcome]:
            lines.append(f"{_spelled(outcome, action, dry_run=report.dry_run)}: {count} sessions")
    if report.parts:
        parts = ", ".join(f"{count} of {kind}" for kind, count in report.parts.items() if count)
        lines.append(f"with them: {parts or 'nothing'}")
    if not report.sessions:
        lines.append("there are no sessions")
    if not complete:
        lines.append(f"broken off after {report.sessions.total()} of {report.total}: run it again")
    return lines


def _as_json(action: str, report: TransferReport, tenant_id: UUID, *, complete: bool) -> dict[str, object]:
    return {
        "action": action,
        "tenant_id": str(tenant_id),
        "dry_run": report.dry_run,
        "complete": complete,
        "total": report.total,
        "sessions": {outcome.value: report.sessions[outcome] for outcome in Outcome},
        "parts": dict(report.parts),
        "notes": dict(report.notes),
        "problems": _findings(report.problems),
        "remarks": _findings(report.remarks),
    }


def _findings(findings: Findings) -> dict[str, object]:
    named = [{"key": finding.key, "reason": finding.reason} for finding in findings.named]
    return {"count": findings.count, "named": named}


def _spelled(outcome: Outcome, action: str, *, dry_run: bool) -> str:
    if outcome is Outcome.WRITTEN:
        return _DONE[action, dry_run]
    if dry_run and outcome not in (*BAD, Outcome.UNCHANGED):
        return f"would be {outcome.value}"
    return str(outcome.value)


def _told(finding: Finding) -> str:
    return f"{finding.key}: {finding.reason}"
