"""The commands. Needs the extra ``cli``; ``main`` says so where it is missing."""

from __future__ import annotations

from typing import Final

from focal_data.cli.audit import audit
from focal_data.cli.customer import customer
from focal_data.cli.db import db
from focal_data.cli.demo.command import demo
from focal_data.cli.doctor import doctor
from focal_data.cli.ideation import ideation
from focal_data.cli.memory import memory
from focal_data.cli.root import new_app
from focal_data.cli.tenant import tenant

app: Final = new_app()
app.command()(demo)
app.command()(doctor)
app.add_typer(db)
app.add_typer(audit)
app.add_typer(customer)
app.add_typer(tenant)
app.add_typer(memory)
app.add_typer(ideation)
