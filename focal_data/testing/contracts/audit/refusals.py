"""Bad data and bad arguments: refused with the field's name, told without the value, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from focal_data.domain.audit import ToolCall, TurnRecord
from focal_data.errors import DuplicateError, InvalidDataError
from focal_data.stores.audit import AuditStore
from focal_data.testing.contracts.audit.base import AuditSuite, a_turn, an_event, spoiled
from focal_data.testing.contracts.base import all_told

SECRET: Final = "hunter2 🦊"
NAIVE: Final = datetime(2026, 1, 1)  # noqa: DTZ001
A_CALL: Final = ToolCall(tool_id="t", tool_name="crm", success=True, latency_ms=3)

BAD_TURNS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "NUL": ("user_message", {"user_message": f"{SECRET}\x00"}),
    "a lone surrogate": ("agent_response", {"agent_response": f"{SECRET}\ud800"}),
    "no text": ("user_message", {"user_message": None}),
    "below zero": ("turn_number", {"turn_number": -1}),
    "above 31 bits": ("turn_number", {"turn_number": 2**31}),
    "no number": ("turn_number", {"turn_number": SECRET}),
    "negative latency": ("latency_ms", {"latency_ms": -1}),
    "NaN": ("context_extracted", {"context_extracted": {"a": [SECRET, float("nan")]}}),
    "a set": ("context_extracted", {"context_extracted": {"a": {SECRET}}}),
    "NUL in JSON": ("scenario_state", {"scenario_state": {"a": [f"{SECRET}\x00"]}}),
    "65 bits": ("token_usage", {"token_usage": {"a": 2**63}}),
    "no object": ("scenario_state", {"scenario_state": [SECRET]}),
    "no key": ("scenario_state", {"scenario_state": {1: SECRET}}),
    "no call": ("tool_calls.0", {"tool_calls": [SECRET]}),
    "a bad call": ("tool_calls.1.output", {"tool_calls": [A_CALL, spoiled(A_CALL, output={SECRET})]}),
    "no rule": ("matched_rule_ids.1", {"matched_rule_ids": [uuid4(), SECRET]}),
    "no session": ("session_id", {"session_id": SECRET}),
    "no agent": ("agent_id", {"agent_id": None}),
    "no profile": ("customer_profile_id", {"customer_profile_id": SECRET}),
    "a naive time": ("created_at", {"created_at": NAIVE}),
    "another tenant": ("tenant_id", {"tenant_id": uuid4()}),
}
BAD_EVENTS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "no type": ("event_type", {"event_type": ""}),
    "a long type": ("event_type", {"event_type": SECRET * 9}),
    "NUL": ("event_type", {"event_type": f"{SECRET}\x00"}),
    "infinity": ("event_data", {"event_data": {"a": [SECRET, float("inf")]}}),
    "no object": ("event_data", {"event_data": SECRET}),
    "None": ("event_data", {"event_data": None}),
    "a surrogate": ("event_data", {"event_data": {f"{SECRET}\udfff": 1}}),
    "no turn": ("turn_id", {"turn_id": SECRET}),
    "another tenant": ("tenant_id", {"tenant_id": uuid4()}),
}
NO_ENTITY: Final = [SECRET, None, 5, {"user_message": SECRET}, [SECRET]]
NO_ID: Final = [SECRET, str(uuid4()), None, 5, b"0" * 16, [uuid4()]]
BY_ID: Final[dict[str, tuple[str, Callable[[AuditStore, Any], Coroutine[Any, Any, object]]]]] = {
    "get_turn": ("turn_id", lambda audit, bad: audit.get_turn(bad)),
    "get_event": ("event_id", lambda audit, bad: audit.get_event(bad)),
    "list_turns_by_session": ("session_id", lambda audit, bad: audit.list_turns_by_session(bad)),
    "list_events_by_session": ("session_id", lambda audit, bad: audit.list_events_by_session(bad)),
}
NO_LIMIT: Final = [0, -1, 1001, 2**70, True, 1.0, "1", None]
NO_OFFSET: Final = [-1, 2**31, 2**70, True, 1.0, "1", None]


class AuditRefusalsContract(AuditSuite):
    """``InvalidDataError``, whatever it is that can't be kept."""

    @pytest.mark.parametrize("name", BAD_TURNS)
    async def test_a_bad_turn_is_named_and_not_shown(self, audit: AuditStore, name: str) -> None:
        """Nor stored."""
        field, changes = BAD_TURNS[name]
        turn = a_turn(uuid4(), 1, user_message=SECRET)
        await self._refused(audit.save_turn(spoiled(turn, **changes)), field)
        assert await audit.get_turn(turn.id) is None

    @pytest.mark.parametrize("name", BAD_EVENTS)
    async def test_a_bad_event_is_named_and_not_shown(self, audit: AuditStore, name: str) -> None:
        """Nor stored."""
        field, changes = BAD_EVENTS[name]
        event = an_event(event_data={"a": SECRET})
        await self._refused(audit.save_event(spoiled(event, **changes)), field)
        assert await audit.get_event(event.id) is None

    @pytest.mark.parametrize("bad", NO_ENTITY, ids=lambda bad: type(bad).__name__)
    async def test_what_is_no_record_is_refused(self, audit: AuditStore, bad: Any) -> None:
        """As is one of another kind."""
        await self._refused(audit.save_turn(bad), "entity")
        await self._refused(audit.save_event(bad), "entity")
        await self._refused(audit.save_turn(an_event()), "entity")  # type: ignore[arg-type]
        await self._refused(audit.save_event(a_turn(uuid4(), 1)), "entity")  # type: ignore[arg-type]

    @pytest.mark.parametrize("bad", NO_ID, ids=lambda bad: type(bad).__name__)
    @pytest.mark.parametrize("name", BY_ID)
    async def test_what_is_no_id_is_refused(self, audit: AuditStore, name: str, bad: object) -> None:
        """Its text neither, and None."""
        field, call = BY_ID[name]
        await self._refused(call(audit, bad), field)

    @pytest.mark.parametrize("bad", [f"{SECRET}\x00", f"{SECRET}\ud800", 5, b"hunter2", [SECRET]], ids=ascii)
    async def test_what_is_no_event_type_is_refused(self, audit: AuditStore, bad: Any) -> None:
        """While None is every type."""
        await self._refused(audit.list_events_by_session(uuid4(), bad), "event_type")

    @pytest.mark.parametrize("bad", NO_LIMIT, ids=ascii)
    async def test_a_list_has_its_limits(self, audit: AuditStore, bad: Any) -> None:
        """1 to 1000."""
        await self._refused(audit.list_turns_by_session(uuid4(), limit=bad), "limit")
        await self._refused(audit.list_events_by_session(uuid4(), limit=bad), "limit")

    @pytest.mark.parametrize("bad", NO_OFFSET, ids=ascii)
    async def test_an_offset_has_its_bounds(self, audit: AuditStore, bad: Any) -> None:
        """0 and more."""
        await self._refused(audit.list_turns_by_session(uuid4(), offset=bad), "offset")

    async def test_a_duplicate_does_not_tell_what_is_stored(self, audit: AuditStore) -> None:
        """A driver's own message might quote the row."""
        turn: TurnRecord = await audit.save_turn(a_turn(uuid4(), 1, user_message=SECRET))
        for again in (turn, a_turn(turn.session_id, 1, user_message=SECRET)):
            with pytest.raises(DuplicateError) as caught:
                await audit.save_turn(again)
            assert "hunter2" not in all_told(caught.value)

    async def _refused(self, call: Coroutine[Any, Any, object], field: str) -> None:
        with pytest.raises(InvalidDataError) as caught:
            await call
        assert field == caught.value.field
        assert "hunter2" not in all_told(caught.value)
