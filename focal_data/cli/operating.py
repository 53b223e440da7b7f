"""What the operator's commands share: opening, asking before something is gone for good, and telling what was done."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Annotated, TypeVar
from uuid import UUID

import typer

from focal_data.errors import UsageError
from focal_data.operations.ground import ErasureReceipt
from focal_data.operations.operator import Operator, TenantOperations
from focal_data.settings import Settings

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Imports = Annotated[
    list[str], typer.Option("--import", help="A module that declares tables of your own; may be repeated.")
]


def operate(tenant_id: UUID, imports: list[str], work: Callable[[TenantOperations], Awaitable[T]]) -> T:
    """What ``work`` gives, as the operator of the settings, with the tables of the modules ``imports`` known."""
    import_tables(imports)

    async def run() -> T:
        async with Operator.open(Settings.load()) as op:
            return await work(op.tenant(tenant_id))

    return asyncio.run(run())


def import_tables(names: list[str]) -> None:
    """Import the modules ``names``, which may lie in the current folder. ``UsageError`` for one that is not there."""
    for name in names:
        _import(name)


def remove(
    what: str, act: Callable[[bool], ErasureReceipt], *, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Tell what ``act(dry_run)`` did; unless ``yes``, what it would do is told and asked about first.

    Ends with exit code 1 when told not to. Raises ``UsageError`` where there is nobody to ask.
    """
    if not (dry_run or yes):
        if not sys.stdin.isatty():
            raise UsageError(
                "there is no terminal to ask at: --yes does it unasked, --dry-run tells what it would do"
            )
        tell(act(True), err=True)
        typer.confirm(f"Remove {what} for good?", abort=True, err=True)
    receipt = act(dry_run)
    if as_json:
        typer.echo(receipt.model_dump_json())
    else:
        tell(receipt)


def tell(receipt: ErasureReceipt, *, err: bool = False) -> None:
    """A line for each kind."""
    tell_counts("would remove" if receipt.dry_run else "removed", receipt.counts, err=err)


def tell_counts(verb: str, counts: dict[str, int], *, err: bool = False) -> None:
    """A line for each kind."""
    for kind, count in counts.items():
        typer.echo(f"{verb} {count} of {kind}", err=err)
    if not counts:
        typer.echo(f"{verb} nothing", err=err)


def _import(name: str) -> None:
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError("--import: must be the name of a module, such as my_app.tables")
    folder = str(Path.cwd())
    if folder not in sys.path:  # as for `python -m`
        sys.path.insert(0, folder)
    try:
        import_module(name)
        return
    except ModuleNotFoundError as error:
        missing = error.name
    raise UsageError(f"--import {name}: there is no module {missing}")
