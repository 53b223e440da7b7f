"""The next version of an ideation session."""

from __future__ import annotations

import pytest

from focal_data.errors import InvalidDataError
from focal_data.stores.ideation import MAX_VERSION, next_version


def test_the_next_version_is_one_more() -> None:
    """Up to the highest that can be kept."""
    assert (2, MAX_VERSION) == (next_version(1), next_version(MAX_VERSION - 1))


def test_the_highest_has_no_next() -> None:
    """The error names the field."""
    with pytest.raises(InvalidDataError, match=r"^version: "):
        next_version(MAX_VERSION)
