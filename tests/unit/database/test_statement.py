"""What a statement hands to the driver."""

from __future__ import annotations

import orjson
import pytest
from sqlalchemy import bindparam, select

from focal_data.database.statement import Statement, json_text
from focal_data.errors import InvalidDataError
from focal_data.tables.config import RuleTable

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


def test_a_parameter_that_is_left_out_is_a_programming_error() -> None:
    """It is not told as if the data were bad."""
    statement = Statement(select(RULES.c.id).where(RULES.c.scope == bindparam("scope")))
    with pytest.raises(KeyError, match="scope"):
        statement.arguments({})
