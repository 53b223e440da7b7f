"""docs/requirements.md: complete, and its pointers point somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/requirements.md").read_text()
ROW = re.compile(r"^\| ([A-Z][A-Z0-9.-]*\d) \| (.+?) \| (\w+) \| (.*?) \|$", re.MULTILINE)
POINTER = re.compile(r"`([\w.-]+(?:/[\w.-]+)+|[\w.-]+\.(?:toml|yml|md|ini))(?:::(\w+))?`")

STORIES = {1: 5, 2: 4, 3: 4, 4: 3, 5: 4}
ASKED = [
    *(f"FR-{number:03}" for number in range(1, 23)),
    *(f"SC-{number:03}" for number in range(1, 8)),
    *(f"US{story}.{number}" for story, scenarios in STORIES.items() for number in range(1, scenarios + 1)),
    *(f"E{number}" for number in range(1, 6)),
    *(f"T{number:02}" for number in range(1, 23)),
]
"""The requirements, criteria, acceptance scenarios, edge cases and tasks of the seeds, in their order."""


def _rows() -> dict[str, tuple[str, str]]:
    """What the page says: name → (state, where)."""
    return {name: (state, where) for name, _, state, where in ROW.findall(PAGE)}


def test_every_requirement_is_listed_once() -> None:
    """Nothing that was asked for is left out, and nothing stands there twice."""
    assert ASKED == [found[0] for found in ROW.findall(PAGE)]


def test_every_state_is_one_of_three() -> None:
    """Met, partly or open; what is met or partly met says where."""
    states = _rows().values()
    assert {"met", "partly", "open"} >= {state for state, _ in states}
    assert [] == [where for state, where in states if state != "open" and not where]


def _has_a_test(where: str, state: str) -> bool:
    """Whether a test is named; ``as FR-001`` refers to another row of the same state or better."""
    referred = re.match(r"as ([A-Z]+-\d+)", where)
    if referred is not None:
        other = _rows()[referred[1]]
        return other[0] in ("met", state) and _has_a_test(other[1], state)
    return any(path.startswith("tests/") for path, _ in POINTER.findall(where))


def test_what_is_met_has_a_test() -> None:
    """Without a test that can fail, a requirement is not met."""
    assert [] == [
        name for name, (state, where) in _rows().items() if state == "met" and not _has_a_test(where, state)
    ]


def test_references_between_rows_agree() -> None:
    """A row that refers to another is in the state of that row."""
    for name, (state, where) in _rows().items():
        for other in re.findall(r"^as ([A-Z]+-\d+)", where):
            assert _rows()[other][0] == state, name


@pytest.mark.parametrize(("path", "test"), sorted(set(POINTER.findall(PAGE))))
def test_a_pointer_points_somewhere(path: str, test: str) -> None:
    """Each file that the page names exists, and holds the test that it names."""
    assert (ROOT / path).exists()
    assert not test or re.search(rf"def {test}\(", (ROOT / path).read_text())
