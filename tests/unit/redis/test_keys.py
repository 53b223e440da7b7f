from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from uuid import UUID

import pytest

from focal_data.domain.session import Session, SessionStatus, StepVisit
from focal_data.redis import keys

TENANT = b"0" * 31 + b"7"
VISIT = StepVisit(
    step_id=UUID(int=9),
    entered_at=datetime(2026, 1, 1, tzinfo=UTC),
    turn_number=1,
    step_content_hash="content",
)
SESSION = Session(
    session_id=UUID(int=1),
    agent_id=UUID(int=2),
    channel="email",
    channel_user_id="someone@example.org",
    customer_profile_id=UUID(int=3),
    active_scenario_id=UUID(int=4),
    active_scenario_version=1,
    step_history=[VISIT],
)


def test_one_slot() -> None:
    """Both copies of a session have one hash tag, made of tenant and session."""
    tag = keys.tag(TENANT, SESSION.session_id)

    assert b"0" * 31 + b"7:" + b"0" * 31 + b"1" == tag
    assert b"focal:{" + tag + b"}:h" == keys.hot(tag)
    assert b"focal:{" + tag + b"}:c" == keys.cold(tag)


def test_names_hold_no_text() -> None:
    """Nothing of what a customer is called stands in the name of a key."""
    for term in keys.terms(SESSION):
        assert keys.TERM_BYTES == len(term)
        assert b"someone" not in keys.index(TENANT, term)


def test_one_slot_per_agent() -> None:
    """The indexes of one agent have one hash tag, so that a cluster can merge them."""
    names = [keys.index(TENANT, term) for term in keys.agent_terms(UUID(int=2))]

    assert len(SessionStatus) == len(set(names))
    assert 1 == len({name[: name.index(b"}")] for name in names})


def test_terms() -> None:
    """A session has a term for its agent in its status, its customer, its channel and its step."""
    expected = {
        keys.agent_term(UUID(int=2), SessionStatus.ACTIVE),
        keys.customer_term(UUID(int=3)),
        keys.channel_term(SESSION.channel, "someone@example.org"),
        keys.step_term(UUID(int=4), 1, "content"),
    }
    assert expected == set(keys.terms(SESSION))


CHANGES = {
    "closed": ({"status": SessionStatus.CLOSED}, 2),
    "no customer": ({"customer_profile_id": None}, 3),
    "no step": ({"step_history": []}, 3),
    "a step without content": ({"step_history": [VISIT, VISIT.evolve(step_content_hash=None)]}, 3),
    "no scenario": ({"active_scenario_id": None}, 3),
    "no version": ({"active_scenario_version": None}, 3),
}


@pytest.mark.parametrize(("change", "count"), CHANGES.values(), ids=CHANGES)
def test_absent_terms(change: dict[str, object], count: int) -> None:
    """What a session does not have, and what a closed one is not found by, has no term."""
    assert count == len(keys.terms(SESSION.evolve(**change)))


ALIKE: list[tuple[Callable[..., bytes], tuple[object, ...], tuple[object, ...]]] = [
    (keys.channel_term, ("email", "x"), ("voice", "x")),
    (keys.step_term, (UUID(int=1), 1, "1"), (UUID(int=1), 11, "")),
    (keys.step_term, (UUID(int=1), 1, "a"), (UUID(int=2), 1, "a")),
    (keys.customer_term, (UUID(int=1),), (UUID(int=2),)),
]


@pytest.mark.parametrize(("term", "one", "other"), ALIKE)
def test_terms_differ(term: Callable[..., bytes], one: tuple[object, ...], other: tuple[object, ...]) -> None:
    """Different things have different terms."""
    assert term(*one) != term(*other)


def test_any_text_has_a_term() -> None:
    """Text that could never have been stored is looked for, and not found, without an error."""
    assert keys.TERM_BYTES == len(keys.channel_term("email", "\ud800"))
    assert keys.TERM_BYTES == len(keys.step_term(UUID(int=1), 1, "\ud800"))


def test_what_a_cache_keeps_is_its_tenants() -> None:
    """A tenant's pattern finds it, that of sessions does not; texts of any length have names of one, which differ."""
    texts = ["", "a", "b", "\ud800", "a" * 100_000, "f" * 32]
    names = [keys.cached(TENANT, text) for text in texts]

    assert len(texts) == len(set(names))
    assert 1 == len({len(name) for name in names})
    assert all(fnmatchcase(name.decode(), keys.of_tenant(TENANT).decode()) for name in names)
    assert not any(fnmatchcase(name.decode(), keys.of_sessions(TENANT).decode()) for name in names)
