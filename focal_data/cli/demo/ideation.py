"""``focal-data demo --ideation``: one studio session on each backend, whose process is killed in the middle, and resumed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from time import perf_counter
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from focal_data.backends import get_repository_factory
from focal_data.cli.demo.ideation_child import LONGEST, WAITS
from focal_data.cli.demo.ideation_script import ANSWERED, DOCUMENT, KILLED_IN, PROJECT, SAID, STORIES, USER
from focal_data.cli.demo.ids import DEMO, named
from focal_data.cli.demo.running import engines, uses_settings
from focal_data.data_layer import DataLayer, PostgresDataLayer
from focal_data.errors import ProviderConnectionError, UsageError
from focal_data.ids import new_id
from focal_data.providers.llm.fake import FakeLLMProvider
from focal_data.services.ideation import Conversation, IdeationService
from focal_data.settings import Settings
from focal_data.stores.ideation import IdeationTenant

TENANT: Final = named(DEMO, "ideation")
_CHILD: Final = "focal_data.cli.demo.ideation_child"
_PREFIXES: Final = ("FOCAL_DATA_", "POSTGRES_", "IDEATION_")


class Backend(StrEnum):
    """On which backend it plays."""

    POSTGRES = "postgres"
    REDIS = "redis"
    MEMORY = "memory"
    ALL = "all"


@dataclass(frozen=True)
class Played:
    """What was seen on one backend."""

    backend: str
    session_id: str
    ended_by: str
    """How it ended in the middle: by ``SIGKILL``, or in memory, which no other process has, by an error of the model."""
    found: int
    """Messages that were there afterwards, the last of which waited for its answer."""
    messages: int
    requirements: int
    score: float
    level: str
    can_submit: bool
    draft: str
    stories: int
    seconds: float


async def play(settings: Settings, data_dir: Path | None, backend: Backend) -> list[Played]:
    """Play it on each of them, on the engines that ``settings`` name, or on our own."""
    wanted = [one for one in Backend if backend in (one, Backend.ALL) and one is not Backend.ALL]
    played = []
    async with _opened(settings, data_dir, wanted) as data:
        for one in wanted:
            started = perf_counter()
            if data is None or one is Backend.MEMORY:
                seen = await _in_this_process()
            else:
                seen = await _in_another(
                    one, data, None if uses_settings(settings, data_dir) else data.settings
                )
            played.append(_told(one, *seen, perf_counter() - started))
    return played


def show(played: Sequence[Played], console: Console) -> None:
    """What was seen, for people."""
    table = Table(
        title=f"{PROJECT}: a session of the ideation studio", title_justify="left", box=box.SIMPLE_HEAD
    )
    for heading in ("", *(one.backend for one in played)):
        table.add_column(heading)
    for heading, line in (
        ("ended by", lambda one: "SIGKILL" if one.ended_by == "SIGKILL" else "an error"),
        ("then there were", lambda one: f"{one.found} messages, one waits"),
        ("resumed", lambda one: f"{one.messages} messages"),
        ("requirements", lambda one: f"{one.requirements}"),
        ("maturity", lambda one: f"{one.score:.1f}, {one.level}{', may be submitted' * one.can_submit}"),
        ("document", lambda one: one.draft),
        ("user stories", lambda one: f"{one.stories}"),
        ("seconds", lambda one: f"{one.seconds:.1f}"),
    ):
        table.add_row(heading, *map(line, played))
    console.print(table)
    if any(one.backend == Backend.MEMORY for one in played):
        console.print(
            "What is kept in memory does not survive its process: there, the model fails, and the same process resumes.",
            soft_wrap=True,
        )


def as_json(played: Sequence[Played]) -> dict[str, Any]:
    """The same for programs."""
    return {"tenant_id": str(TENANT), "ideation": [asdict(one) for one in played]}


@asynccontextmanager
async def _opened(
    settings: Settings, data_dir: Path | None, wanted: Sequence[Backend]
) -> AsyncIterator[PostgresDataLayer | None]:
    """The engines, if one is needed."""
    if wanted == [Backend.MEMORY]:
        yield None
    else:
        async with engines(settings, data_dir) as data:
            yield data


async def _in_another(
    backend: Backend, data: PostgresDataLayer, own: Settings | None
) -> tuple[str, Conversation, Conversation]:
    """Begun by a process that is killed, and resumed by this one."""
    session_id = str(new_id())
    ended_by = await _killed(backend, session_id, own)
    stores = get_repository_factory(data, backend).tenant(TENANT)
    return ended_by, *await _resumed(stores, session_id)


async def _in_this_process() -> tuple[str, Conversation, Conversation]:
    stores = DataLayer.in_memory().tenant(TENANT).ideation
    studio = IdeationService(
        stores, FakeLLMProvider(*ANSWERED[:KILLED_IN], ProviderConnectionError("made up for the demo"))
    )
    session = await studio.start(USER, PROJECT)
    for text in SAID[:KILLED_IN]:
        await studio.chat(session.id, text)
    try:
        await studio.chat(session.id, SAID[KILLED_IN])
    except ProviderConnectionError as error:
        return type(error).__name__, *await _resumed(stores, session.id)
    raise AssertionError("the model answered")


async def _killed(backend: Backend, session_id: str, own: Settings | None) -> str:
    """Let another process play as far as the answer that never comes, and end it as nothing can be prepared for."""
    command = (sys.executable, "-m", _CHILD, backend.value, str(TENANT), session_id)
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, env=_environment(own), start_new_session=True
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LONGEST):
            line = await process.stdout.readline()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
    if line.decode().strip() != WAITS or process.returncode != -signal.SIGKILL:
        raise UsageError(f"the process that was to be killed ended by itself, with {process.returncode}")
    return signal.SIGKILL.name


def _environment(own: Settings | None) -> dict[str, str]:
    """Where the process finds the engines: in the environment, never among its arguments, since URLs hold passwords."""
    if own is None:
        return dict(os.environ)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIXES)}
    for name, url in (("DATABASE", own.database_url), ("REDIS", own.redis_url)):
        if url is not None:
            kept[f"FOCAL_DATA_{name}_URL"] = url.get_secret_value()
    return kept


async def _resumed(stores: IdeationTenant, session_id: str) -> tuple[Conversation, Conversation]:
    """What was there, and what there is when it has been played to its end."""
    studio = IdeationService(stores, FakeLLMProvider(*ANSWERED[KILLED_IN:], DOCUMENT, STORIES))
    found = await studio.resume(session_id)
    await studio.retry(session_id)
    for text in SAID[KILLED_IN + 1 :]:
        await studio.chat(session_id, text)
    await studio.generate_prd(session_id)
    await studio.generate_user_stories(session_id)
    return found, await studio.resume(session_id)


def _told(
    backend: Backend, ended_by: str, found: Conversation, whole: Conversation, seconds: float
) -> Played:
    said = [text for user, model in zip(SAID, ANSWERED, strict=True) for text in (user, model.reply)]
    kept = [message.content for message in whole.messages]
    waiting = found.waiting.content if found.waiting else None
    if kept != said or waiting != SAID[KILLED_IN] or whole.draft is None:
        raise UsageError(
            f"{backend.value} has not kept what was said: {len(kept)} messages instead of {len(said)}"
        )
    return Played(
        backend=backend.value,
        session_id=whole.session.id,
        ended_by=ended_by,
        found=len(found.messages),
        messages=len(whole.messages),
        requirements=len(whole.requirements),
        score=whole.maturity.score,
        level=whole.maturity.level,
        can_submit=whole.maturity.can_submit,
        draft=f"{whole.draft.version}, {len(whole.draft.sections)} sections",
        stories=len(whole.stories),
        seconds=round(seconds, 3),
    )
