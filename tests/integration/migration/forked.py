"""Command lines that many processes run at one moment, without the start of a Python for each.

As a program it imports what they need and nothing else happens in it: no thread, no event loop, no connection. Then it takes
requests on standard input, a line of JSON each, forks one process for each command line and opens them a gate when all are
there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import traceback
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL
from tempfile import TemporaryFile
from typing import BinaryIO, Final

REPOSITORY: Final = Path(__file__).parents[3]
ALEMBIC: Final = ("alembic", "upgrade", "head")
FOCAL_DATA: Final = ("focal-data", "--debug", "db", "upgrade")
"""Says which revisions it runs, as the other does."""

End = tuple[int, str]
"""The exit code of a process, and what it said on standard error."""


@dataclass(frozen=True)
class Forks:
    """The program that forks."""

    _process: Process

    async def run(
        self, commands: Sequence[tuple[str, ...]], environment: dict[str, str], *, cwd: Path
    ) -> list[End]:
        """How each of ``commands`` ends, all started at once in processes of their own."""
        asked = json.dumps({"commands": commands, "environment": environment, "cwd": str(cwd)})
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{asked}\n".encode())
        return [(code, said) for code, said in json.loads(await self._process.stdout.readline())]


@asynccontextmanager
async def forking() -> AsyncIterator[Forks]:
    """A program that forks; it and whatever it has forked is gone at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", __name__),
        cwd=REPOSITORY,
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,
        limit=2**24,
    )
    try:
        yield Forks(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, SIGKILL)
        await process.communicate()


def _serve() -> None:
    programs = _programs()
    assert 1 == threading.active_count()
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.update(asked["environment"])
        os.chdir(asked["cwd"])
        print(json.dumps(_all_at_once(programs, asked["commands"])), flush=True)  # noqa: T201


def _programs() -> dict[str, Callable[[], object]]:
    import sqlalchemy.dialects.postgresql.asyncpg
    import sqlalchemy.ext.asyncio  # noqa: F401
    from alembic.config import main

    import focal_data.cli.db
    import focal_data.migration.commands
    import focal_data.migration.environment  # noqa: F401
    from focal_data.cli.main import run

    return {"alembic": main, "focal-data": run}


def _all_at_once(programs: dict[str, Callable[[], object]], commands: list[list[str]]) -> list[End]:
    (waiting, opened), (ready, said) = os.pipe(), os.pipe()
    with ExitStack() as stack:
        children = []
        for command in commands:
            errors = stack.enter_context(TemporaryFile())
            child = os.fork()
            if child == 0:
                os.close(opened)
                os.dup2(os.open(os.devnull, os.O_RDWR), 1)
                os.dup2(errors.fileno(), 2)
                os.write(said, b".")
                os.read(waiting, 1)  # until nobody holds its other end
                os._exit(_code(programs[command[0]], command))
            children.append((child, errors))
        for _ in children:
            os.read(ready, 1)
        for end in (opened, waiting, ready, said):
            os.close(end)
        return [_end(child, errors) for child, errors in children]


def _code(program: Callable[[], object], command: list[str]) -> int:
    """The exit code of ``program``, run as a console script is; without the end of a Python for each, as well."""
    sys.argv = command
    try:
        program()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  (it is not to go on as its parent)
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()
    return 0


def _end(child: int, errors: BinaryIO) -> End:
    _, status = os.waitpid(child, 0)
    errors.seek(0)
    return os.waitstatus_to_exitcode(status), errors.read().decode()


if __name__ == "__main__":
    _serve()
