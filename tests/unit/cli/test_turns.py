"""Where turns begin and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from focal_data.cli.demo import turns
from focal_data.cli.demo.messages import Message, Role
from focal_data.cli.demo.turns import Event, events
from focal_data.domain.memory import Language
from focal_data.domain.profile import Channel

START = datetime(2026, 3, 3, tzinfo=UTC)


def spoken(script: str, size: int = 0) -> list[Message]:
    """``u`` and ``a`` are messages of one customer, ``U`` and ``A`` of another."""
    return [
        Message(
            index=index,
            line=index,
            role=Role.USER if letter in "uU" else Role.ASSISTANT,
            content=f"{letter}{index}".ljust(size, "."),
            user="small" if letter.islower() else "great",
            channel=Channel.WEBCHAT,
            timestamp=START + timedelta(seconds=index),
            language=Language.SIMPLE,
        )
        for index, letter in enumerate(script, 1)
    ]


def ended(script: str, size: int = 0) -> list[tuple[str, str]]:
    return [
        (" ".join(event.over.questions), " ".join(event.over.answers))
        for event in events(spoken(script, size))
        if event.over is not None
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("", []),
        ("u", [("u1", "")]),
        ("uaua", [("u1", "a2"), ("u3", "a4")]),
        ("uuaa", [("u1 u2", "a3 a4")]),
        ("aua", [("", "a1"), ("u2", "a3")]),
        ("aau", [("", "a1 a2"), ("u3", "")]),
        ("uUaAu", [("u1", "a3"), ("U2", "A4"), ("u5", "")]),
    ],
)
def test_a_turn_is_questions_and_answers(script: str, expected: list[tuple[str, str]]) -> None:
    """It ends with the customer's next message, or with the file."""
    assert expected == ended(script)


def test_every_message_comes_once_in_its_order() -> None:
    """With the turn it is in, of which it may be the first."""
    messages = spoken("uUaAuu")
    found = [event for event in events(messages) if event.message is not None]
    assert messages == [event.message for event in found]
    assert [True, True, False, False, True, False] == [event.begins for event in found]
    assert found[0].turn is found[2].turn


def test_a_message_that_begins_a_turn_brings_the_end_of_the_one_before() -> None:
    """In one event, so that both can be stored together."""
    first, second, third, last = events(spoken("uau"))
    assert (None, None) == (first.over, second.over)
    assert first.turn is third.over
    assert Event(("webchat", "small"), over=third.turn) == last


def test_a_monologue_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its messages, and by its characters."""
    monkeypatch.setattr(turns, "MOST_MESSAGES", 3)
    assert [("u1 u2 u3", ""), ("u4 u5", "")] == ended("uuuuu")
    monkeypatch.setattr(turns, "MOST_CHARACTERS", 25)
    assert [2, 2, 1] == [len(questions.split(" ")) for questions, _ in ended("uuuuu", 10)]


def test_a_turn_that_waited_too_long_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may hold any number of conversations; the answer is a turn of its own then."""
    monkeypatch.setattr(turns, "MOST_OPEN", 1)
    assert [("u1", ""), ("U2", ""), ("", "a3")] == ended("uUa")
    monkeypatch.setattr(turns, "MOST_OPEN", 9)
    monkeypatch.setattr(turns, "MOST_HELD", 15)
    assert 3 == len(ended("uUa", 10))


def test_latency_is_from_the_last_question_to_the_first_answer() -> None:
    """Where there are both, in that order."""
    overs = [event.over for event in events(spoken("uuaa")) if event.over]
    assert [1000] == [turn.latency_ms for turn in overs]
    assert [None] == [event.over.latency_ms for event in events(spoken("u")) if event.over]
    assert [None] == [event.over.latency_ms for event in events(spoken("a")) if event.over]
