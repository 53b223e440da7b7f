"""A little Alembic project in this process: revisions from a metadata, and what the catalogue says of the database."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, make_url

from focal_data.migration.connection import alchemy_connected
from focal_data.migration.place import Services
from tests.integration.migration.conftest import REPOSITORY, Estate

ENVIRONMENT = """from alembic import context
from sqlalchemy import MetaData

from focal_data.migration.environment import run

run(context.config.attributes.get("metadata", MetaData()), version_table="project_version")
"""
INI = """[alembic]
script_location = %(here)s/migrations
path_separator = os
"""


@dataclass
class Project:
    """Migrations in ``path`` of the tables of ``metadata``, run on the database of ``estate`` by its owner."""

    path: Path
    estate: Estate
    metadata: MetaData
    environment: str = ENVIRONMENT
    watch: Callable[[Connection], None] = lambda connection: None
    """What is done with every connection before a command uses it."""

    def __post_init__(self) -> None:
        if (self.path / "env.py").exists():
            return
        (self.path / "versions").mkdir(parents=True)
        (self.path / "env.py").write_text(self.environment, encoding="utf-8")
        template = (REPOSITORY / "alembic/script.py.mako").read_text(encoding="utf-8")
        (self.path / "script.py.mako").write_text(template, encoding="utf-8")

    async def run(self, called: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """One of Alembic's commands, on a connection of its own."""
        config = Config(stdout=io.StringIO())
        config.set_main_option("script_location", str(self.path))
        config.set_main_option("path_separator", "os")
        services = Services(self.estate.role, self.estate.service)
        config.attributes.update(metadata=self.metadata, services=services)

        def work(connection: Connection) -> Any:
            self.watch(connection)
            config.attributes["connection"] = connection
            return called(config, *arguments, **options)

        url = make_url(self.estate.url(self.estate.owner)).set(drivername="postgresql+asyncpg")
        async with alchemy_connected(url) as connection:
            return await connection.run_sync(work)

    async def generate(self, revision: str) -> list[str]:
        """Write what autogenerate finds; the text of each new file, in order."""
        made = await self.run(command.revision, message=revision, autogenerate=True, rev_id=revision)
        return [_text(script) for script in (made if isinstance(made, list) else [made])]

    async def upgrade(self, revision: str = "head") -> None:
        await self.run(command.upgrade, revision)

    async def downgrade(self, revision: str) -> None:
        await self.run(command.downgrade, revision)

    async def head(self) -> str | None:
        """The newest revision that is written."""
        config = Config()
        config.set_main_option("script_location", str(self.path))
        config.set_main_option("path_separator", "os")
        return ScriptDirectory.from_config(config).get_current_head()

    async def check(self) -> None:
        """Raises when autogenerate finds something."""
        await self.run(command.check)

    async def catalogue(self) -> dict[str, list[str]]:
        """What the database is like, whatever the order of columns: one that comes back is the last.

        Nor whatever a partition's index is called: PostgreSQL gives it a name when it is made with its table's.
        """
        found = await self.estate.catalogue()
        found["columns"] = sorted(re.sub(r"^(\S+) \d+ ", r"\1 ", line) for line in found["columns"])
        async with self.estate.connection() as connection:
            found["numbers and collations"] = [row[0] for row in await connection.fetch(_MORE)]
            names = await connection.fetch(_OF_PARTITIONS)
        for own, common in names:
            for name in (f'"{own}"', own):
                found = {kind: sorted(line.replace(name, common) for line in found[kind]) for kind in found}
        return found


_MORE = """SELECT concat_ws(' ', c.relname, attname, attidentity, attgenerated, attcollation::regcollation, s.*)
    FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid LEFT JOIN pg_sequences s
      ON concat(quote_ident(schemaname), '.', quote_ident(sequencename)) =
         pg_get_serial_sequence(quote_ident(relname), attname)
   WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace ORDER BY 1"""
_OF_PARTITIONS = """SELECT c.relname, concat_ws(' of ', pg_partition_root(indexrelid)::regclass, indrelid::regclass)
    FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE c.relispartition ORDER BY length(c.relname) DESC"""


def _text(script: Script) -> str:
    return Path(script.path).read_text(encoding="utf-8")


def operations(texts: list[str], *, way: str = "up") -> list[str]:
    """The operations on the way ``up`` or ``down``, in order; who waits how long for a lock is not one."""
    ways = (
        text.partition("def upgrade")[2].partition("def downgrade")[0 if way == "up" else 2] for text in texts
    )
    found = (name for body in ways for name in re.findall(r"\bop\.(\w+)\(", body))
    return [name for name in found if name not in ("f", "get_context", "execute")]
