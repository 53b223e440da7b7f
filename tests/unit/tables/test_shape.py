"""The tables agree with the domain: a column for every field, as long, as optional and as limited as the field."""

from __future__ import annotations

from types import NoneType
from typing import Any, Final, get_args

import pytest
from annotated_types import MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import Column, Enum, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from focal_data.domain import audit as audit_domain
from focal_data.domain import config as config_domain
from focal_data.domain import ideation as ideation_domain
from focal_data.domain import memory as memory_domain
from focal_data.domain import profile as profile_domain
from focal_data.tables import audit, config, ideation, memory, metadata, profile

PAIRS: Final[list[tuple[Any, type[BaseModel]]]] = [
    (config.AgentTable, config_domain.Agent),
    (config.RuleTable, config_domain.Rule),
    (config.ScenarioTable, config_domain.Scenario),
    (config.ScenarioArchiveTable, config_domain.ScenarioArchive),
    (config.TemplateTable, config_domain.Template),
    (config.VariableTable, config_domain.Variable),
    (config.ToolActivationTable, config_domain.ToolActivation),
    (config.MigrationPlanTable, config_domain.MigrationPlan),
    (memory.EpisodeTable, memory_domain.Episode),
    (memory.EntityTable, memory_domain.Entity),
    (memory.EntityHistoryTable, memory_domain.Entity),
    (memory.RelationshipTable, memory_domain.Relationship),
    (memory.RelationshipHistoryTable, memory_domain.Relationship),
    (audit.TurnRecordTable, audit_domain.TurnRecord),
    (audit.AuditEventTable, audit_domain.AuditEvent),
    (profile.CustomerProfileTable, profile_domain.CustomerProfile),
    (profile.ChannelIdentityTable, profile_domain.ChannelIdentity),
    (profile.ProfileFieldTable, profile_domain.ProfileField),
    (profile.ProfileAssetTable, profile_domain.ProfileAsset),
    (ideation.IdeationSessionTable, ideation_domain.IdeationSession),
    (ideation.ChatMessageTable, ideation_domain.ChatMessage),
    (ideation.ExtractedRequirementTable, ideation_domain.ExtractedRequirement),
    (ideation.MaturityStateTable, ideation_domain.MaturityState),
    (ideation.PRDDraftTable, ideation_domain.PRDDraft),
    (ideation.UserStoryTable, ideation_domain.UserStory),
]
EMBEDDED: Final = {"embedding", "embedding_code", "embedding_model", "embedding_dimensions"}
_LINK: Final = {
    "chain_id",
    "chain_sequence",
    "previous_hash",
    "text_digest",
    "hash",
    "hash_key_id",
    "salt",
}
BEYOND: Final = {  # columns that the domain does not have
    "turn_records": _LINK,
    "audit_events": _LINK,
    "episodes": {"content_tsv"},
    "entity_history": {"superseded_at"},
    "relationship_history": {"superseded_at"},
    "ideation_user_stories": {"position"},
}
SET_BY_STORE: Final = {"created_at", "updated_at", "recorded_at", "archived_at", "position"}
"""``None`` until stored, and never afterwards."""

every_pair = pytest.mark.parametrize(("table", "domain"), PAIRS, ids=[t.__tablename__ for t, _ in PAIRS])


