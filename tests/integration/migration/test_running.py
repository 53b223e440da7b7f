"""Running revisions: cut off anywhere, what they lock, and what the linter says of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asyncpg.exceptions import RaiseError
from sqlalchemy import Connection, MetaData, event
from sqlalchemy.exc import IntegrityError, PendingRollbackError

from focal_data.migration import runner
from focal_data.migration.commands import history
from focal_data.migration.locks import ACCESS_EXCLUSIVE, SHARE_ROW_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE, effects
from tests.integration.migration.changes import CHANGES, Declare, ix, new_metadata, parted
from tests.integration.migration.conftest import REPOSITORY, Estate, NewEstate
from tests.integration.migration.project import Project
from tests.integration.migration.test_changes import fill


class Killed(BaseException):
    """The process is gone."""


class Axe:
    """Cuts the connection off before statement ``number`` of a command; ``hit`` says whether there was one."""

    def __init__(self, number: int) -> None:
        self.left, self.hit = number, False

    def __call__(self, connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", self._count)

    def _count(self, connection: Connection, *_: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.hit = True
            connection.connection.dbapi_connection.driver_connection.terminate()  # type: ignore[union-attr]
            raise Killed


async def two_generations(path: Path, estate: Estate) -> Project:
    """A project with three revisions, the last of which builds an index concurrently."""
    project = await _one_generation(path, estate, CHANGES["many at once"].before)
    assert 2 == len(await _another(project, CHANGES["many at once"].after))
    await project.upgrade()
    return project


async def _one_generation(path: Path, estate: Estate, declare: Declare) -> Project:
    project = Project(path / "migrations", estate, new_metadata())
    declare(project.metadata)
    await project.generate("a")
    await project.upgrade()
    return project


async def _another(project: Project, declare: Declare) -> list[str]:
    project.metadata = new_metadata()
    declare(project.metadata)
    return await project.generate("b")


@pytest.mark.slow
async def test_an_upgrade_that_is_killed_can_be_run_again(new_estate: NewEstate, tmp_path: Path) -> None:
    """Killed before any of its statements, those outside a transaction too, the next upgrade makes the same database."""
    project = await two_generations(tmp_path, await new_estate())
    whole = await project.catalogue()
    assert 40 < await _killed_everywhere(project, whole)


@pytest.mark.slow
async def test_our_own_upgrade_that_is_killed_can_be_run_again(new_estate: NewEstate) -> None:
    """The same, before any statement of our own revisions, each from the one before it."""
    project = Project(REPOSITORY / "alembic", await new_estate(), MetaData())
    statements, start = 0, "base"
    for revision in reversed([one.revision for one in history()]):
        await project.upgrade(revision)
        whole = await project.catalogue()
        statements += await _killed_everywhere(project, whole, start=start, end=revision)
        start = revision
    assert 250 < statements


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unique index of partitions added", "index of partitions changed"])
async def test_an_index_of_partitions_that_is_killed_can_be_run_again(
    new_estate: NewEstate, tmp_path: Path, name: str
) -> None:
    """Killed before any of its statements, with partitions of partitions, it goes on where it was."""
    change = CHANGES[name]
    project = await _one_generation(tmp_path, await new_estate(), change.before)
    await fill(project, change)
    await _another(project, change.after)
    await project.upgrade()
    assert 20 < await _killed_everywhere(project, await project.catalogue(), start="a")


HALVES = tuple(
    f"CREATE TABLE notes_{n} PARTITION OF notes FOR VALUES WITH (MODULUS 2, REMAINDER {n})" for n in (0, 1)
)
ONE_OF_A_KIND = parted(ix("uq_notes_a", "tenant_id", "stars", unique=True))


@pytest.mark.slow
async def test_an_index_of_partitions_that_failed_is_built_anew(
    new_estate: NewEstate, tmp_path: Path
) -> None:
    """Rows that are there twice: what was left INVALID is dropped when they are gone and it is run again."""
    project = await _one_generation(tmp_path, await new_estate(), parted())
    await _another(project, ONE_OF_A_KIND)
    async with project.estate.connection(project.estate.owner) as owner:
        tenants = [f"md5('{number}')::uuid" for number in range(9)]
        rows = ", ".join(f"({tenant}, gen_random_uuid(), 'twice', 1)" for tenant in tenants * 2)
        await owner.execute(
            ";".join((*HALVES, f"INSERT INTO notes (tenant_id, id, title, stars) VALUES {rows}"))
        )
        with pytest.raises(IntegrityError):
            await project.upgrade()
        left = (await project.estate.catalogue())["invalid"]
        assert {"uq_notes_a", "uq_notes_a_notes_0"} == set(left)
        await owner.execute(
            "UPDATE notes SET stars = row FROM (SELECT id, row_number() OVER () AS row FROM notes) AS n WHERE n.id = notes.id"
        )
    await project.upgrade()
    assert [] == (await project.estate.catalogue())["invalid"]
    await project.check()


@pytest.mark.slow
async def test_a_script_does_not_pass_over_partitions(new_estate: NewEstate, tmp_path: Path) -> None:
    """It can't know them: it makes the index of a table that has none, and otherwise says what to run."""
    project = await _one_generation(tmp_path, await new_estate(), parted())
    await _another(project, ONE_OF_A_KIND)
    script = await _script(project, "a:head")
    assert [None] == [effect.warning for effect in effects(script, ours="project_version")]
    async with project.estate.connection(project.estate.owner) as owner:
        await owner.execute(script)
        await project.check()
        await project.downgrade("a")
        await owner.execute(HALVES[0])
        with pytest.raises(RaiseError, match="run this revision with alembic upgrade"):
            await owner.execute(script)


