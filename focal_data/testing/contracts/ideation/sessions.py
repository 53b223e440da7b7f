"""Sessions: their version is their lock, and each user's are listed."""

from __future__ import annotations

import pytest

from focal_data.domain.ideation import IdeationSession, ProjectStatus
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    NOON,
    ODD_IDS,
    STORES_OWN,
    IdeationSuite,
    a_full_session,
    a_session,
)


class SessionsContract(IdeationSuite):
    """``IdeationSessionStore``."""

    async def test_a_session_comes_back_as_it_was_stored(self, ideation: IdeationTenant) -> None:
        """With every field, the tenant filled in, version 1, and the store's times."""
        given = a_full_session(created_at=NOON, updated_at=NOON)
        stored = await ideation.sessions.create(given)
        assert stored == await ideation.sessions.get_by_id(given.id)
        assert given.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert (ideation.tenant_id, 1) == (stored.tenant_id, stored.version)
        assert stored.created_at == stored.updated_at
        assert stored.created_at is not None
        assert NOON < stored.created_at

    @pytest.mark.parametrize("odd", ODD_IDS, ids=ascii)
    async def test_an_id_is_any_text(self, ideation: IdeationTenant, odd: str) -> None:
        """Of 1 to 64 characters, the user's of 1 to 255."""
        stored = await ideation.sessions.create(a_session(id=odd, user_id=odd))
        assert stored == await ideation.sessions.get_by_id(odd)
        assert [stored] == await ideation.sessions.list_by_user(odd)
        changed = await ideation.sessions.update(stored.evolve(project_name=""))
        assert changed == await ideation.sessions.get_by_id(odd)
        assert await ideation.sessions.delete(odd)
        assert await ideation.sessions.get_by_id(odd) is None
        assert [] == await ideation.sessions.list_by_user(odd)

    async def test_ids_that_look_alike_are_not_the_same(self, ideation: IdeationTenant) -> None:
        """In case, in spaces, in how a letter is composed, and in how keys are put together."""
        ids = ["a", "A", "a ", " a", "é", "e\u0301", "a:b", "{a}:b", "a:{b}"]
        stored = [await ideation.sessions.create(a_session(id=id, user_id=id)) for id in ids]  # noqa: A001
        assert stored == [await ideation.sessions.get_by_id(id) for id in ids]  # noqa: A001
        assert [[session] for session in stored] == [
            await ideation.sessions.list_by_user(id)
            for id in ids  # noqa: A001
        ]

    async def test_a_long_user_id_is_kept(self, ideation: IdeationTenant) -> None:
        """255 characters, however many bytes those are."""
        stored = await ideation.sessions.create(a_session(user_id="🦊" * 255))
        assert [stored] == await ideation.sessions.list_by_user("🦊" * 255)

    async def test_an_id_is_taken_once(self, ideation: IdeationTenant, session: IdeationSession) -> None:
        """What was stored first stays."""
        with pytest.raises(DuplicateError) as caught:
            await ideation.sessions.create(a_session(id=session.id, user_id="eve"))
        assert ("id",) == caught.value.fields
        assert session == await ideation.sessions.get_by_id(session.id)
        assert [] == await ideation.sessions.list_by_user("eve")

    async def test_a_version_is_counted_up(self, ideation: IdeationTenant) -> None:
        """With each update, which keeps the time of creation and sets the other."""
        first = await ideation.sessions.create(a_session())
        given = first.evolve(project_name="B", status=ProjectStatus.CLOSED, created_at=NOON, updated_at=NOON)
        second = await ideation.sessions.update(given)
        assert second == await ideation.sessions.get_by_id(first.id)
        assert (2, "B", ProjectStatus.CLOSED) == (second.version, second.project_name, second.status)
        assert first.created_at == second.created_at
        assert first.updated_at is not None
        assert second.updated_at is not None
        assert first.updated_at <= second.updated_at

    async def test_a_stale_version_is_refused(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """With the current one told, whether it is too low or too high; nothing changes."""
        current = await ideation.sessions.update(session.evolve(project_name="B"))
        for stale in (session, session.evolve(version=3), session.evolve(version=2**31 - 1)):
            with pytest.raises(StaleRevisionError) as caught:
                await ideation.sessions.update(stale.evolve(project_name="C"))
            assert ("IdeationSession", 2) == (caught.value.entity, caught.value.current_revision)
        assert current == await ideation.sessions.get_by_id(session.id)

    async def test_create_takes_what_is_new_and_update_what_is_not(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Version 0, and any other."""
        for call in (
            ideation.sessions.create(session),
            ideation.sessions.create(a_session(version=7)),
            ideation.sessions.update(session.evolve(version=0)),
        ):
            with pytest.raises(InvalidDataError) as caught:
                await call
            assert "version" == caught.value.field
        assert session == await ideation.sessions.get_by_id(session.id)

    async def test_what_is_not_stored_can_not_be_updated(self, ideation: IdeationTenant) -> None:
        """Nor is it created so."""
        missing = a_session(version=1)
        with pytest.raises(NotFoundError) as caught:
            await ideation.sessions.update(missing)
        assert "IdeationSession" == caught.value.entity
        assert await ideation.sessions.get_by_id(missing.id) is None
        assert [] == await ideation.sessions.list_by_user(missing.user_id)

    async def test_what_is_not_stored_is_absent(self, ideation: IdeationTenant) -> None:
        """However impossible its id."""
        for absent in ("nobody's", "", "x" * 1_000_000):
            assert await ideation.sessions.get_by_id(absent) is None
            assert not await ideation.sessions.delete(absent)
            assert [] == await ideation.sessions.list_by_user(absent)

    async def test_to_delete_tells_whether_it_was_there(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """Once it was."""
        assert [True, False] == [await ideation.sessions.delete(session.id) for _ in range(2)]
        assert [] == await ideation.sessions.list_by_user(session.user_id)

    async def test_a_users_sessions_are_listed_the_last_updated_first(self, ideation: IdeationTenant) -> None:
        """From an offset up to a limit, and nobody else's."""
        sessions = [await ideation.sessions.create(a_session()) for _ in range(5)]
        await ideation.sessions.create(a_session(user_id="eve"))
        changed = await ideation.sessions.update(sessions[1].evolve(project_name="B"))
        expected = [changed, sessions[4], sessions[3], sessions[2], sessions[0]]
        assert expected == await ideation.sessions.list_by_user("ada")
        assert expected[:2] == await ideation.sessions.list_by_user("ada", 2)
        assert expected[3:] == await ideation.sessions.list_by_user("ada", limit=1000, offset=3)
        assert [] == await ideation.sessions.list_by_user("ada", offset=2**31 - 1)

    async def test_a_list_of_sessions_has_fifty_when_nobody_says(self, ideation: IdeationTenant) -> None:
        """The last updated."""
        sessions = [await ideation.sessions.create(a_session()) for _ in range(51)]
        assert sessions[:0:-1] == await ideation.sessions.list_by_user("ada")

    async def test_a_session_can_move_to_another_user(
        self, ideation: IdeationTenant, session: IdeationSession
    ) -> None:
        """And back; it is listed once, where it is."""
        moved = await ideation.sessions.update(session.evolve(user_id="eve"))
        assert [] == await ideation.sessions.list_by_user("ada")
        assert [moved] == await ideation.sessions.list_by_user("eve")
        back = await ideation.sessions.update(moved.evolve(user_id="ada"))
        assert [back] == await ideation.sessions.list_by_user("ada")
        assert [] == await ideation.sessions.list_by_user("eve")
        with pytest.raises(StaleRevisionError):
            await ideation.sessions.update(moved.evolve(user_id="bob"))
        assert [] == await ideation.sessions.list_by_user("bob")
        assert [back] == await ideation.sessions.list_by_user("ada")