def fields(domain: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields that are a column each."""
    return {name: field for name, field in domain.model_fields.items() if name not in EMBEDDED}


def max_length(field: FieldInfo) -> int | None:
    """The most characters that a field takes, wherever in its annotation that is said."""
    metadata = [*field.metadata]
    for part in get_args(field.annotation):
        metadata += getattr(part, "__metadata__", ())
    for item in metadata:
        if isinstance(item, MaxLen):
            return item.max_length
        if isinstance(item, FieldInfo) and (length := max_length(item)) is not None:
            return length
    return None


def enumeration(column: Column[Any]) -> type | None:
    return column.type.enum_class if isinstance(column.type, Enum) else None


def test_every_table_is_compared() -> None:
    """No table is left out of this file but those that are rows and nothing else: heads of chains, and what is staged."""
    assert set(metadata.tables) - {"audit_heads", "staged_embeddings"} == {
        table.__tablename__ for table, _ in PAIRS
    }


@every_pair
def test_a_column_for_every_field(table: Any, domain: type[BaseModel]) -> None:
    """Columns carry the names of fields; an embedding is four of them, three where it is not searched."""
    embedded = EMBEDDED if "embedding" in domain.model_fields else set()
    if table.__tablename__ == "entity_history":
        embedded = embedded - {"embedding_code"}
    expected = {*fields(domain)} | embedded | BEYOND.get(table.__tablename__, set())
    assert expected == {*table.__table__.columns.keys()}


@every_pair
def test_texts_are_as_long_as_their_fields(table: Any, domain: type[BaseModel]) -> None:
    """A column takes what its field takes, and no more."""
    columns = table.__table__.columns
    types = {
        name: getattr(columns[name].type, "impl_instance", columns[name].type) for name in fields(domain)
    }
    lengths = {
        name: kind.length
        for name, kind in types.items()
        if isinstance(kind, String) and not isinstance(kind, Enum)
    }
    assert {name: max_length(domain.model_fields[name]) for name in lengths} == lengths


@every_pair
def test_columns_are_as_optional_as_their_fields(table: Any, domain: type[BaseModel]) -> None:
    """What may be ``None`` may be NULL; what the store sets may not. JSON's null is NULL as well."""
    columns = table.__table__.columns
    json = {"value", "default_value"}
    expected = {
        name: name in json or (NoneType in get_args(field.annotation) and name not in SET_BY_STORE)
        for name, field in fields(domain).items()
    }
    assert expected == {name: columns[name].nullable for name in expected}


@every_pair
def test_enumerations_are_those_of_the_fields(table: Any, domain: type[BaseModel]) -> None:
    """A column is limited to the values of its field's own enumeration."""
    columns = table.__table__.columns
    limited = {name: kind for name in fields(domain) if (kind := enumeration(columns[name]))}
    assert {name: domain.model_fields[name].annotation for name in limited} == limited


@every_pair
def test_the_ddl_compiles(table: Any, domain: type[BaseModel]) -> None:
    """A table and its indexes can be said in PostgreSQL's words."""
    dialect = postgresql.asyncpg.dialect()
    ddl = str(CreateTable(table.__table__).compile(dialect=dialect))
    assert f"CONSTRAINT pk_{table.__tablename__} PRIMARY KEY (tenant_id" in ddl
    for index in table.__table__.indexes:
        made = str(CreateIndex(index).compile(dialect=dialect))
        words = " USING gin (content_tsv) " in made
        assert words or f" ON {table.__tablename__} (tenant_id, " in made


def test_references() -> None:
    """The parts of a whole go with it; what else is named stays as long as it is named."""
    agents = ("rules", "scenarios", "templates", "variables", "tool_activations", "episodes", "entities")
    parts = ("channel_identities", "profile_fields", "profile_assets")
    studio = {name for name in metadata.tables if name.startswith("ideation_")} - {"ideation_sessions"}
    expected = {(name, "agent_id", "agents", "RESTRICT") for name in agents}
    expected |= {(name, "profile_id", "customer_profiles", "CASCADE") for name in parts}
    expected |= {(name, "session_id", "ideation_sessions", "CASCADE") for name in studio}
    expected |= {
        ("episodes", "customer_profile_id", "customer_profiles", "RESTRICT"),
        ("entities", "customer_profile_id", "customer_profiles", "RESTRICT"),
        ("customer_profiles", "merged_into_id", "customer_profiles", "RESTRICT"),
        ("relationships", "from_entity_id", "entities", "RESTRICT"),
        ("relationships", "to_entity_id", "entities", "RESTRICT"),
        ("staged_embeddings", "episode_id", "episodes", "CASCADE"),
        ("staged_embeddings", "rule_id", "rules", "CASCADE"),
        ("staged_embeddings", "scenario_id", "scenarios", "CASCADE"),
        ("staged_embeddings", "entity_id", "entities", "CASCADE"),
        ("staged_embeddings", "version_id", "entity_history", "CASCADE"),
    }
    assert expected == {
        (table.name, key.columns.keys()[1], str(key.referred_table), key.ondelete)
        for table in metadata.tables.values()
        for key in table.foreign_key_constraints
    }


def test_the_application_may_only_add_to_what_happened() -> None:
    """Audit and archives take rows and never let go of one, nor of a head; history is erased and never changed."""
    grants = {name: table.info["grants"] for name, table in metadata.tables.items() if "grants" in table.info}
    added, erased = ("SELECT", "INSERT"), ("SELECT", "INSERT", "DELETE")
    assert grants == {
        "turn_records": added,
        "audit_events": added,
        "audit_heads": ("SELECT", "INSERT", "UPDATE"),
        "scenario_archives": added,
        "entity_history": erased,
        "relationship_history": erased,
        "staged_embeddings": (),
    }


def test_episodes_alone_keep_their_vectors_in_the_row() -> None:
    """Rows that are written once store vectors PLAIN, and leave the page to what stands beside them.

    Those with an index of codes are vacuumed soon.
    """
    stored = {
        str(column): column.info["storage"]
        for table in metadata.tables.values()
        for column in table.columns
        if "storage" in column.info
    }
    parameters = {
        table.name: table.info["storage_parameters"]
        for table in metadata.tables.values()
        if "storage_parameters" in table.info
    }
    assert {"episodes.embedding": "PLAIN", "episodes.content_tsv": "MAIN"} == stored
    soon = {"autovacuum_vacuum_insert_scale_factor": 0.02}
    assert {"episodes": {"toast_tuple_target": 8160, **soon}, "entities": soon} == parameters


def test_every_language_has_its_words() -> None:
    """The full-text column has one branch for each language of the domain."""
    expression = str(metadata.tables["episodes"].columns["content_tsv"].computed.sqltext)  # type: ignore[union-attr]
    for language in memory_domain.Language:
        assert 1 == expression.count(f"WHEN '{language}' THEN to_tsvector('{language}', ")
    assert len(memory_domain.Language) == expression.count("WHEN")
