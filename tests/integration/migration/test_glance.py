"""``focal-data db`` at a glance and in full: the same words and exit codes, whatever is found; and what each loads."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from unittest.mock import patch

import pytest

from focal_data.cli import main
from focal_data.migration import runner
from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines
from tests.integration.migration.conftest import REPOSITORY, Estate

HEAD = runner.head()
VERSIONS = runner.VERSION_TABLE
COMMANDS = [
    words.split()
    for words in (
        "db upgrade",
        "db upgrade --json",
        "db upgrade --json head",
        "db current",
        "db current --json",
        "db status",
        "db status --json",
    )
]
OTHERS = [
    words.split()
    for words in (
        f"db upgrade {HEAD}",
        "db upgrade no_such_revision",
        "db upgrade head head",
        "db --json upgrade",
        "--json db upgrade",
        "db current head",
        "db",
        "--debug db current",
    )
]
"""What is never told at a glance."""


@dataclass(frozen=True)
class Ended:
    """What became of a command, and whether a glance was enough."""

    code: object
    output: str
    errors: str
    at_a_glance: bool = field(compare=False)


Run = Callable[..., Awaitable[Ended]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in a folder of its own and with these variables alone; in ``full`` without the glance."""
    monkeypatch.chdir(tmp_path)
    glance = main.glance

    async def run(arguments: list[str], variables: dict[str, str], *, full: bool = False) -> Ended:
        enough: list[bool] = []

        def looked(given: list[str]) -> bool:
            enough.append(not full and glance(given))
            return enough[-1]

        capsys.readouterr()
        with patch.dict(os.environ, variables), monkeypatch.context() as patched:
            for name in [name for name in os.environ if name.startswith("FOCAL_DATA_")]:
                if name not in variables:
                    patched.delenv(name)
            patched.setattr(main, "glance", looked)
            patched.setattr(sys, "argv", ["focal-data", *arguments])
            code = await asyncio.to_thread(_code)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err, enough == [True])

    return run


def _code() -> object:
    try:
        main.run()
    except SystemExit as ended:
        return ended.code or 0
    except Exception as error:  # noqa: BLE001  (what --debug lets through)
        return repr(error)
    return 0


async def agreed(run: Run, arguments: list[str], variables: dict[str, str]) -> Ended:
    """What both ways tell."""
    told = await run(arguments, variables)
    assert await run(arguments, variables, full=True) == told, arguments
    return told


def _owner(estate: Estate) -> dict[str, str]:
    return {"FOCAL_DATA_MIGRATION_URL": estate.url(estate.owner), "FOCAL_DATA_APP_ROLE": estate.role}


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
async def test_at_head_a_glance_is_enough(estate: Estate, run: Run, arguments: list[str]) -> None:
    """However the database is named."""
    told = await agreed(run, arguments, _owner(estate))
    assert (0, True) == (told.code, told.at_a_glance), told
    assert HEAD in told.output


@pytest.mark.slow
@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
async def test_what_else_is_asked_is_answered_in_full(estate: Estate, run: Run, arguments: list[str]) -> None:
    """Other commands, revisions and wrong words."""
    assert not (await agreed(run, arguments, _owner(estate))).at_a_glance


VARIABLES: dict[str, Callable[[Estate], dict[str, str]]] = {
    "the service's URL alone": lambda e: {"FOCAL_DATA_DATABASE_URL": e.url(e.owner)},
    "both URLs": lambda e: _owner(e) | {"FOCAL_DATA_DATABASE_URL": e.url(e.service)},
    "the driver named": lambda e: {
        "FOCAL_DATA_MIGRATION_URL": e.url(e.owner).replace("postgresql://", "postgresql+asyncpg://")
    },
    "an empty URL": lambda e: {"FOCAL_DATA_MIGRATION_URL": "", "FOCAL_DATA_DATABASE_URL": e.url(e.owner)},
    "in small letters": lambda e: {"focal_data_migration_url": e.url(e.owner)},
    "the service": lambda e: {"FOCAL_DATA_MIGRATION_URL": e.url(e.service)},
}


@pytest.mark.slow
@pytest.mark.parametrize("variables", VARIABLES.values(), ids=VARIABLES)
async def test_the_database_is_found_where_it_is_named(
    estate: Estate, run: Run, variables: Callable[[Estate], dict[str, str]]
) -> None:
    """By either URL; one that is empty is not set. Who is no owner, and may not look, is told so by both."""
    for arguments in COMMANDS[::2]:
        assert (await agreed(run, arguments, variables(estate))).at_a_glance or variables is VARIABLES[
            "the service"
        ]


