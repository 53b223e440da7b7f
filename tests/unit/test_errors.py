"""Errors carry their data wherever they go."""

from __future__ import annotations

import copy
import pickle

import pytest

from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StoreError


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DuplicateError("uq_notes_code", ("code",)), "[17] uq_notes_code: already exists (code)"),
        (NotFoundError("Note"), "[17] Note: not found"),
        (InvalidDataError("title", "is empty"), "[17].title: is empty"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, StoreError) else "",
)
def test_an_error_knows_its_row(error: StoreError, text: str) -> None:
    """In its text and as a number, pickled and copied too; one that is about no row has none."""
    assert error.row is None
    at_row = error.at_row(17)
    for again in (at_row, pickle.loads(pickle.dumps(at_row)), copy.copy(at_row)):  # noqa: S301
        assert (17, text, at_row.__dict__) == (again.row, str(again), again.__dict__)
        assert type(error) is type(again)
