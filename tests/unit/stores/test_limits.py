"""The limits that every store keeps."""

from __future__ import annotations

import math
from typing import Any

import pytest

from focal_data.errors import InvalidDataError
from focal_data.stores.base import checked_depth, checked_limit, checked_min_score, checked_offset


@pytest.mark.parametrize(
    ("check", "good"),
    [
        (checked_limit, (1, 1000)),
        (checked_offset, (0, 2**31 - 1)),
        (checked_depth, (1, 10)),
        (checked_min_score, (-1, 0.5, 1, None)),
    ],
)
def test_what_is_within_limits_is_given_back(check: Any, good: tuple[Any, ...]) -> None:
    """Both ends are within."""
    assert list(good) == [check(value) for value in good]


@pytest.mark.parametrize(
    ("field", "check", "bad"),
    [
        ("limit", checked_limit, (0, -1, 1001, 10**9, True, 1.0, "1", None)),
        ("offset", checked_offset, (-1, 2**31, True, 1.0)),
        ("max_depth", checked_depth, (0, 11)),
        ("min_score", checked_min_score, (-1.01, 1.01, math.nan, math.inf, "0.5", [0])),
    ],
)
def test_what_is_beyond_names_its_field(field: str, check: Any, bad: tuple[Any, ...]) -> None:
    """Whatever is given instead is an InvalidDataError that names the field, and not the value."""
    for value in bad:
        with pytest.raises(InvalidDataError) as caught:
            check(value)
        assert field == caught.value.field
