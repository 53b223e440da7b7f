"""The tables on a real server: what they refuse, what they keep together, and what they compute."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from sqlalchemy import (
    CheckConstraint,
    Enum,
    Table,
    text,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from focal_data.domain.config import ScenarioStep
from focal_data.domain.memory import Language
from focal_data.ids import new_id
from focal_data.tables import metadata
from focal_data.tables.config import ScenarioTable
from focal_data.tables.shape import name_of
from focal_data.testing import factories
from focal_data.testing.databases import fresh_database
from focal_data.testing.engines import Engines
from focal_data.testing.factories import TableFactory, values_of

TENANT, AGENT, PROFILE, ENTITY = new_id(), new_id(), new_id(), new_id()
NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(days=1)
STEP = ScenarioStep(name="start")
STUDIO = "studio-1"

PARENTS: Final = [
    ("agents", {"id": AGENT}),
    ("customer_profiles", {"id": PROFILE}),
    ("entities", {"id": ENTITY}),
    ("ideation_sessions", {"id": STUDIO}),
]
COMMON: Final[dict[str, Any]] = {
    "tenant_id": TENANT,
    "agent_id": AGENT,
    "profile_id": PROFILE,
    "from_entity_id": ENTITY,
    "to_entity_id": ENTITY,
    "entity_id": ENTITY,
    "from_version": 1,
    "to_version": 2,
    "recorded_at": NOW,
    "valid_from": NOW,
    "superseded_at": LATER,
}
STAGED_OF: Final = {"episode_id", "rule_id", "scenario_id", "version_id"}
FACTORIES: Final[dict[str, type[TableFactory[Any]]]] = {
    made_by._meta.model.__tablename__: made_by
    for made_by in vars(factories).values()
    if isinstance(made_by, type) and issubclass(made_by, TableFactory) and not made_by._meta.abstract
}


def row_of(table: Table, /, **changes: Any) -> dict[str, Any]:
    """A good row, with ``changes``, which its factory would refuse if they are bad."""
    studio = {"session_id": STUDIO} if table.name.startswith("ideation_") else {}
    given = {name: value for name, value in (COMMON | studio).items() if name in table.columns}
    row = values_of(FACTORIES[table.name].build(**given))
    if table.name == "staged_embeddings" and STAGED_OF & changes.keys():
        row["entity_id"] = None  # of one thing, and of no other
    return row | changes


@pytest.fixture(scope="module")
async def engine(focal_engines: Engines) -> AsyncIterator[AsyncEngine]:
    """A database with all tables and the parents that their rows need."""
    async with fresh_database(focal_engines.admin_url) as url:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            await connection.execute(text("CREATE EXTENSION vector"))
            await connection.run_sync(metadata.create_all)
            await set_storage(connection)
            for name, changes in PARENTS:
                await add(connection, name, **changes)
        yield engine
        await engine.dispose()


async def set_storage(connection: AsyncConnection) -> None:
    """What SQLAlchemy has no words for, as a migration would say it."""
    for table in metadata.tables.values():
        for column in table.columns:
            if storage := column.info.get("storage"):
                await connection.execute(
                    text(f"ALTER TABLE {table} ALTER COLUMN {column.name} SET STORAGE {storage}")
                )
        for name, value in table.info.get("storage_parameters", {}).items():
            await connection.execute(text(f"ALTER TABLE {table} SET ({name} = {value})"))


@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection whose work is undone at the end."""
    async with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        await transaction.rollback()


async def add(connection: AsyncConnection, name: str, /, **changes: Any) -> dict[str, Any]:
    """A good row with ``changes``, added to the table ``name``."""
    table = metadata.tables[name]
    row = row_of(table, **changes)
    await connection.execute(table.insert(), row)
    return row


async def refusal(connection: AsyncConnection, name: str, /, **changes: Any) -> str:
    """The constraint that refuses a good row with ``changes``."""
    with pytest.raises(IntegrityError) as caught:
        await add(connection, name, **changes)
    return constraint_of(caught.value)


def constraint_of(error: IntegrityError) -> str:
    assert error.orig is not None
    return error.orig.__cause__.constraint_name  # type: ignore[union-attr, no-any-return]


