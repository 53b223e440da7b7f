"""Importing ideation sessions from Redis, beside the same inserts by hand: what reading, checking and verifying cost.

A session has 50 messages, 10 requirements, a maturity, a draft and 5 stories, and is one transaction. By hand there is nothing
to read: the rows are ready, and go in by asyncpg's ``executemany``, table by table, as the application role.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import orjson

from benchmarks.ground import Ground
from benchmarks.timing import Operation, Work
from focal_data.data_layer import PostgresDataLayer
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityCategory,
    MaturityState,
    MessageRole,
    PRDDraft,
    PRDSection,
    UserStory,
)
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.operations.ideation_import import IdeationImport
from focal_data.redis.ideation_legacy import LegacyIdeation

SESSIONS, MESSAGES, WISHES, STORIES = 10, 50, 10, 5
THEN: Final = datetime(2026, 1, 31, 10, tzinfo=UTC)
TEXT: Final = "The customers should be able to give an item back from their phone, without an account. " * 3


async def ideation_works(ground: Ground) -> AsyncIterator[Work]:
    """The import of ten sessions, each round into a tenant of its own."""
    data = ground.data
    assert isinstance(data, PostgresDataLayer)
    archives = [an_archive(f"session-{number}", MESSAGES) for number in range(SESSIONS)]
    legacy = LegacyIdeation(data.redis)
    for archive in archives:
        await legacy.write(archive)
    inserts = [list(_inserts(archive)) for archive in archives]
    contenders = {
        "ours": _importing(data, legacy),
        "asyncpg by hand": _by_hand(ground.bound, inserts),
        "asyncpg by hand, without a policy": _by_hand(ground.bare, inserts),
    }
    name = f"ideation: {SESSIONS} sessions of {MESSAGES} messages imported"
    yield Work(name, contenders, {"asyncpg by hand": 1.5}, rounds=20, operations=1)


def an_archive(session_id: str, messages: int) -> IdeationArchive:
    """A session of ordinary size."""
    part: dict[str, Any] = {"session_id": session_id}
    session = IdeationSession(
        id=session_id, project_name="Returns", user_id="ada", version=3, created_at=THEN, updated_at=THEN
    )
    return IdeationArchive(
        session,
        [
            ChatMessage(
                id=str(uuid4()),
                role=(MessageRole.USER, MessageRole.ASSISTANT)[number % 2],
                content=TEXT,
                timestamp=THEN,
                maturity_delta=1.5,
                metadata={"tokens": 81, "model": "fake"},
                **part,
            )
            for number in range(messages)
        ],
        [
            ExtractedRequirement(
                id=f"{session_id}-{number:02}", description=TEXT, category_id="scope", created_at=THEN, **part
            )
            for number in range(WISHES)
        ],
        MaturityState(
            score=41.5,
            level="defined",
            categories=[MaturityCategory(id=f"c{n}", name="Scope", score=50.0) for n in range(5)],
            gaps=["Who pays?"],
            updated_at=THEN,
            **part,
        ),
        [
            PRDDraft(
                title="Returns",
                sections=[PRDSection(id=f"s{n}", heading="Goal", content=TEXT, order=n) for n in range(5)],
                created_at=THEN,
                **part,
            )
        ],
        [
            UserStory(
                title="Return an item",
                as_a="customer",
                i_want=TEXT,
                so_that="nobody has to wait",
                acceptance_criteria=["It takes less than a minute."],
                linked_requirements=[f"{session_id}-00"],
                created_at=THEN,
                **part,
            )
            for _ in range(STORIES)
        ],
    )


def _importing(data: PostgresDataLayer, legacy: LegacyIdeation) -> Operation:
    async def run() -> None:
        report = await IdeationImport(legacy, data.tenant(uuid4()).scope).run()
        assert report.sessions.total() == SESSIONS
        assert not report.failed

    return run


@dataclass(frozen=True)
class _Insert:
    """Rows of one table, without their tenant."""

    sql: str
    rows: Sequence[Sequence[Any]]


def _inserts(archive: IdeationArchive) -> Iterator[_Insert]:
    one = archive.session
    row = (one.id, one.project_name, one.user_id, one.status, one.data_source, one.version, THEN, THEN)
    columns = "id, project_name, user_id, status, data_source, version, created_at, updated_at"
    yield _insert("ideation_sessions", columns, [row])
    columns = "id, session_id, position, role, content, timestamp, maturity_delta, metadata"
    yield _insert(
        "ideation_messages",
        columns,
        [
            (m.id, m.session_id, n, m.role, m.content, m.timestamp, m.maturity_delta, _json(m.metadata))
            for n, m in enumerate(archive.messages)
        ],
    )
    columns = "id, session_id, description, type, priority, category_id, created_at"
    yield _insert(
        "ideation_requirements",
        columns,
        [
            (r.id, r.session_id, r.description, r.type, r.priority, r.category_id, r.created_at)
            for r in archive.requirements
        ],
    )
    m = archive.maturity
    assert m is not None
    columns = "session_id, score, level, categories, can_submit, gaps, updated_at"
    categories = _json([category.model_dump() for category in m.categories])
    row = (m.session_id, m.score, m.level, categories, m.can_submit, m.gaps, m.updated_at)
    yield _insert("ideation_maturity", columns, [row])
    columns = "id, session_id, title, version, sections, status, created_at"
    yield _insert(
        "ideation_prd_drafts",
        columns,
        [
            (
                d.id,
                d.session_id,
                d.title,
                d.version,
                _json([s.model_dump() for s in d.sections]),
                d.status,
                THEN,
            )
            for d in archive.drafts
        ],
    )
    columns = (
        "id, session_id, position, title, as_a, i_want, so_that, acceptance_criteria, linked_requirements,"
        " priority, created_at"
    )
    yield _insert(
        "ideation_user_stories",
        columns,
        [
            (
                s.id,
                s.session_id,
                n,
                *_words(s),
                s.acceptance_criteria,
                s.linked_requirements,
                s.priority,
                THEN,
            )
            for n, s in enumerate(archive.stories)
        ],
    )


def _words(story: UserStory) -> tuple[str, ...]:
    return story.title, story.as_a, story.i_want, story.so_that


def _insert(table: str, columns: str, rows: Sequence[Sequence[Any]]) -> _Insert:
    values = ", ".join(f"${n}" for n in range(2, columns.count(",") + 3))
    sql = f"INSERT INTO {table} (tenant_id, {columns}) VALUES ($1, {values})"  # noqa: S608
    return _Insert(sql, rows)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _by_hand(pool: asyncpg.Pool, sessions: Sequence[Sequence[_Insert]]) -> Operation:
    async def run() -> None:
        tenant_id = uuid4()
        async with pool.acquire() as connection:
            for inserts in sessions:
                await connection.execute(f"BEGIN;SET LOCAL focal.tenant_id='{tenant_id}'")
                await _all(connection, tenant_id, inserts)
                await connection.execute("COMMIT")

    return run


async def _all(connection: asyncpg.Connection, tenant_id: UUID, inserts: Sequence[_Insert]) -> None:
    for insert in inserts:
        await connection.executemany(insert.sql, [(tenant_id, *row) for row in insert.rows])
