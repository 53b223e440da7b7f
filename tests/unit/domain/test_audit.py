"""What happened: the rules of each object."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.ids import new_id


def turn(**fields: Any) -> TurnRecord:
    return TurnRecord(
        **{"session_id": new_id(), "agent_id": new_id(), "turn_number": 1, "user_message": "Hi"} | fields
    )


@pytest.mark.parametrize("model", [TurnRecord, AuditEvent])
def test_audit_rows_have_no_revision(model: Any) -> None:
    """They never change."""
    assert {"revision", "updated_at"}.isdisjoint(model.model_fields)


def test_an_erased_turn_is_still_a_turn() -> None:
    """The skeleton that erasure leaves is valid."""
    assert "" == turn(user_message="").user_message


@pytest.mark.parametrize("field", ["turn_number", "tokens_used", "latency_ms"])
def test_numbers_of_a_turn_are_not_negative(field: str) -> None:
    """A negative one is refused."""
    with pytest.raises(ValidationError, match=field):
        turn(**{field: -1})


@pytest.mark.parametrize("event_type", ["", "x" * 51])
def test_an_event_type_is_1_to_50_characters(event_type: str) -> None:
    """Shorter or longer is refused."""
    with pytest.raises(ValidationError, match="event_type"):
        AuditEvent(event_type=event_type)


def test_a_tool_may_take_and_give_any_json() -> None:
    """Objects, lists, text and numbers."""
    call = ToolCall(tool_id="t", tool_name="T", input={"a": 1}, output=[2.5, "x"], success=True, latency_ms=3)
    assert ({"a": 1}, [2.5, "x"]) == (call.input, call.output)
