"""What a statement hands to the driver."""

from __future__ import annotations

import orjson
import pytest
from sqlalchemy import ARRAY, Column, ForeignKey, Integer, MetaData, Table, any_, bindparam, insert, select

from focal_data.database.statement import Statement, json_text
from focal_data.domain.config import Rule
from focal_data.errors import InvalidDataError
from focal_data.mappers.base import Mapper
from focal_data.tables import metadata
from focal_data.tables.config import RuleTable


class Instruction(Rule):
    """A rule by another name."""


RULES = RuleTable.__table__  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e16, "10000000000000000.0"),
        (-1.5e17, "-150000000000000000.0"),
        (1e19, "10000000000000000000.0"),
        (10**18, "1000000000000000000"),
        ("1e19", '"1e19"'),
        ({"1e19": ['\\"1e19', 1e19]}, r'{"1e19":["\\\"1e19",10000000000000000000.0]}'),
    ],
)
def test_a_large_float_is_written_out(value: object, text: str) -> None:
    """JSONB keeps it as a float then; an integer stays one, and nothing inside of a string is touched."""
    assert text == json_text(value)


@pytest.mark.parametrize("value", [1e-17, 1e15, 1e160, 1.7e308, 5e-324])
def test_any_other_float_is_left_alone(value: float) -> None:
    """JSONB gives these back as they were."""
    assert orjson.dumps(value).decode() == json_text(value)


@pytest.mark.parametrize("value", [5, ["global"], object()])
def test_a_value_that_its_column_can_not_take_is_named(value: object) -> None:
    """The error names the parameter, and holds neither the value nor what the encoder said of it."""
    statement = Statement(select(RULES.c.id).where(RULES.c.scope == bindparam("scope")))
    with pytest.raises(InvalidDataError) as caught:
        statement.arguments({"scope": value})
    assert "scope" == caught.value.field
    assert caught.value.__context__ is None


REFUSED = {
    "id": ["b2f1", "0190a0e0-0000-7000-8000-000000000000", 5, b"0123456789abcdef"],
    "name": ["Ada\0", 5, b"Ada"],
    "ids": [["b2f1"], "b2f1", 5, [None, 5]],
    "names": [["Ada\0"], "Ada", [5]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in REFUSED for value in REFUSED[name]])
def test_what_the_driver_or_the_server_would_take_otherwise(name: str, value: object) -> None:
    """An id is a UUID and no text, text is no bytes, and a NUL would end the transaction it is sent in."""
    c = RULES.c
    query = select(c.id).where(c.id == bindparam("id"), c.name == bindparam("name"))
    ids, names = bindparam("ids", type_=ARRAY(c.id.type)), bindparam("names", type_=ARRAY(c.name.type))
    statement = Statement(query.where(c.id == any_(ids), c.name == any_(names)))
    values = {"id": c.id.type.python_type(int=1), "name": "Ada", "ids": [], "names": ["Ada"]}
    assert statement.arguments(values)
    with pytest.raises(InvalidDataError) as caught:
        statement.arguments({**values, name: value})
    assert name == caught.value.field


def test_a_parameter_that_is_left_out_is_a_programming_error() -> None:
    """It is not told as if the data were bad."""
    statement = Statement(select(RULES.c.id).where(RULES.c.scope == bindparam("scope")))
    with pytest.raises(KeyError, match="scope"):
        statement.arguments({})


def test_every_missing_parent_is_named_by_its_class() -> None:
    """Whatever table refers to it: errors speak of the domain, and not of tables."""
    told = {
        Statement(insert(table)).referred_entity(str(key.name))
        for table in metadata.tables.values()
        for key in table.foreign_key_constraints
    }
    staged = {"Entity", "EntityHistory", "Episode", "Rule", "Scenario"}
    assert {"Agent", "CustomerProfile", "Entity", "IdeationSession"} | staged == told


def test_a_repository_says_what_its_table_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the class of the table is not named after that of the domain."""
    monkeypatch.setattr(RULES, "info", RULES.info)
    Mapper(RuleTable, Instruction)
    assert "Instruction" == RULES.info["entity"]


def test_a_table_says_what_it_holds() -> None:
    """To the foreign keys that point to it, by their names."""
    probe = MetaData()
    parent = Table("probe_parent", probe, Column("id", Integer, primary_key=True), info={"entity": "Parent"})
    child = Table("probe_child", probe, Column("parent_id", ForeignKey(parent.c.id, name="fk_probe")))
    assert "Parent" == Statement(insert(child)).referred_entity("fk_probe")
    assert Statement(insert(child)).referred_entity("fk_other") is None
