"""The floor: the same work with asyncpg by hand. SQL as text, prepared once; pydantic validates what comes back.

``bare`` works have no tenant: the cheapest that a single-tenant program could be. ``promised`` ones keep the same promise as
ours: BEGIN and the tenant in one message, the application role, COMMIT.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import TypeAdapter

from benchmarks.ground import Ground
from focal_data.domain.config import Rule
from focal_data.domain.memory import Episode
from focal_data.domain.signs import sign_codes
from focal_data.ids import new_id

RULE_COLUMNS: Final = (
    "tenant_id",
    "id",
    "revision",
    "created_at",
    "updated_at",
    "deleted_at",
    "agent_id",
    "name",
    "description",
    "condition_text",
    "action_text",
    "action_type",
    "action_config",
    "scope",
    "scope_id",
    "priority",
    "enabled",
    "max_fires_per_session",
    "cooldown_turns",
    "is_hard_constraint",
    "attached_tool_ids",
    "attached_template_ids",
    "embedding",
    "embedding_model",
    "embedding_dimensions",
)
_COLUMNS: Final = ", ".join(RULE_COLUMNS)
GET: Final = f"SELECT {_COLUMNS} FROM rules WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"  # noqa: S608
LIST: Final = (
    f"SELECT {_COLUMNS} FROM rules WHERE tenant_id = $1 AND agent_id = $2 AND enabled AND deleted_at IS NULL"  # noqa: S608
    " ORDER BY priority DESC, id"
)
INSERT: Final = (
    f"INSERT INTO rules ({_COLUMNS}) VALUES ({', '.join(f'${n + 1}' for n in range(len(RULE_COLUMNS)))})"  # noqa: S608
)
_CHANGED: Final = [
    name for name in RULE_COLUMNS if name not in ("tenant_id", "id", "created_at", "deleted_at", "revision")
]
UPDATE: Final = (
    f"UPDATE rules SET {', '.join(f'{name} = ${n + 4}' for n, name in enumerate(_CHANGED))}, revision = $3 + 1"  # noqa: S608
    " WHERE tenant_id = $1 AND id = $2 AND revision = $3 AND deleted_at IS NULL"
)
_RULES: Final = TypeAdapter(list[Rule])


@asynccontextmanager
async def bare(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """A connection without a transaction."""
    async with ground.bare.acquire() as connection:
        yield connection


@asynccontextmanager
async def promised(ground: Ground) -> AsyncIterator[asyncpg.Connection]:
    """A connection in a transaction of the tenant."""
    async with ground.bound.acquire() as connection:
        await connection.execute(f"BEGIN;SET LOCAL focal.tenant_id='{ground.tenant.tenant_id}'")
        yield connection
        await connection.execute("COMMIT")


def parsed(row: asyncpg.Record) -> dict[str, Any]:
    """A rule's row as pydantic takes it; these rules have no embedding."""
    values = dict(row)
    del values["embedding_model"], values["embedding_dimensions"]
    return values


async def get_rule(connection: asyncpg.Connection, tenant_id: UUID, rule_id: UUID) -> Rule:
    """Read by id."""
    return Rule.model_validate(parsed(await connection.fetchrow(GET, tenant_id, rule_id)))


async def list_rules(connection: asyncpg.Connection, tenant_id: UUID, agent_id: UUID) -> list[Rule]:
    """Fifty rules."""
    return _RULES.validate_python([parsed(row) for row in await connection.fetch(LIST, tenant_id, agent_id)])


async def insert_rule(connection: asyncpg.Connection, tenant_id: UUID, rule: Rule) -> Rule:
    """Insert one, and give it back as stored."""
    now = datetime.now(UTC)
    stored = rule.model_copy(
        update={"tenant_id": tenant_id, "revision": 1, "created_at": now, "updated_at": now}
    )
    await connection.execute(INSERT, *_arguments(stored, RULE_COLUMNS))
    return stored


async def update_rule(connection: asyncpg.Connection, tenant_id: UUID, rule: Rule) -> Rule:
    """Update one whose revision is still the stored one."""
    changed = rule.model_copy(update={"updated_at": datetime.now(UTC)})
    tag = await connection.execute(UPDATE, tenant_id, rule.id, rule.revision, *_arguments(changed, _CHANGED))
    if tag != "UPDATE 1":
        raise RuntimeError(tag)
    return changed.model_copy(update={"revision": rule.revision + 1})


def _arguments(rule: Rule, columns: tuple[str, ...] | list[str]) -> list[Any]:
    values = {
        **rule.__dict__,
        "action_config": orjson.dumps(rule.action_config).decode(),
        "embedding_model": None,
        "embedding_dimensions": None,
    }
    return [values[name] for name in columns]


EPISODE_COLUMNS: Final = (
    "tenant_id",
    "id",
    "agent_id",
    "customer_profile_id",
    "session_id",
    "group_id",
    "content",
    "content_type",
    "language",
    "source",
    "source_metadata",
    "importance",
    "occurred_at",
    "recorded_at",
    "valid_from",
    "valid_to",
    "embedding",
    "embedding_code",
    "embedding_model",
    "embedding_dimensions",
    "entity_ids",
)
INSERT_EPISODE: Final = (
    f"INSERT INTO episodes ({', '.join(EPISODE_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join(f'${n + 1}' for n in range(len(EPISODE_COLUMNS)))})"
)


async def insert_episodes(connection: asyncpg.Connection, tenant_id: UUID, episodes: list[Episode]) -> None:
    """Binary executemany from the same objects."""
    await connection.executemany(INSERT_EPISODE, _episodes(episodes, tenant_id))


async def insert_episodes_together(
    connection: asyncpg.Connection, tenant_id: UUID, episodes: list[Episode], rows: int = 32
) -> None:
    """Binary executemany of a statement of ``rows`` rows; their number must be a multiple of that."""
    width = len(EPISODE_COLUMNS)
    places = (f"({', '.join(f'${row * width + n + 1}' for n in range(width))})" for row in range(rows))
    statement = f"INSERT INTO episodes ({', '.join(EPISODE_COLUMNS)}) VALUES {', '.join(places)}"  # noqa: S608
    values = _episodes(episodes, tenant_id)
    chunks = (values[i : i + rows] for i in range(0, len(values), rows))
    await connection.executemany(statement, [[value for row in chunk for value in row] for chunk in chunks])


def _episodes(episodes: list[Episode], tenant_id: UUID) -> list[tuple[Any, ...]]:
    now = datetime.now(UTC)
    vectors = np.stack([episode.embedding.vector for episode in episodes if episode.embedding])
    codes = sign_codes(vectors)
    return [_episode(episode, tenant_id, now, code) for episode, code in zip(episodes, codes, strict=True)]


def _episode(episode: Episode, tenant_id: UUID, now: datetime, code: NDArray[np.uint8]) -> tuple[Any, ...]:
    embedding = episode.embedding
    assert embedding is not None
    return (
        tenant_id,
        new_id(),
        episode.agent_id,
        episode.customer_profile_id,
        episode.session_id,
        episode.group_id,
        episode.content,
        episode.content_type,
        episode.language,
        episode.source,
        orjson.dumps(episode.source_metadata).decode(),
        episode.importance,
        episode.occurred_at,
        now,
        episode.valid_from,
        episode.valid_to,
        b"\x06\x00\x00\x00" + embedding.vector.astype(np.dtype(">f2")).tobytes(),
        asyncpg.BitString.frombytes(code.tobytes()),
        embedding.model,
        len(embedding),
        episode.entity_ids,
    )