BAD: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("rules", "scope_id_pairing", {"scope": "global", "scope_id": new_id()}),
    ("rules", "scope_id_pairing", {"scope": "step", "scope_id": None}),
    ("rules", "priority_range", {"priority": -101}),
    ("rules", "priority_range", {"priority": 101}),
    ("templates", "scope_id_pairing", {"scope": "global", "scope_id": new_id()}),
    ("templates", "scope_id_pairing", {"scope": "scenario"}),
    *(
        ("variables", "name_pattern", {"name": name})
        for name in ("", "1a", "Name", "a-b", "a\nb", "a\n", "é")
    ),
    ("migration_plans", "versions_differ", {"from_version": 2}),
    ("episodes", "importance_range", {"importance": -0.01}),
    ("episodes", "importance_range", {"importance": 1.01}),
    ("episodes", "importance_range", {"importance": float("nan")}),
    ("relationships", "confidence_range", {"confidence": 1.01}),
    ("relationships", "confidence_range", {"confidence": -0.01}),
    ("profile_fields", "confidence_range", {"confidence": 1.01}),
    ("profile_fields", "confidence_range", {"confidence": -0.01}),
    ("customer_profiles", "merged_into_another", {"id": (same := new_id()), "merged_into_id": same}),
    ("ideation_messages", "maturity_delta_range", {"maturity_delta": -101}),
    ("ideation_messages", "maturity_delta_range", {"maturity_delta": 101}),
    ("ideation_maturity", "score_range", {"score": -1}),
    ("ideation_maturity", "score_range", {"score": 101}),
    *(
        (name, "superseded_later", {"superseded_at": NOW})
        for name in ("entity_history", "relationship_history")
    ),
    *(
        (name, "valid_period", {"valid_from": NOW, "valid_to": end})
        for name in ("episodes", "entities", "relationships", "profile_fields")
        for end in (NOW, EARLIER)
    ),
    *(
        (name, "whole_embedding", part)
        for name in ("rules", "scenarios", "episodes", "entities", "staged_embeddings")
        for part in ({"embedding_model": "m"}, {"embedding_dimensions": 3}, {"embedding_code": bytes(192)})
    ),
    *(
        (name, "whole_link", part)
        for name in ("turn_records", "audit_events")
        for part in ({"chain_id": new_id()}, {"hash": b"h", "chain_sequence": 1})
    ),
    *((name, "current_version_range", {"current_version": 0}) for name in ("agents",)),
    *((name, "version_range", {"version": 0}) for name in ("scenarios", "scenario_archives")),
    ("staged_embeddings", "one_thing", {"entity_id": None}),
    ("staged_embeddings", "one_thing", {"entity_id": ENTITY, "rule_id": new_id()}),
    ("migration_plans", "from_version_range", {"from_version": 0}),
    ("migration_plans", "to_version_range", {"to_version": 0}),
    *(
        (name, f"{column}_range", {column: -1})
        for name, columns in {
            "rules": ("max_fires_per_session", "cooldown_turns"),
            "variables": ("cache_ttl_seconds",),
            "turn_records": ("turn_number", "tokens_used", "latency_ms"),
            "profile_assets": ("size_bytes",),
            "ideation_messages": ("position",),
            "ideation_user_stories": ("position",),
        }.items()
        for column in columns
    ),
]


def checks() -> set[tuple[str, str]]:
    """Every CHECK, by its table and the name that its table gives it."""
    return {
        (table.name, (name_of(constraint) or "").removeprefix(f"ck_{table.name}_"))
        for table in metadata.tables.values()
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }


NEVER_REACHED: Final = "episodes.language"
"""An unknown language has no words, and they must not be NULL: that is noticed before any CHECK."""


def derived() -> list[tuple[str, str, dict[str, Any]]]:
    """Bad rows that follow from the names: empty text, and a value outside an enumeration."""
    empty = [(t, c, {c.removesuffix("_given"): ""}) for t, c in sorted(checks()) if c.endswith("_given")]
    outside = [
        (table.name, column.name, {column.name: "GLOBAL"})
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, Enum) and str(column) != NEVER_REACHED
    ]
    return empty + outside


EVERY_BAD: Final = [*BAD, *derived()]


def test_every_check_is_tried() -> None:
    """No CHECK is left out of this file."""
    tried = {(table, check) for table, check, _ in EVERY_BAD}
    assert checks() == tried | {tuple(NEVER_REACHED.split("."))}


async def test_an_unknown_language_is_refused(connection: AsyncConnection) -> None:
    """No episode is stored without its words."""
    with pytest.raises(IntegrityError) as caught:
        await add(connection, "episodes", language="klingon")
    assert caught.value.orig is not None
    assert "content_tsv" == caught.value.orig.__cause__.column_name  # type: ignore[union-attr]


@pytest.mark.parametrize("name", [name for name in metadata.tables if name not in dict(PARENTS)])
async def test_a_good_row_is_taken(connection: AsyncConnection, name: str) -> None:
    """The row that the bad ones differ from is good."""
    await add(connection, name)


