"""Any combination of changes at once."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Computed, Integer, String, Text, text
from sqlalchemy.dialects.postgresql import TSVECTOR

from tests.integration.migration.changes import (
    Change,
    Declare,
    ck,
    column,
    fk,
    h3,
    hnsw,
    ix,
    mood,
    new_metadata,
    notes,
    uq,
    v,
    v3,
)
from tests.integration.migration.conftest import NewEstate
from tests.integration.migration.project import Project
from tests.integration.migration.test_changes import fill

EXAMPLES = int(os.environ.get("FOCAL_DATA_TEST_EXAMPLES", "200"))

Part = tuple[Callable[[], Any], ...]


def _words(language: str) -> Callable[[], Any]:
    return column(
        "words", TSVECTOR, Computed(f"to_tsvector('{language}', coalesce(body, ''))", persisted=True)
    )


PARTS: list[list[Part]] = [
    [(), (mood("a", "b"),), (mood("a"),), (mood("a", native=True),), (mood("b", "a", "c", native=True),)],
    [(), (v3,), (v,), (v3, hnsw()), (v3, hnsw("vector_l2_ops", m=8)), (h3, hnsw("halfvec_cosine_ops"))],
    [
        (),
        (_words("english"),),
        (_words("simple"),),
        (_words("simple"), ix("ix_notes_w", "words", postgresql_using="gin")),
    ],
    [(), (ck("stars >= 0", "starred"),), (ck("stars IN (1, 2, 3)", "starred"),)],
    [(), (fk(ondelete="CASCADE"),), (fk(ondelete="RESTRICT"),)],
    [
        (),
        (uq("tenant_id", "title", name="uq_notes_t"),),
        (uq("tenant_id", "title", name="uq_notes_t", postgresql_include=["stars"]),),
    ],
    [
        (),
        (ix("ix_notes_a", "tenant_id", "stars"),),
        (ix("ix_notes_a", "tenant_id", "title", postgresql_include=["stars"]),),
        (ix("ix_notes_a", "tenant_id", postgresql_where=text("title IN ('a', 'b')")),),
        (ix("ix_notes_a", "tenant_id", postgresql_where=text("stars > 1")),),
    ],
    [
        (),
        (column("n", Integer),),
        (column("n", Text, nullable=False, server_default="1"),),
        (column("n", Integer, nullable=False),),
    ],
]
TITLES = [column("title", kind, nullable=False) for kind in (String(50), String(80), Text())]
STARS = [
    column("stars", Integer),
    column("stars", Integer, server_default="0"),
    column("stars", Integer, nullable=False),
]
OPTIONS: list[dict[str, Any]] = [
    {},
    {"grants": ("SELECT",)},
    {"statistics": {"st_notes": "(ndistinct) ON title, stars"}},
    {"storage_parameters": {"fillfactor": 60}},
]


VALUES = {"n": "'1'", "mood": "'a'", "v": "'[1,2,3]'"}
"""What a row has that every variant of the column can hold."""

choices = st.tuples(*(st.integers(0, len(part) - 1) for part in [*PARTS, TITLES, STARS, OPTIONS]))
"""Which of each part."""


def _tables(choice: tuple[int, ...]) -> Declare:
    *parts, title, stars, options = choice
    make = [item for part, chosen in zip(PARTS, parts, strict=True) for item in part[chosen]]
    return notes(*make, title=TITLES[title], stars=STARS[stars], info=dict(OPTIONS[options]))


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    print_blob=True,
)
@given(old=choices, new=choices)
async def test_any_change_goes_up_and_down(
    new_estate: NewEstate, tmp_path: Path, old: tuple[int, ...], new: tuple[int, ...]
) -> None:
    """Whatever the tables were and become, the revisions make them so, and lead back."""
    before, after = _tables(old), _tables(new)
    shutil.rmtree(tmp_path / "migrations", ignore_errors=True)
    project = Project(tmp_path / "migrations", await new_estate(), new_metadata())
    before(project.metadata)
    await project.generate("a")
    await project.upgrade()
    await project.check()
    there = {
        name: value for name, value in VALUES.items() if name in project.metadata.tables["notes"].columns
    }
    await fill(project, Change(before, after, [], there))
    was = _in_one_wording(await project.catalogue())

    project.metadata = new_metadata()
    after(project.metadata)
    await project.generate("b")
    await project.upgrade()
    await project.check()
    became = _in_one_wording(await project.catalogue())
    await project.downgrade("a")
    assert was == _in_one_wording(await project.catalogue())
    await project.upgrade()
    assert became == _in_one_wording(await project.catalogue())


def _in_one_wording(catalogue: dict[str, list[str]]) -> dict[str, list[str]]:
    """A list of texts is printed in two ways: to alter a type, PostgreSQL reads what it has printed, and prints it again."""

    def cast(match: re.Match[str]) -> str:
        values = (f"({value})::text" for value in match[1].split(", "))
        return f"(ARRAY[{', '.join(values)}])"

    found = re.compile(r"\(\(ARRAY\[([^]]*)\]\)::text\[\]\)")
    return {kind: [found.sub(cast, line) for line in lines] for kind, lines in catalogue.items()}
