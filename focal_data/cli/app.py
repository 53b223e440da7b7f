"""The commands. Needs the extra ``cli``; ``main`` says so where it is missing."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from focal_data.cli.audit import audit
from focal_data.cli.customer import customer
from focal_data.cli.db import db
from focal_data.cli.demo.command import demo
from focal_data.cli.doctor import doctor
from focal_data.cli.tenant import tenant

DEBUG: Final = "--debug"
DEBUG_VARIABLE: Final = "FOCAL_DATA_DEBUG"

app: Final = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(demo)
app.command()(doctor)
app.add_typer(db)
app.add_typer(audit)
app.add_typer(customer)
app.add_typer(tenant)


@app.callback()
def focal_data(
    debug: Annotated[
        bool, typer.Option(DEBUG, envvar=DEBUG_VARIABLE, help="Show the traceback of an error.")
    ] = False,
) -> None:
    """The data layer under multi-tenant conversational agents."""
