"""Public peers over the same corpus: LangGraph's AsyncPostgresStore and LangChain's PGVectorStore, see ``peer_process.py``."""

from __future__ import annotations

import asyncio
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import IO, Final
from uuid import UUID

import numpy as np
import orjson
from sqlalchemy.engine import make_url

from benchmarks.searching.corpora import Corpus
from benchmarks.searching.stored import Stored
from benchmarks.searching.timing import Answer, Way
from focal_data.testing.databases import driver_url, fresh_database, on_server

NAMES: Final = {
    "langgraph": "LangGraph, AsyncPostgresStore",
    "langchain": "langchain-postgres, PGVectorStore",
}
SCRIPT: Final = Path(__file__).with_name("peer_process.py")
_LONGEST_LINE: Final = 1 << 20


async def peers(stack: AsyncExitStack, stored: Stored, python: str) -> dict[str, Way]:
    """How each answers, by its name; none, and a message, when they are not installed.

    ``python`` is an interpreter that has them, or ``uv``, which makes an environment from what the script asks for.
    """
    url = await stack.enter_async_context(fresh_database(stored.base.url))
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    await on_server(url, "CREATE EXTENSION IF NOT EXISTS vector")
    _write(folder, stored.corpus, stored.ids)
    program = ["uv", "run", "--quiet", "--script"] if python == "uv" else [python]
    arguments = [*program, str(SCRIPT), driver_url(make_url(url)), str(folder)]
    said = stack.enter_context((folder / "errors").open("w+b"))
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments, stdin=PIPE, stdout=PIPE, stderr=said, limit=_LONGEST_LINE
        )
    except OSError as error:
        print(f"  (peers left out: {python} does not start, {type(error).__name__})")
        return {}
    stack.push_async_callback(_ended, process)
    if not await _ready(process, said):
        return {}
    return {name: partial(_answer, process, key) for key, name in NAMES.items()}


def _write(folder: Path, corpus: Corpus, ids: Sequence[UUID]) -> None:
    np.savez(
        folder / "corpus.npz",
        vectors=corpus.vectors,
        queries=corpus.queries,
        owners=corpus.owners,
        asked=corpus.asked,
    )
    scopes = [[str(scope.tenant_id), str(scope.agent_id)] for scope in corpus.scopes]
    texts = [f"{text} ({row})" for row, text in enumerate(corpus.texts)]  # by which they know a row's vector
    told = {"ids": [str(id_) for id_ in ids], "texts": texts, "scopes": scopes}
    (folder / "corpus.json").write_bytes(orjson.dumps(told))


async def _ready(process: Process, said: IO[bytes]) -> bool:
    assert process.stdout is not None
    if await process.stdout.readline() == b"ready\n":
        return True
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    print(f"  (peers left out: {lines[-1] if lines else 'their process ended'})")
    return False


async def _answer(process: Process, key: str, query: int) -> Answer:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{key} {query}\n".encode())
    told = orjson.loads(await process.stdout.readline())
    return Answer([UUID(found) for found in told["ids"]], told["seconds"])


async def _ended(process: Process) -> None:
    """Closing its input ends it."""
    if process.stdin is not None:
        process.stdin.close()
    await process.wait()
