"""The small pieces of the demo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from focal_data.cli.demo.ids import named, timed
from focal_data.cli.demo.latency import Latencies
from focal_data.cli.demo.plans import plan_for, shipped_transcripts
from focal_data.cli.demo.references import references, series
from focal_data.cli.demo.report import plain
from focal_data.domain.config import Variable

TIME = datetime(2026, 3, 3, 15, 2, 11, tzinfo=UTC)


def test_ids_are_the_same_in_every_run() -> None:
    """Another name, root or time makes another."""
    root = UUID(int=7)
    assert named(root, "a", "b") == named(root, "a", "b") != named(root, "ab")
    assert timed(root, TIME, "a") == timed(root, TIME, "a")
    assert 4 == len(
        {timed(root, TIME, "a"), timed(root, TIME, "b"), timed(UUID(int=8), TIME, "a"), named(root, "a")}
    )


def test_timed_ids_are_ordered_by_their_time() -> None:
    """They are UUIDs of version 7."""
    made = [timed(uuid4(), TIME + timedelta(milliseconds=number), "x") for number in range(100)]
    assert sorted(made) == made
    assert {7} == {made_id.version for made_id in made}
    assert 7 == timed(uuid4(), datetime(1950, 1, 1, tzinfo=UTC), "x").version


def test_percentiles_are_exact_to_two_percent() -> None:
    """Whatever the size of the figures."""
    latencies = Latencies()
    for number in range(1, 1001):
        latencies.add("read", number / 1e6)
    found = latencies.percentiles()["read"]
    assert pytest.approx(0.5, rel=0.02) == found["p50"]
    assert pytest.approx(0.99, rel=0.02) == found["p99"]


def test_what_fails_is_not_counted() -> None:
    """It would make the figures better than they are."""
    latencies = Latencies()
    with pytest.raises(ZeroDivisionError), latencies.timed("read"):
        _ = 1 / 0
    assert {} == latencies.percentiles()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Order HP-48213, please. hp-48213!", ["HP-48213"]),
        ("Zähler 1LU-4482207 und R-2026-11874", ["1LU-4482207"]),
        ("555-5550172, 2026-03, HP-1, ABCDE-12345, x-12345678901", []),
    ],
)
def test_references_are_numbers_of_a_series(text: str, expected: list[str]) -> None:
    """Letters, a dash and digits; no telephone number, no date."""
    assert expected == references(text)


def test_a_variable_is_for_the_series_of_its_example() -> None:
    """Its description has one."""
    variables = [
        Variable(agent_id=uuid4(), name="order", description="The order, such as HP-48213."),
        Variable(agent_id=uuid4(), name="mood", description="How they feel."),
        Variable(agent_id=uuid4(), name="tier"),
    ]
    assert {"HP": "order"} == series(variables)


def test_every_shipped_transcript_has_a_plan_of_its_own() -> None:
    """Its tenant is the one that is written down."""
    plans = [plan_for(path, []) for path in shipped_transcripts()]
    assert ["Harbor & Pine", "Lumen Energie"] == [plan.tenant for plan in plans]
    assert [6, 6] == [len(plan.questions) for plan in plans]


def test_a_file_of_ones_own_has_the_tenant_of_its_name() -> None:
    """Wherever it lies; the same in every run."""
    here, there = plan_for(Path("a/chat.jsonl"), ["Why?"]), plan_for(Path("b/chat.json"), [])
    assert here.tenant_id == there.tenant_id != plan_for(Path("a/other.jsonl"), []).tenant_id
    assert "caf?" == plan_for(Path("caf\udce9.jsonl"), []).tenant  # not UTF-8
    assert [("Why?", "Why?")] == [(question.question, question.expect) for question in here.questions]


def test_text_of_a_transcript_gives_a_terminal_no_orders() -> None:
    """It is one line, and as short as asked for."""
    assert "a �[31mb c" == plain("a\n\x1b[31mb\tc").plain
    assert "abc…" == plain("abcdefgh", 4).plain
    assert "[bold]x" == plain("[bold]x").plain
