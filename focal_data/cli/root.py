"""The command line without its commands, so that one that is in a hurry doesn't wait for the others."""

from __future__ import annotations

from typing import Annotated, Final

import typer

DEBUG: Final = "--debug"
DEBUG_VARIABLE: Final = "FOCAL_DATA_DEBUG"


def new_app() -> typer.Typer:
    """The command line, to add commands to."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
    app.callback()(focal_data)
    return app


def focal_data(
    debug: Annotated[
        bool, typer.Option(DEBUG, envvar=DEBUG_VARIABLE, help="Show the traceback of an error.")
    ] = False,
) -> None:
    """The data layer under multi-tenant conversational agents."""


def migrating() -> typer.Typer:
    """Only ``focal-data db``, which runs whenever a service is deployed."""
    from focal_data.cli.db import db

    app = new_app()
    app.add_typer(db)
    return app