@pytest.mark.parametrize(
    ("name", "check", "changes"), EVERY_BAD, ids=[f"{t}-{c}-{i}" for i, (t, c, _) in enumerate(EVERY_BAD)]
)
async def test_a_bad_row_is_refused(
    connection: AsyncConnection, name: str, check: str, changes: dict[str, Any]
) -> None:
    """A row that breaks one rule is refused by the CHECK that holds it."""
    assert f"ck_{name}_{check}" == await refusal(connection, name, **changes)


async def embed(
    connection: AsyncConnection,
    name: str,
    *,
    model: str | None = "m",
    dimensions: int | None = 3,
    code: bytes | None = bytes(192),
) -> None:
    """Give every row of the table ``name`` a random vector of its own."""
    random = f"array_agg(random() + 0 * i) FROM generate_series(1, 1536) i WHERE {name}.id IS NOT NULL"
    await connection.execute(
        metadata.tables[name]
        .update()
        .values(
            embedding=text(f"(SELECT {random})::real[]::halfvec"),
            embedding_code=code,
            embedding_model=model,
            embedding_dimensions=dimensions,
        )
    )


@pytest.mark.parametrize(
    "part",
    [
        {"model": ""},
        {"model": None},
        {"dimensions": None},
        {"dimensions": 0},
        {"dimensions": 1537},
        {"code": None},
    ],
)
async def test_an_embedding_is_whole(connection: AsyncConnection, part: dict[str, Any]) -> None:
    """A vector needs its model and a length that fits."""
    await add(connection, "rules")
    with pytest.raises(IntegrityError) as caught:
        await embed(connection, "rules", **part)
    assert "ck_rules_whole_embedding" == constraint_of(caught.value)


@pytest.mark.parametrize(
    ("name", "constraint", "same", "free"),
    [
        ("agents", "uq_agents_name", {"name": "Ada"}, {"deleted_at": NOW}),
        ("agents", "uq_agents_name", {"name": "Ada"}, {"name": "ada"}),
        ("variables", "uq_variables_agent_id_name", {"name": "city"}, {"deleted_at": NOW}),
        (
            "customer_profiles",
            "uq_customer_profiles_customer_id",
            {"customer_id": "c"},
            {"customer_id": None},
        ),
        ("profile_fields", "uq_profile_fields_profile_id_name", {"name": "city"}, {"valid_to": LATER}),
        (
            "channel_identities",
            "uq_channel_identities_channel",
            {"channel": "webchat", "channel_user_id": "u"},
            {"channel": "slack"},
        ),
        ("tool_activations", "uq_tool_activations_agent_id", {"tool_id": "t"}, {"tool_id": "T"}),
        ("scenario_archives", "uq_scenario_archives_scenario_id", {"scenario_id": same}, {"version": 2}),
        ("migration_plans", "uq_migration_plans_scenario_id", {"scenario_id": same}, {"to_version": 3}),
        (
            "turn_records",
            "uq_turn_records_session_id",
            {"session_id": same, "turn_number": 1},
            {"turn_number": 2},
        ),
        (
            "relationships",
            "uq_relationships_from_entity_id",
            {"relation_type": "knows"},
            {"valid_from": LATER},
        ),
        ("ideation_messages", "uq_ideation_messages_session_id", {"position": 7}, {"position": 8}),
        ("ideation_user_stories", "uq_ideation_user_stories_session_id", {"position": 7}, {"position": 8}),
    ],
)
async def test_what_is_unique(
    connection: AsyncConnection, name: str, constraint: str, same: dict[str, Any], free: dict[str, Any]
) -> None:
    """A second one like it is refused, two that are free of the rule are not."""
    await add(connection, name, **same)
    for _ in range(2 if free in ({"deleted_at": NOW}, {"valid_to": LATER}, {"customer_id": None}) else 1):
        await add(connection, name, **same | free)
    assert constraint == await refusal(connection, name, **same)


async def test_another_tenant_is_free(connection: AsyncConnection) -> None:
    """Tenants take no names from each other."""
    for tenant in (TENANT, new_id()):
        await add(
            connection, "agents", tenant_id=tenant, name="Ada", id=AGENT if tenant != TENANT else new_id()
        )


@pytest.mark.parametrize(
    ("name", "column"),
    [
        (table.name, key.columns.keys()[1])
        for table in metadata.tables.values()
        for key in sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
    ],
)
async def test_a_reference_stays_within_its_tenant(
    connection: AsyncConnection, name: str, column: str
) -> None:
    """No row names one of another tenant, whose ids it may know."""
    other = new_id()
    for parent, changes in PARENTS:
        await add(connection, parent, tenant_id=other, **changes)
    foreign = new_id() if not name.startswith("ideation_") else "elsewhere"
    await add(connection, referred(name, column), tenant_id=other, id=foreign)
    assert f"fk_{name}_{column}" == await refusal(connection, name, **{column: foreign})


