"""What the studio is given and can't keep: an error that names the argument, without what it is; and nothing is stored."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer
from focal_data.errors import InvalidDataError
from focal_data.providers.llm.fake import FakeLLMProvider
from focal_data.services.ideation import IdeationService

Attempt = Callable[[IdeationService], Awaitable[Any]]


@pytest.mark.parametrize(
    ("field", "attempt"),
    [
        ("user_id", lambda studio: studio.start("hunter2\0", "A shop")),
        ("user_id", lambda studio: studio.start("", "A shop")),
        ("project_name", lambda studio: studio.start("ada", "hunter2\ud800")),
        ("project_name", lambda studio: studio.start("ada", None)),
        ("data_source", lambda studio: studio.start("ada", "A shop", data_source="hunter2")),
        ("session_id", lambda studio: studio.start("ada", "A shop", session_id="hunter2" * 10)),
        ("text", lambda studio: studio.chat("s", "hunter2\0")),
        ("text", lambda studio: studio.chat("s", b"hunter2")),
        ("message_id", lambda studio: studio.chat("s", "A shop", message_id="")),
        ("session_id", lambda studio: studio.chat(7, "A shop")),
        ("draft", lambda studio: studio.save_draft("hunter2")),
    ],
)
async def test_what_can_not_be_kept_is_named(field: str, attempt: Attempt) -> None:
    """As by the stores; the model is not asked."""
    llm = FakeLLMProvider()
    ideation = DataLayer.in_memory().tenant(uuid4()).ideation
    studio = IdeationService(ideation, llm)
    await studio.start("ada", "A shop", session_id="s")
    with pytest.raises(InvalidDataError) as caught:
        await attempt(studio)
    error = caught.value
    assert (field, None) == (error.field, error.__context__)
    assert "hunter2" not in str(error)
    assert ["s"] == [session.id for session in await ideation.sessions.list_by_user("ada")]
    assert ([], []) == (await ideation.messages.get_by_session("s"), llm.calls)