async def test_a_file_names_the_database(estate: Estate, run: Run) -> None:
    """And a variable comes before it."""
    Path(".env").write_text(  # noqa: ASYNC240
        f"export FOCAL_DATA_MIGRATION_URL='{estate.url(estate.owner)}'\n", encoding="utf-8"
    )
    told = await agreed(run, ["db", "current"], {})
    assert (0, f"{HEAD}\n", True) == (told.code, told.output, told.at_a_glance)
    elsewhere = {"FOCAL_DATA_MIGRATION_URL": "postgresql://nobody@127.0.0.1:1/nothing"}
    assert 1 == (await agreed(run, ["db", "current"], elsewhere)).code


SETTINGS = {
    "none": {},
    "blank": {"FOCAL_DATA_MIGRATION_URL": " "},
    "no URL": {"FOCAL_DATA_MIGRATION_URL": "secret"},
    "another's URL": {"FOCAL_DATA_MIGRATION_URL": "mysql://u:secret@h/db"},
    "a wrong number": {"FOCAL_DATA_POOL_SIZE": "none"},
    "a wrong role": {"FOCAL_DATA_APP_ROLE": "Robert'); DROP TABLE"},
    "an empty switch": {"FOCAL_DATA_REDIS_CLUSTER": ""},
    "short keys": {"FOCAL_DATA_AUDIT_KEYS": "a:short"},
    "POSTGRES_PORT": {"POSTGRES_PORT": "none"},
    "what contradicts": {"FOCAL_DATA_DATABASE_URL": "postgresql://u@h/db", "POSTGRES_HOST": "other"},
    "debug": {"FOCAL_DATA_DEBUG": "no"},
    "completion": {"_FOCAL_DATA_COMPLETE": "complete_bash"},
}


@pytest.mark.slow
@pytest.mark.parametrize("variables", SETTINGS.values(), ids=SETTINGS)
async def test_a_wrong_setting_is_told_in_full(estate: Estate, run: Run, variables: dict[str, str]) -> None:
    """Though the database is at head, and the setting isn't needed to say so."""
    given = {"FOCAL_DATA_MIGRATION_URL": estate.url(estate.owner)} if variables else {}
    for arguments in (COMMANDS[0], COMMANDS[-1]):
        assert not (await agreed(run, arguments, given | variables)).at_a_glance


DATABASES = {
    "of tomorrow": f"UPDATE {VERSIONS} SET version_num = 'of_tomorrow'",
    "two heads": f"INSERT INTO {VERSIONS} VALUES ('0001')",
    "two heads, one unknown": f"INSERT INTO {VERSIONS} VALUES ('of_tomorrow')",
    "not readable": f"REVOKE ALL ON {VERSIONS} FROM PUBLIC, CURRENT_USER",
    "another table": f"DROP TABLE {VERSIONS}; CREATE TABLE {VERSIONS} (mine text)",
}


@pytest.mark.parametrize("statement", DATABASES.values(), ids=DATABASES)
async def test_a_database_that_is_not_as_it_should_be(estate: Estate, run: Run, statement: str) -> None:
    """Is told by the same words, and the same exit code, which is not 0."""
    async with estate.connection(estate.owner) as connection:
        await connection.execute(statement)
    for arguments in COMMANDS[::3]:
        told = await agreed(run, arguments, _owner(estate))
        assert (1, False) == (told.code, told.at_a_glance), told


BEHIND = {
    "behind": f"UPDATE {VERSIONS} SET version_num = '0005'",
    "no row": f"DELETE FROM {VERSIONS}",
    "no table": f"DROP TABLE {VERSIONS}",
}


@pytest.mark.slow
@pytest.mark.parametrize("statement", BEHIND.values(), ids=BEHIND)
async def test_behind_head_everything_is_told(estate: Estate, run: Run, statement: str) -> None:
    """What is pending, and what it would do."""
    async with estate.connection(estate.owner) as connection:
        await connection.execute(statement)
    for arguments in COMMANDS[3:]:
        told = await agreed(run, arguments, _owner(estate))
        assert (0, False) == (told.code, told.at_a_glance), told


@pytest.mark.slow
async def test_a_database_that_is_behind_is_upgraded(focal_engines: Engines, run: Run) -> None:
    """From nothing, each way a database of its own; and then a glance is enough."""
    told = []
    for full in (False, True):
        async with fresh_database(focal_engines.admin_url) as url:
            variables = {"FOCAL_DATA_MIGRATION_URL": url}
            told.append(await run(["db", "upgrade"], variables, full=full))
            assert full != (await run(["db", "upgrade"], variables, full=full)).at_a_glance
    assert [told[0]] * 2 == told
    assert (0, False) == (told[0].code, told[0].at_a_glance)


