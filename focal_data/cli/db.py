"""``focal-data db``: the schema, brought to where it should be, and told where it is."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Annotated

import typer

from focal_data.migration import runner
from focal_data.migration.runner import Status
from focal_data.settings import Settings

db = typer.Typer(name="db", help="Migrate the database, as the owner of the tables.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@db.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Where to go.")] = "head", as_json: Json = False
) -> None:
    """Bring the database forward; one at a time, whoever else tries."""
    _tell(asyncio.run(runner.upgrade(Settings.load(), revision)), as_json)


@db.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to go back to; base removes everything.")],
    as_json: Json = False,
) -> None:
    """Take the database back. What only the newer schema can hold is lost."""
    _tell(asyncio.run(runner.downgrade(Settings.load(), revision)), as_json)


@db.command()
def status(as_json: Json = False) -> None:
    """Tell where the database is, and what is pending."""
    _tell(asyncio.run(runner.status(Settings.load())), as_json)


@db.command()
def check() -> None:
    """Tell what autogenerate would write: nothing, and exit code 0, when the database is like the tables."""
    differences = asyncio.run(runner.check(Settings.load()))
    for difference in differences:
        typer.echo(difference)
    raise typer.Exit(1 if differences else 0)


def _tell(found: Status, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    typer.echo(f"at {found.current or 'no revision'}, head is {found.head}")
    for revision in found.pending:
        typer.echo(f"pending: {revision}")
