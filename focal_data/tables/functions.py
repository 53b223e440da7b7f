"""Functions of the database, declared beside a table in its ``info["functions"]``; migrations bring them along."""

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Table

Execute = Literal["services", "everybody", "nobody"]
"""Who may call a function, beside its owner: the role that services run as, whoever connects, or nobody."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function, declared by what stands in ``CREATE FUNCTION`` after its name: from its arguments to its body.

    ``{schema}`` in it is the schema that migrations run in, quoted where that must be. A name has one function: there are no
    overloads. How the lines are indented is of no account.
    """

    name: str
    definition: str
    execute: Execute = "services"


def functions(table: Table) -> tuple[Function, ...]:
    """Those that ``table`` declares."""
    return tuple(table.info.get("functions", ()))
