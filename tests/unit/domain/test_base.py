"""What every domain object shares: times in UTC, and JSON that every backend keeps alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from focal_data.domain.base import MAX_JSON_DEPTH, Json, JsonObject, UtcDatetime

TIMES = TypeAdapter(UtcDatetime)
DOCUMENTS = TypeAdapter(JsonObject)


def nested(depth: int) -> object:
    """Lists in lists."""
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_time_is_kept_in_utc() -> None:
    """The same moment, whatever its zone."""
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    found = TIMES.validate_python(noon)
    assert (noon, UTC) == (found, found.tzinfo)


@pytest.mark.parametrize(
    "time",
    [
        datetime.max.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=UTC),
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ],
)
def test_a_time_that_the_driver_takes_for_infinity_is_refused(time: datetime) -> None:
    """As is one that is no time at all in UTC."""
    with pytest.raises(ValidationError, match="out of range"):
        TIMES.validate_python(time)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({"a": {"b": [1, float("nan")]}}, r"\$\.a\.b\[1\]"),
        ({"a": [{"ü": 2**63}]}, r"\$\.a\[0\]\.ü"),
        ({"a": {1: 2}}, r"\$\.a$"),
        ({"a": (1, 2)}, r"\$\.a$"),
        ({"a": {"x\x00": 1}}, r"\$\.a \(a key\)"),
        ({"a": "\ud800"}, r"\$\.a$"),
        ({"\ud800": {"b": {1}}}, r"\(a key\)"),
    ],
)
def test_what_is_no_json_is_named_by_its_path(document: object, place: str) -> None:
    """The first of them."""
    with pytest.raises(ValidationError) as caught:
        DOCUMENTS.validate_python(document)
    message = caught.value.errors()[0]["msg"]
    assert re.search(place, message), message


def test_json_may_be_nested_deeply_but_not_without_end() -> None:
    """64 levels, whatever the interpreter's own limit."""
    whole = TypeAdapter(Json)
    assert nested(MAX_JSON_DEPTH) == whole.validate_python(nested(MAX_JSON_DEPTH))
    with pytest.raises(ValidationError, match="nested deeper"):
        whole.validate_python(nested(MAX_JSON_DEPTH + 1))


def test_json_is_copied_on_the_way_in() -> None:
    """All the way down."""
    given = {"a": [{"b": 1}]}
    found = DOCUMENTS.validate_python(given)
    given["a"][0]["b"] = 2
    assert {"a": [{"b": 1}]} == found
