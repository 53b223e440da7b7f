"""Bad data and bad arguments: refused with the field's name, told without the value, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from focal_data.domain.ideation import IdeationSession, MaturityCategory
from focal_data.errors import DuplicateError, InvalidDataError
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.base import all_told
from focal_data.testing.contracts.ideation.base import (
    NOTHING,
    IdeationSuite,
    a_draft,
    a_maturity,
    a_message,
    a_requirement,
    a_session,
    a_story,
    all_parts,
    spoiled,
)

SECRET: Final = "hunter2 🦊"
NUL: Final = f"{SECRET}\x00"
LONE: Final = f"{SECRET}\ud800"
LONG: Final = SECRET * 8
"""More than 64 characters."""
NAIVE: Final = datetime(2026, 1, 1)  # noqa: DTZ001

_BAD_IDS: Final[dict[str, object]] = {
    "no": "",
    "long": LONG,
    "NUL": NUL,
    "surrogate": LONE,
    "number": 5,
    "uuid": uuid4(),
    "None": None,
}
BAD_SESSIONS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    **{f"{name} id": ("id", {"id": bad}) for name, bad in _BAD_IDS.items()},
    "NUL in its name": ("project_name", {"project_name": NUL}),
    "a surrogate in its name": ("project_name", {"project_name": LONE}),
    "no user": ("user_id", {"user_id": ""}),
    "a long user": ("user_id", {"user_id": "x" * 256}),
    "NUL in its user": ("user_id", {"user_id": NUL}),
    "an unknown status": ("status", {"status": SECRET}),
    "an unknown source": ("data_source", {"data_source": SECRET}),
    "a version below zero": ("version", {"version": -1}),
}
BAD_MESSAGES: Final[dict[str, tuple[str, dict[str, object]]]] = {
    **{f"{name} id": ("id", {"id": bad}) for name, bad in _BAD_IDS.items()},
    **{f"{name} session": ("session_id", {"session_id": bad}) for name, bad in _BAD_IDS.items()},
    "NUL": ("content", {"content": NUL}),
    "a surrogate": ("content", {"content": LONE}),
    "no text": ("content", {"content": None}),
    "an unknown role": ("role", {"role": SECRET}),
    "a naive time": ("timestamp", {"timestamp": NAIVE}),
    "a great delta": ("maturity_delta", {"maturity_delta": 100.1}),
    "no delta": ("maturity_delta", {"maturity_delta": float("nan")}),
    "NUL in JSON": ("metadata", {"metadata": {"a": [NUL]}}),
    "infinity in JSON": ("metadata", {"metadata": {"a": [SECRET, float("inf")]}}),
    "no object": ("metadata", {"metadata": [SECRET]}),
}
BAD_REQUIREMENTS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "no id": ("id", {"id": ""}),
    "a long session": ("session_id", {"session_id": LONG}),
    "NUL": ("description", {"description": NUL}),
    "a surrogate": ("description", {"description": LONE}),
    "an unknown type": ("type", {"type": SECRET}),
    "an unknown priority": ("priority", {"priority": SECRET}),
    "a long category": ("category_id", {"category_id": LONG}),
    "no category": ("category_id", {"category_id": ""}),
}
BAD_MATURITIES: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "no session": ("session_id", {"session_id": ""}),
    "a great score": ("score", {"score": 100.1}),
    "a small score": ("score", {"score": -0.1}),
    "no score": ("score", {"score": float("nan")}),
    "no level": ("level", {"level": ""}),
    "NUL in a gap": ("gaps.1", {"gaps": [SECRET, NUL]}),
    "no gaps": ("gaps", {"gaps": None}),
    "a category without a name": (
        "categories.0.name",
        {"categories": [spoiled(MaturityCategory(id="a", name="A"), name="")]},
    ),
}
BAD_DRAFTS: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "a long id": ("id", {"id": LONG}),
    "a long session": ("session_id", {"session_id": LONG}),
    "NUL": ("title", {"title": NUL}),
    "no version": ("version", {"version": ""}),
    "a long status": ("status", {"status": "x" * 256}),
    "no section": ("sections.0", {"sections": [SECRET]}),
}
BAD_STORIES: Final[dict[str, tuple[str, dict[str, object]]]] = {
    "a long id": ("id", {"id": LONG}),
    "NUL": ("title", {"title": NUL}),
    "a surrogate": ("as_a", {"as_a": LONE}),
    "no text": ("so_that", {"so_that": None}),
    "NUL in a criterion": ("acceptance_criteria.0", {"acceptance_criteria": [NUL]}),
    "a long requirement": ("linked_requirements.1", {"linked_requirements": ["r", LONG]}),
    "an unknown priority": ("priority", {"priority": SECRET}),
}

NO_TEXT: Final = [NUL, LONE, 5, None, b"hunter2", [SECRET], uuid4()]
NO_ENTITY: Final = [SECRET, None, 5, {"id": SECRET}, [SECRET]]
NO_LIMIT: Final = [0, -1, 1001, 2**70, True, 1.0, "1", None]
NO_OFFSET: Final = [-1, 2**31, 2**70, True, 1.0, "1", None]

Call = Callable[[IdeationTenant, Any], Coroutine[Any, Any, object]]
BY_TEXT: Final[dict[str, tuple[str, Call]]] = {
    "get_by_id": ("session_id", lambda i, bad: i.sessions.get_by_id(bad)),
    "delete": ("session_id", lambda i, bad: i.sessions.delete(bad)),
    "list_by_user": ("user_id", lambda i, bad: i.sessions.list_by_user(bad)),
    "messages": ("session_id", lambda i, bad: i.messages.get_by_session(bad)),
    "delete messages": ("session_id", lambda i, bad: i.messages.delete_by_session(bad)),
    "requirements": ("session_id", lambda i, bad: i.requirements.get_by_session(bad)),
    "delete a requirement of": ("session_id", lambda i, bad: i.requirements.delete(bad, "r")),
    "delete a requirement": ("requirement_id", lambda i, bad: i.requirements.delete("s", bad)),
    "maturity": ("session_id", lambda i, bad: i.maturity.get_by_session(bad)),
    "draft": ("session_id", lambda i, bad: i.prd.get_draft(bad)),
    "stories": ("session_id", lambda i, bad: i.prd.get_user_stories(bad)),
    "save stories": ("session_id", lambda i, bad: i.prd.save_user_stories(bad, [])),
}


class IdeationRefusalsContract(IdeationSuite):
    """``InvalidDataError``, whatever it is that can't be kept."""

    @pytest.mark.parametrize("name", BAD_SESSIONS)
    async def test_a_bad_session_is_named_and_not_shown(
        self, ideation: IdeationTenant, session: IdeationSession, name: str
    ) -> None:
        """Nor stored, or changed."""
        field, changes = BAD_SESSIONS[name]
        bad = spoiled(a_session(user_id="eve", project_name=SECRET), **changes)
        await self._refused(ideation.sessions.create(bad), field)
        assert [] == await ideation.sessions.list_by_user("eve")
        await self._refused(ideation.sessions.update(spoiled(session, **changes)), field)
        assert session == await ideation.sessions.get_by_id(session.id)

    @pytest.mark.parametrize("name", BAD_MESSAGES)
    async def test_a_bad_message_is_named_and_not_shown(
        self, ideation: IdeationTenant, session: IdeationSession, name: str
    ) -> None:
        """Nor stored."""
        field, changes = BAD_MESSAGES[name]
        await self._refused(
            ideation.messages.create(spoiled(a_message(session.id, SECRET), **changes)), field
        )
        assert NOTHING == await all_parts(ideation, session.id)

    @pytest.mark.parametrize("name", BAD_REQUIREMENTS)
    async def test_a_bad_requirement_is_named_and_not_shown(
        self, ideation: IdeationTenant, session: IdeationSession, name: str
    ) -> None:
        """Nor stored, or changed."""
        field, changes = BAD_REQUIREMENTS[name]
        stored = await ideation.requirements.create(a_requirement(session.id))
        await self._refused(
            ideation.requirements.create(spoiled(a_requirement(session.id), **changes)), field
        )
        await self._refused(ideation.requirements.update(spoiled(stored, **changes)), field)
        assert [stored] == await ideation.requirements.get_by_session(session.id)

    @pytest.mark.parametrize("name", BAD_MATURITIES)
    async def test_a_bad_maturity_is_named_and_not_shown(
        self, ideation: IdeationTenant, session: IdeationSession, name: str
    ) -> None:
        """Nor stored."""
        field, changes = BAD_MATURITIES[name]
        await self._refused(ideation.maturity.save(spoiled(a_maturity(session.id), **changes)), field)
        assert NOTHING == await all_parts(ideation, session.id)

    @pytest.mark.parametrize("name", BAD_DRAFTS)
    async def test_a_bad_draft_is_named_and_not_shown(
        self, ideation: IdeationTenant, session: IdeationSession, name: str
    ) -> None:
        """Nor stored."""
        field, changes = BAD_DRAFTS[name]
        await self._refused(ideation.prd.save_draft(spoiled(a_draft(session.id), **changes)), field)
        assert NOTHING == await all_parts(ideation, session.id)

    @pytest.mark.parametrize("name", BAD_STORIES)
    async def test_a_bad_story_is_named_and_not_shown(
        self, ideation: IdeationTenant, session: IdeationSession, name: str
    ) -> None:
        """With its place, and none of the others is stored."""
        field, changes = BAD_STORIES[name]
        stories = [a_story(session.id), spoiled(a_story(session.id, SECRET), **changes)]
        await self._refused(ideation.prd.save_user_stories(session.id, stories), f"[1].{field}")
        assert NOTHING == await all_parts(ideation, session.id)

    @pytest.mark.parametrize("bad", NO_ENTITY, ids=lambda bad: type(bad).__name__)
    async def test_what_is_of_another_kind_is_refused(
        self, ideation: IdeationTenant, session: IdeationSession, bad: Any
    ) -> None:
        """As is an entity in the place of another."""
        await self._refused(ideation.sessions.create(bad), "entity")
        await self._refused(ideation.sessions.update(a_message(session.id)), "entity")  # type: ignore[arg-type]
        await self._refused(ideation.messages.create(bad), "entity")
        await self._refused(ideation.messages.create(session), "entity")  # type: ignore[arg-type]
        await self._refused(ideation.requirements.create(bad), "entity")
        await self._refused(ideation.requirements.update(bad), "entity")
        await self._refused(ideation.maturity.save(bad), "entity")
        await self._refused(ideation.prd.save_draft(bad), "entity")
        await self._refused(ideation.prd.save_user_stories(session.id, [bad]), "[0].entity")
        assert NOTHING == await all_parts(ideation, session.id)

    @pytest.mark.parametrize("bad", [None, 5, SECRET, a_story("s")], ids=lambda bad: type(bad).__name__)
    async def test_stories_are_a_sequence(
        self, ideation: IdeationTenant, session: IdeationSession, bad: Any
    ) -> None:
        """Not one of them alone."""
        await self._refused(ideation.prd.save_user_stories(session.id, bad), "stories")

    @pytest.mark.parametrize("bad", NO_TEXT, ids=lambda bad: type(bad).__name__)
    @pytest.mark.parametrize("name", BY_TEXT)
    async def test_what_is_no_text_is_no_id(self, ideation: IdeationTenant, name: str, bad: object) -> None:
        """Nor is text that can't be kept."""
        field, call = BY_TEXT[name]
        await self._refused(call(ideation, bad), field)

    @pytest.mark.parametrize("bad", NO_LIMIT, ids=ascii)
    async def test_a_list_has_its_limits(self, ideation: IdeationTenant, bad: Any) -> None:
        """1 to 1000."""
        await self._refused(ideation.sessions.list_by_user("ada", limit=bad), "limit")
        await self._refused(ideation.messages.get_by_session("s", limit=bad), "limit")

    @pytest.mark.parametrize("bad", NO_OFFSET, ids=ascii)
    async def test_an_offset_has_its_bounds(self, ideation: IdeationTenant, bad: Any) -> None:
        """0 and more."""
        await self._refused(ideation.sessions.list_by_user("ada", offset=bad), "offset")
        await self._refused(ideation.messages.get_by_session("s", offset=bad), "offset")

    async def test_a_duplicate_does_not_tell_what_is_stored(self, ideation: IdeationTenant) -> None:
        """A driver's own message might quote it."""
        session = await ideation.sessions.create(a_session(project_name=SECRET))
        message = await ideation.messages.create(a_message(session.id, SECRET))
        for call in (
            ideation.sessions.create(session.evolve(version=0)),
            ideation.messages.create(message),
        ):
            with pytest.raises(DuplicateError) as caught:
                await call
            assert "hunter2" not in all_told(caught.value)

    async def _refused(self, call: Coroutine[Any, Any, object], field: str) -> None:
        with pytest.raises(InvalidDataError) as caught:
            await call
        assert field == caught.value.field
        assert "hunter2" not in all_told(caught.value)
