"""The column types: what goes in comes out, on the way that the ORM takes."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import orjson
import pytest
from pydantic import JsonValue, ValidationError
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, Table, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from focal_data.domain.config import ScenarioStep, ScopeFilter, StepTransition
from focal_data.ids import new_id
from focal_data.tables.columns import TypedJSON, string_enum

DIALECT = postgresql.asyncpg.dialect()


class Mood(StrEnum):
    """An enumeration whose names and values differ."""

    GOOD = "good"
    BAD = "bad"


def through_the_driver(kind: TypedJSON, value: Any) -> Any:
    """``value`` as it comes back from a JSONB column."""
    sent = kind.process_bind_param(value, DIALECT)
    return kind.process_result_value(orjson.loads(orjson.dumps(sent)), DIALECT)


def test_documents_come_back_as_what_they_were() -> None:
    """A list of value objects, ids and nested lists included, survives the way through JSON."""
    target = new_id()
    steps = [
        ScenarioStep(
            id=target,
            name="Grüße 👋",
            transitions=[StepTransition(to_step_id=target, condition_text="always", priority=-1)],
        )
    ]
    assert steps == through_the_driver(TypedJSON(list[ScenarioStep]), steps)


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None, True, {"ü": "\u2028"}]}, [], "text", 0, False])
def test_json_comes_back_as_it_was(value: JsonValue) -> None:
    """Any JSON value survives, the falsy ones too."""
    assert value == through_the_driver(TypedJSON(JsonValue), value)


def test_nothing_stays_nothing() -> None:
    """``None`` is SQL's NULL, in both directions and as text, never JSON's null."""
    kind = TypedJSON(ScopeFilter)
    assert kind.process_bind_param(None, DIALECT) is None
    assert kind.process_result_value(None, DIALECT) is None
    assert kind.dump(None) is None
    assert kind.load_dialect_impl(DIALECT).none_as_null  # type: ignore[attr-defined]


def test_the_text_for_the_driver_is_the_document() -> None:
    """``dump`` gives the JSON that a bound value becomes."""
    kind, value = TypedJSON(ScopeFilter), ScopeFilter(include_current_nodes=[new_id()])
    assert kind.process_bind_param(value, DIALECT) == orjson.loads(kind.dump(value) or "")


def test_what_does_not_fit_the_type_is_refused_on_reading() -> None:
    """A document that is not of the column's type does not come back as one."""
    with pytest.raises(ValidationError):
        TypedJSON(ScopeFilter).process_result_value({"unheard_of": 1}, DIALECT)


def test_columns_of_different_types_are_not_mistaken_for_each_other() -> None:
    """SQLAlchemy's statement cache tells two typed columns apart, and finds equal ones equal."""
    statements = [
        select(Column("data", TypedJSON(kind))) for kind in (ScopeFilter, ScopeFilter, list[ScopeFilter])
    ]
    first, same, other = (statement._generate_cache_key() for statement in statements)
    assert first == same
    assert first != other


def test_an_enumeration_is_text_limited_to_its_values() -> None:
    """The values are stored, not the names, under a CHECK that carries the table's name."""
    metadata = MetaData(naming_convention={"ck": "ck_%(table_name)s_%(constraint_name)s"})
    table = Table("notes", metadata, Column("id", Integer), Column("mood", string_enum(Mood, "mood")))
    ddl = str(CreateTable(table).compile(dialect=DIALECT))
    assert "mood VARCHAR(32)" in ddl
    assert "CONSTRAINT ck_notes_mood CHECK (mood IN ('good', 'bad'))" in ddl
    assert 1 == sum(isinstance(constraint, CheckConstraint) for constraint in table.constraints)
