"""The live conversation: the rules of each object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from focal_data.domain.session import Session, SessionStatus, StepVisit
from focal_data.ids import new_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def session(**fields: Any) -> Session:
    return Session(**{"agent_id": new_id(), "channel": "webchat", "channel_user_id": "u"} | fields)


def visit(step_content_hash: str | None) -> StepVisit:
    return StepVisit(step_id=new_id(), entered_at=NOON, turn_number=1, step_content_hash=step_content_hash)


def test_a_new_session_is_active_and_empty() -> None:
    """It needs an agent and a channel only."""
    made = session()
    assert (SessionStatus.ACTIVE, 0, [], {}) == (
        made.status,
        made.revision,
        made.step_history,
        made.variables,
    )


def test_counters_are_by_rule() -> None:
    """A key that is no UUID is refused, and a count below zero."""
    rule_id = new_id()
    assert {rule_id: 2} == session(rule_fires={str(rule_id): 2}).rule_fires
    for bad in ({"greet": 1}, {rule_id: -1}):
        with pytest.raises(ValidationError, match="rule_fires"):
            session(rule_fires=bad)


def test_counters_are_copied() -> None:
    """What becomes of the dict afterwards changes nothing."""
    given = {new_id(): 1}
    made = session(rule_fires=given)
    given.clear()
    assert 1 == len(made.rule_fires)


@pytest.mark.parametrize("key", ["\x00", "\ud800"], ids=ascii)
def test_names_of_variables_are_text(key: str) -> None:
    """Where a time is kept for them, too."""
    with pytest.raises(ValidationError, match="variable_updated_at"):
        session(variable_updated_at={key: NOON})


def test_the_content_hash_is_that_of_the_last_visit() -> None:
    """It tells where the session stands; before the first visit there is none."""
    assert (None, "b") == (
        session().step_content_hash,
        session(step_history=[visit("a"), visit("b")]).step_content_hash,
    )


def test_statuses() -> None:
    """The values are those of the contract."""
    assert ["active", "idle", "processing", "interrupted", "closed"] == [
        member.value for member in SessionStatus
    ]
