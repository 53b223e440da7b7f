"""``focal-data db``: the schema, brought to where it should be, and told where it is.

Exit codes: 0, done; 1, a revision failed, no connection, no right, or ``check`` found something; 2, wrong input or setting.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from focal_data.cli.glance import told, told_current, told_status
from focal_data.errors import UsageError
from focal_data.migration import runner
from focal_data.migration.runner import Effect, Status
from focal_data.settings import Settings

EPILOG: Final = (
    "Exit codes: 0, done; 1, a revision failed, there is no connection or no right, or `check` found something;"
    " 2, wrong input or a wrong setting."
)

db = typer.Typer(
    name="db", help="Migrate the database, as the owner of the tables.", no_args_is_help=True, epilog=EPILOG
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@db.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Where to go.")] = "head", as_json: Json = False
) -> None:
    """Bring the database forward; one at a time, whoever else tries."""
    typer.echo(told(asyncio.run(runner.upgrade(Settings.load(), revision)), as_json))


@db.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to go back to; base removes everything.")],
    as_json: Json = False,
) -> None:
    """Take the database back. What only the newer schema can hold is lost."""
    typer.echo(told(asyncio.run(runner.downgrade(Settings.load(), revision)), as_json))


@db.command()
def current(as_json: Json = False) -> None:
    """Tell the revision that the database is at."""
    found = asyncio.run(runner.status(Settings.load()))
    typer.echo(told_current(found, as_json))


@db.command()
def status(as_json: Json = False) -> None:
    """Tell where the database is, what is pending, and what an upgrade would lock or write anew."""
    found, effects = asyncio.run(_status(Settings.load()))
    typer.echo(told_status(found, as_json, effects))


async def _status(settings: Settings) -> tuple[Status, list[Effect]]:
    return await runner.status(settings), await runner.effects(settings)


@db.command()
def history(as_json: Json = False) -> None:
    """Tell every revision that this version knows, the newest first."""
    from focal_data.migration.commands import history as known

    if as_json:
        typer.echo(json.dumps({"revisions": [asdict(one) for one in known()]}))
        return
    for one in known():
        typer.echo(f"{one.revision}: {one.title} (after {', '.join(one.after) or 'nothing'})")


@db.command()
def check(as_json: Json = False) -> None:
    """Tell what autogenerate would write: nothing, and exit code 0, when the database is like the tables."""
    differences = asyncio.run(runner.check(Settings.load()))
    if as_json:
        typer.echo(json.dumps({"differences": differences}))
    else:
        for difference in differences:
            typer.echo(difference)
    raise typer.Exit(1 if differences else 0)


@db.command()
def revision(
    message: Annotated[str, typer.Option("--message", "-m", help="What it changes, in a few words.")],
    as_json: Json = False,
) -> None:
    """Write revisions of what the tables have become, into the project whose alembic.ini lies here."""
    from alembic import command
    from alembic.config import Config

    if not Path("alembic.ini").is_file():
        raise UsageError(
            "there is no alembic.ini here: a revision is made in the folder of the project it belongs to"
        )
    with redirect_stdout(sys.stderr):  # Alembic says there what it does
        made = command.revision(Config("alembic.ini"), message=message, autogenerate=True)
    paths = [
        str(script.path) for script in (made if isinstance(made, list) else [made]) if script is not None
    ]
    typer.echo(json.dumps({"files": paths}) if as_json else "\n".join(paths))


@db.command()
def sql(
    revisions: Annotated[str, typer.Argument(help="Where to go, or from:to.")] = "head",
    down: Annotated[bool, typer.Option("--down", help="The way back, from:to.")] = False,
    as_json: Json = False,
) -> None:
    """Print the statements of an upgrade; no database is asked."""
    script = runner.sql(Settings.load(), revisions, down=down)
    typer.echo(json.dumps({"sql": script}) if as_json else script)


@db.command()
def stamp(
    revision: Annotated[str, typer.Argument(help="Where the database is said to be.")], as_json: Json = False
) -> None:
    """Say that the database is at a revision, and change nothing else."""
    typer.echo(told(asyncio.run(runner.stamp(Settings.load(), revision)), as_json))


@db.command()
def distribute(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the statements, run none.")] = False,
    as_json: Json = False,
) -> None:
    """Shard every table by tenant, with Citus. What is distributed already stays; so it can be repeated."""
    from focal_data.migration.distribution import distribute as shard

    statements = asyncio.run(shard(Settings.load(), dry_run=dry_run))
    if as_json:
        typer.echo(json.dumps({"statements": statements, "dry_run": dry_run}))
        return
    for statement in statements:
        typer.echo(f"{statement};")
    if not statements:
        typer.echo("every table is distributed")
