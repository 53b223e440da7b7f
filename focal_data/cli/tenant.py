"""``focal-data tenant``: a whole tenant, removed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from focal_data.cli.operating import DryRun, Imports, Json, Yes, operate, remove
from focal_data.operations.ground import ErasureReceipt

tenant = typer.Typer(name="tenant", help="Delete a tenant, as the owner of the tables.")


@tenant.callback(no_args_is_help=True)
def _tenant() -> None:
    """Delete a tenant, as the owner of the tables."""


@tenant.command()
def delete(
    tenant_id: Annotated[UUID, typer.Argument(help="The tenant.")],
    dry_run: DryRun = False,
    yes: Yes = False,
    imports: Imports = [],  # noqa: B006  (typer copies it)
    as_json: Json = False,
) -> None:
    """Remove every row and key of a tenant, audit included. Interrupted, run it again."""

    def act(rehearsal: bool) -> ErasureReceipt:
        return operate(tenant_id, imports, lambda tenant: tenant.delete_everything(dry_run=rehearsal))

    remove("this tenant", act, dry_run=dry_run, yes=yes, as_json=as_json)
