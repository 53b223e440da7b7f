"""Cursors: what one holds is trusted no more than any other input."""

from __future__ import annotations

import base64
from uuid import uuid4

import orjson
import pytest

from focal_data.errors import InvalidDataError
from focal_data.repositories.paging import place
from focal_data.tables.memory import EpisodeTable

C = EpisodeTable.__table__.c  # type: ignore[attr-defined]
KEY = (C.occurred_at, C.id)


def a_cursor(*parts: object) -> str:
    """A cursor that says ``parts``."""
    return base64.urlsafe_b64encode(orjson.dumps(parts, default=str)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "time",
    ["2024-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday", 5, None],
)
def test_a_time_without_a_zone_or_out_of_range_is_refused(time: object) -> None:
    """As a cursor, and not as whatever the statement calls its parameter."""
    with pytest.raises(InvalidDataError) as caught:
        place(a_cursor("episodes", time, uuid4()), KEY)
    assert "cursor" == caught.value.field


def test_a_good_one_is_read() -> None:
    """Its time in UTC."""
    found = place(a_cursor("episodes", "2024-01-01T01:00:00+01:00", uuid4()), KEY)
    assert "2024-01-01T00:00:00+00:00" == found["after_0"].isoformat()
