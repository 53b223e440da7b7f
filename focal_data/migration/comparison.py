"""What is known of the comparison in progress, which several of Alembic's hooks take part in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Table

from focal_data.migration.definitions import Definitions
from focal_data.migration.foreign_keys import ForeignKeys


@dataclass
class Comparison:
    """What is known of the comparison in progress."""

    definitions: Definitions
    tables: dict[str, Table]
    """Those of the metadata that are compared, in an order that has parents first."""
    reflected: dict[str, Table] = field(default_factory=dict)
    """Those of the database, as Alembic has read them."""

    @property
    def keys(self) -> ForeignKeys:
        """The foreign keys that there are."""
        return ForeignKeys(self.definitions, self.tables, self.reflected)


comparisons: Final[WeakKeyDictionary[AutogenContext, Comparison]] = WeakKeyDictionary()


def escaped(expression: str) -> str:
    """As ``text()`` takes it: a colon and a word are no parameter."""
    return re.sub(r"(?<![:\w]):(?=\w)", r"\\:", expression)