async def test_a_server_that_is_not_there(run: Run) -> None:
    """Nobody at a port, no socket, a name that is none."""
    for place in ("127.0.0.1:1", "/db?host=/nowhere", "nowhere.invalid"):
        variables = {"FOCAL_DATA_MIGRATION_URL": f"postgresql://u:secret@{place}"}
        assert 1 == (await agreed(run, ["db", "upgrade"], variables)).code


async def test_a_login_and_a_database_that_are_not_there(estate: Estate, run: Run) -> None:
    """The server says no."""
    url = estate.url("nobody_of_that_name")
    for wrong in (url, f"{estate.url(estate.owner)}".replace("focal_test_", "focal_other_")):
        assert 1 == (await agreed(run, ["db", "upgrade"], {"FOCAL_DATA_MIGRATION_URL": wrong})).code


REFUSED = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0\0"


@asynccontextmanager
async def _refusing() -> AsyncIterator[int]:
    """The port of a server to which every password is wrong."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big") - 4)
        writer.write(b"E" + (len(REFUSED) + 4).to_bytes(4, "big") + REFUSED)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_wrong_password(run: Run) -> None:
    """Is told, and is not."""
    async with _refusing() as port:
        url = f"postgresql://owner:secret@127.0.0.1:{port}/db?sslmode=disable"
        told = await agreed(run, ["db", "upgrade"], {"FOCAL_DATA_MIGRATION_URL": url})
    assert (1, False) == (told.code, "secret" in told.errors), told
    assert "password" in told.errors or "login" in told.errors


@pytest.mark.parametrize("stream", ["closed", "full"])
async def test_where_nothing_can_be_written(
    estate: Estate, run: Run, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    """No standard output is none to write to; a disk that is full is told."""
    codes = []
    for full in (False, True):
        with ExitStack() as stack:
            output = stack.enter_context(_full()) if stream == "full" else None
            monkeypatch.setattr(sys, "stdout", output)
            codes.append((await run(["db", "current"], _owner(estate), full=full)).code)
    assert codes == [1 if stream == "full" else 0] * 2


@contextmanager
def _full() -> Iterator[IO[str]]:
    file = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115, PTH123  (it can't be closed without an error)
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


LIBRARIES = {"alembic", "pydantic", "pydantic_settings", "rich", "sqlalchemy", "sqlmodel", "typer"}
COMPARING = {
    "focal_data.migration.configuration",
    "focal_data.settings",
    "focal_data.tables",
    "pydantic_settings",
}
OURS = "from focal_data.cli.main import run; run()"
ALEMBIC = "from alembic.config import main; main()"
LOADED: list[tuple[str, str, set[str]]] = [
    (OURS, "db upgrade", LIBRARIES),
    (OURS, "db current", LIBRARIES),
    (OURS, "db status", LIBRARIES),
    (ALEMBIC, "upgrade head", COMPARING | {"sqlalchemy.ext.asyncio"}),
    (ALEMBIC, "current", COMPARING),
]


@pytest.mark.slow
@pytest.mark.parametrize(("code", "arguments", "others"), LOADED, ids=[words for _, words, _ in LOADED])
async def test_at_head_a_command_loads_what_it_needs(
    estate: Estate, code: str, arguments: str, others: set[str]
) -> None:
    """For us a driver is all. Alembic brings SQLAlchemy and its revisions along; only it needs no tables then."""
    loaded = await _loaded(estate, code, arguments.split())
    assert "asyncpg" in loaded
    assert set() == loaded & others


async def _loaded(estate: Estate, code: str, arguments: list[str]) -> set[str]:
    """What a process has loaded by its end, as it says itself."""
    saying = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {code}"
    ended, _, errors = await _ended(estate, saying, arguments)
    assert 0 == ended, errors
    return set(errors.splitlines()[-1].split())


async def _ended(estate: Estate, code: str, arguments: list[str]) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *arguments),
        cwd=REPOSITORY,
        env=os.environ | _owner(estate),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


IN_FULL = f"""
from focal_data.migration import environment, plain
plain.settings = lambda: None
environment._only_shows = lambda config: False
{ALEMBIC}
"""
FOUND = {
    "at head": "SELECT",
    "behind": BEHIND["behind"],
    "nothing": BEHIND["no table"],
    "of tomorrow": DATABASES["of tomorrow"],
}


@pytest.mark.slow
@pytest.mark.parametrize("statement", FOUND.values(), ids=FOUND)
async def test_alembic_tells_what_it_would_in_full(estate: Estate, statement: str) -> None:
    """The same words and exit code, though settings and tables are not loaded."""
    async with estate.connection(estate.owner) as connection:
        await connection.execute(statement)
    arguments = ["current", "--verbose", "--check-heads"]
    assert await _ended(estate, IN_FULL, arguments) == await _ended(estate, ALEMBIC, arguments)