async def _killed_everywhere(
    project: Project, whole: dict[str, list[str]], *, start: str = "base", end: str = "head"
) -> int:
    """At every statement after ``start`` and up to ``end``, where the catalogue is ``whole``. How many there were.

    Where one leaves the catalogue as it was, the next begins from there; the last, which is not killed, shows what comes of it.
    """
    await project.downgrade(start)
    before, number = await project.catalogue(), 1
    while True:
        project.watch = axe = Axe(number)
        with suppress(Killed, PendingRollbackError):  # the latter where a block outside a transaction is left
            await project.upgrade(end)
        project.watch = lambda connection: None
        if axe.hit and before == await project.catalogue():
            number += 1
            continue
        await project.upgrade(end)
        assert whole == await project.catalogue(), number
        if not axe.hit:
            return number
        await project.downgrade(start)
        number += 1


TOLD = {
    ("0003", "entities", ACCESS_EXCLUSIVE, False),
    ("0003_online", "rules", "ROW EXCLUSIVE", False),
    ("0003_online", "rules", ACCESS_EXCLUSIVE, False),
    ("0003_online", "rules", SHARE_UPDATE_EXCLUSIVE, False),
    ("0004", "episodes", ACCESS_EXCLUSIVE, True),
    ("0004_online", "episodes", SHARE_UPDATE_EXCLUSIVE, False),
    ("0005", "scenarios", SHARE_ROW_EXCLUSIVE, False),
    ("0006", "relationships", SHARE_UPDATE_EXCLUSIVE, False),
}
"""Columns, codes for the rows there are, words written anew, what is staged refers to, indexes."""


@pytest.mark.slow
async def test_what_an_upgrade_would_lock_is_told(new_estate: NewEstate) -> None:
    """From one revision to the next; an empty database has nothing to lock, and at head there is nothing to do."""
    estate = await new_estate()
    assert [] == await runner.effects(estate.settings)
    await runner.upgrade(estate.settings, "0001")
    found = await runner.effects(estate.settings)
    assert {"audit_events", "turn_records"} == {e.table for e in found if e.revision == "0002"}
    assert TOLD <= {(e.revision, e.table, e.lock, e.rewrites) for e in found}
    assert [("0004", "episodes")] == [(e.revision, e.table) for e in found if e.rewrites]
    await runner.upgrade(estate.settings)
    assert [] == await runner.effects(estate.settings)


@pytest.mark.slow
async def test_generated_revisions_are_as_the_linter_wants_them(
    new_estate: NewEstate, tmp_path: Path
) -> None:
    """Of many changes at once only those are warned of that have a word of warning in the file, or no better way."""
    project = await two_generations(tmp_path, await new_estate())
    found = effects(await _script(project, "a:head"), ours="project_version")
    assert {"drops a column: the release before must not use it any more"} <= {
        effect.warning for effect in found
    }
    assert {"title", "words", "n"} >= {
        word for effect in found if effect.warning for word in _column_of(effect.statement)
    }
    locks = {effect.lock for effect in found if effect.revision == "b_online"}
    assert {ACCESS_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE} == locks


def _column_of(statement: str) -> Iterator[str]:
    words = statement.replace('"', "").split()
    yield words[words.index("COLUMN") + 1]


async def _script(project: Project, revisions: str) -> str:
    import io

    from alembic import command
    from alembic.config import Config

    from focal_data.migration.place import Services

    text = io.StringIO()
    config = Config(output_buffer=text)
    config.set_main_option("script_location", str(project.path))
    config.set_main_option("path_separator", "os")
    config.attributes.update(metadata=project.metadata, services=Services(project.estate.role))
    await asyncio.to_thread(command.upgrade, config, revisions, sql=True)
    return text.getvalue()


ACCEPTED = {
    "0002": {
        "builds an index while nobody can write: CONCURRENTLY, in a revision of its own",
        "looks at every row while nobody can read: NOT VALID, then VALIDATE CONSTRAINT in a later revision",
    },
    "0004": {
        "drops a column: the release before must not use it any more",
        "writes every row anew: a column without it, filled in batches",
    },
}
"""What was written before the linter was, and before there was a database to spare; and a computed column, which has a
remark in its revision: nothing fills one in batches."""


@pytest.mark.parametrize("before", ["base", *(one.revision for one in history()[1:])])
def test_our_revisions_are_as_the_linter_wants_them(before: str) -> None:
    """Whatever revision a database is at, what comes next holds nobody up, or is accepted by name."""
    script = runner.sql("postgresql://owner@127.0.0.1/any", f"{before}:head")
    found = effects(script, ours=runner.VERSION_TABLE)
    assert {one.revision for one in history()} >= {effect.revision for effect in found}
    warned = [e for e in found if e.warning and e.warning not in ACCEPTED.get(e.revision, set())]
    assert [] == warned
