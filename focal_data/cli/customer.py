"""``focal-data customer``: what is known of a person, handed out or removed everywhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from focal_data.cli.operating import DryRun, Imports, Json, Yes, operate, remove, tell_counts
from focal_data.operations.ground import ErasureReceipt

customer = typer.Typer(
    name="customer", help="Export or erase a person, as the owner of the tables.", no_args_is_help=True
)

ProfileId = Annotated[UUID, typer.Argument(help="The profile, or one that was merged into it.")]
TenantId = Annotated[UUID, typer.Option("--tenant", help="Whose customer it is.")]
Output = Annotated[Path | None, typer.Option(help="A new file, readable by its owner alone.")]
Rehearsal = Annotated[bool, typer.Option("--dry-run", help="Count what would be written, and write nothing.")]


@customer.command()
def export(
    profile_id: ProfileId,
    tenant_id: TenantId,
    output: Output = None,
    dry_run: Rehearsal = False,
    imports: Imports = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
) -> None:
    """Write all that is known of a person as one JSON object. With --output, print how much that was."""
    if dry_run:
        rehearsed = operate(
            tenant_id, imports, lambda tenant: tenant.erase_customer(profile_id, dry_run=True)
        )
        _tell("would be exported", rehearsed.counts, as_json=as_json)
        return
    found = operate(tenant_id, imports, lambda tenant: tenant.export_customer(profile_id))
    if output is None:  # in ASCII: whatever encoding the standard output has, it is JSON
        typer.echo(json.dumps(found.model_dump(mode="json"), indent=2))
        return
    with open(output, "x", encoding="utf-8", opener=_private) as file:
        file.write(found.model_dump_json(indent=2) + "\n")
    _tell("exported", found.counts, as_json=as_json)


@customer.command()
def erase(
    profile_id: ProfileId,
    tenant_id: TenantId,
    dry_run: DryRun = False,
    yes: Yes = False,
    imports: Imports = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
) -> None:
    """Remove a person everywhere. Interrupted, run it again; once it is done, the person is not found."""

    def act(rehearsal: bool) -> ErasureReceipt:
        return operate(
            tenant_id, imports, lambda tenant: tenant.erase_customer(profile_id, dry_run=rehearsal)
        )

    remove("this person", act, dry_run=dry_run, yes=yes, as_json=as_json)


def _tell(what: str, counts: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(counts))
    else:
        tell_counts(what, counts)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
