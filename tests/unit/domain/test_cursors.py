"""Cursors: the place comes back as it was, for the same call only."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain import cursors
from focal_data.errors import InvalidDataError

MARK = cursors.mark("notes", "title")
PLACES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.uuids(),
    st.datetimes(timezones=st.just(UTC)),
    st.dates(),
)


@given(value=PLACES)
def test_a_place_comes_back(value: Any) -> None:
    """With its type, and ``None`` as ``None``."""
    found, nothing = cursors.place(cursors.cursor(MARK, [value, None]), MARK, [type(value), UUID])
    assert (value, None) == (found, nothing)
    assert type(value) is type(found)


@given(text=st.text())
def test_anything_else_is_refused(text: str) -> None:
    """With one error, whatever it is."""
    with pytest.raises(InvalidDataError) as caught:
        cursors.place(text, MARK, [UUID])
    assert "cursor" == caught.value.field


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (int, True),
        (bool, 1),
        (int, 1.5),
        (str, 5),
        (str, "a\0"),
        (datetime, "2026-01-01T00:00:00"),
        (date, 5),
        (UUID, "x"),
    ],
)
def test_a_place_of_another_type_is_refused(kind: type, value: object) -> None:
    """A cursor can be made by anybody."""
    forged = base64.urlsafe_b64encode(orjson.dumps([MARK, value])).decode().rstrip("=")
    with pytest.raises(InvalidDataError, match="cursor"):
        cursors.place(forged, MARK, [kind])


def test_it_belongs_to_what_it_was_made_for() -> None:
    """Other parts make another mark, and a cursor of another mark is refused."""
    marks = {cursors.mark(*parts) for parts in (("a", "b"), ("ab",), ("a", None), ("a", "b", True), ())}
    assert 5 == len(marks)
    with pytest.raises(InvalidDataError, match="cursor"):
        cursors.place(cursors.cursor(MARK, [5]), cursors.mark("other"), [int])