def referred(name: str, column: str) -> str:
    keys = metadata.tables[name].foreign_key_constraints
    return next(str(key.referred_table) for key in keys if key.columns.keys()[1] == column)


CASCADES: Final = {
    ("channel_identities", "customer_profiles"),
    ("profile_fields", "customer_profiles"),
    ("profile_assets", "customer_profiles"),
    *(
        ("staged_embeddings", whole)
        for whole in ("episodes", "rules", "scenarios", "entities", "entity_history")
    ),
    *((name, "ideation_sessions") for name in metadata.tables if name.startswith("ideation_")),
} - {("ideation_sessions", "ideation_sessions")}
REFERENCES: Final = sorted(
    {
        (table.name, str(key.referred_table))
        for table in metadata.tables.values()
        for key in table.foreign_key_constraints
    }
)


@pytest.mark.parametrize(("part", "whole"), REFERENCES)
async def test_parts_go_with_the_whole_and_others_hold_it(
    connection: AsyncConnection, part: str, whole: str
) -> None:
    """Deleting takes the parts along; what is no part keeps the row that it names."""
    fresh: Any = new_id() if whole != "ideation_sessions" else "going"
    await add(connection, whole, id=fresh)
    columns = [key.columns.keys()[1] for key in metadata.tables[part].foreign_key_constraints]
    column = next(c for c in columns if referred(part, c) == whole)
    await add(connection, part, **{column: fresh})
    deletion = metadata.tables[whole].delete().where(column_of(whole, "id") == fresh)
    if (part, whole) not in CASCADES:
        with pytest.raises(IntegrityError):
            await connection.execute(deletion)
        return
    await connection.execute(deletion)
    left = await connection.execute(metadata.tables[part].select().where(column_of(part, column) == fresh))
    assert [] == left.all()


def column_of(name: str, column: str) -> Any:
    return metadata.tables[name].columns[column]


async def test_a_typical_episode_stays_in_its_row(connection: AsyncConnection) -> None:
    """Vector, 2 KB of text and its words lie together in one page, also after the vector was made anew."""
    words = " ".join(f"word{i:04d}" for i in range(230))
    for _ in range(20):
        await add(connection, "episodes", content=words, language="english")
    for _ in range(2):
        await embed(connection, "episodes")
    assert 2000 < len(words)
    assert 3080 == await connection.scalar(text("SELECT max(pg_column_size(embedding)) FROM episodes"))
    assert 20 == await connection.scalar(text("SELECT count(DISTINCT embedding) FROM episodes"))
    assert 0 == await connection.scalar(
        text("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'episodes'::regclass")
    )


async def test_a_long_episode_is_taken_with_its_vector(connection: AsyncConnection) -> None:
    """A million characters of different words fit, beside a vector that stays in the row."""
    words = " ".join(f"{i:x}" for i in range(170_000))
    await add(connection, "episodes", content=words)
    await embed(connection, "episodes")
    indexed, stored = (
        await connection.execute(
            text(
                "SELECT content_tsv @@ to_tsquery('simple', '0') AND NOT content_tsv @@ '297ff', content FROM episodes"
            )
        )
    ).one()
    assert indexed
    assert words == stored


@pytest.mark.parametrize("language", Language)
async def test_words_are_read_in_the_language_of_the_row(
    connection: AsyncConnection, language: Language
) -> None:
    """The full-text column holds what PostgreSQL's configuration of that name makes of the content."""
    content = "The running dogs, die laufenden Hunde, les chiens courants, собаки бегут"
    await add(connection, "episodes", content=content, language=language)
    expected = await connection.scalar(
        text(f"SELECT to_tsvector('{language}', :content)::text"), {"content": content}
    )
    assert expected == await connection.scalar(text("SELECT content_tsv::text FROM episodes"))


async def test_typed_documents_come_back_through_the_orm(engine: AsyncEngine) -> None:
    """What an ORM session stores, another reads as the same values, and the lock counts."""
    scenario = row_of(metadata.tables["scenarios"], steps=[STEP], tags=["a", "ü"], revision=None)
    key = {"tenant_id": TENANT, "id": scenario["id"]}
    async with AsyncSession(engine) as session:
        session.add(ScenarioTable(**{k: v for k, v in scenario.items() if k != "revision"}))
        await session.commit()
    async with AsyncSession(engine) as session:
        found = await session.get_one(ScenarioTable, key)
        assert ([STEP], ["a", "ü"], 1) == (found.steps, found.tags, found.revision)
        await session.delete(found)
        await session.commit()
