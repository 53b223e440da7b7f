"""The five ideation stores on Redis: what each call reads of its session and writes to it, whoever commits that."""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar, cast

from focal_data.domain.base import ValueObject
from focal_data.domain.checking import checked, checked_text
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError, StaleRevisionError
from focal_data.ids import TenantId
from focal_data.redis.codec import microseconds
from focal_data.redis.ideation_codec import decode, decode_all, encode, encode_all
from focal_data.redis.ideation_work import (
    DRAFTS,
    MESSAGE_IDS,
    MESSAGES,
    REQUIREMENTS,
    STATE,
    Fields,
    IdeationWork,
)
from focal_data.stores.base import checked_limit, checked_many, checked_offset
from focal_data.stores.ideation import (
    IdeationMaturityStore,
    IdeationMessageStore,
    IdeationPRDStore,
    IdeationRequirementStore,
    IdeationSessionStore,
    next_version,
)

T = TypeVar("T")
E = TypeVar("E", bound=ValueObject)

Call = Callable[[IdeationWork], Awaitable[T]]

MATURITY, STORIES, NEWEST_DRAFT = b"maturity", b"stories", b"draft"
"""The fields of what a session is in."""

_CREATION: Final = struct.Struct(">q")


class IdeationScope(Protocol):
    """What the stores work on: a tenant, or one open transaction."""

    @property
    def tenant_id(self) -> TenantId: ...

    def now(self) -> datetime: ...

    async def run(self, session_id: str, call: Call[T]) -> T: ...

    async def first(self, user_id: str, count: int) -> list[IdeationSession]: ...


class _Store:
    def __init__(self, scope: IdeationScope) -> None:
        self._scope = scope

    def _mine(self, entity: E, kind: type[E]) -> E:
        return checked(entity, kind, self._scope.tenant_id)

    async def _run(self, session_id: str, call: Call[T]) -> T:
        return await self._scope.run(checked_text("session_id", session_id), call)

    def _read(self, kind: type[E], value: bytes, fields: Fields, session_id: str, **expected: object) -> E:
        return decode(
            kind, value, fields.key, tenant_id=self._scope.tenant_id, session_id=session_id, **expected
        )


class RedisIdeationSessionStore(_Store, IdeationSessionStore):
    """Sessions on Redis."""

    async def create(self, session: IdeationSession) -> IdeationSession:
        mine = self._mine(session, IdeationSession)
        if mine.version != 0:
            raise InvalidDataError("version", "must be 0 for one that is not stored yet")

        async def call(work: IdeationWork) -> IdeationSession:
            if await work.exists():
                raise _taken("sessions")
            now = self._scope.now()
            return self._put(work, mine, version=1, created_at=now, updated_at=now)

        return await self._run(mine.id, call)

    async def get_by_id(self, session_id: str) -> IdeationSession | None:
        return await self._run(session_id, IdeationWork.session)

    async def update(self, session: IdeationSession) -> IdeationSession:
        mine = self._mine(session, IdeationSession)
        if mine.version == 0:
            raise InvalidDataError("version", "must not be 0 for one that is stored")

        async def call(work: IdeationWork) -> IdeationSession:
            stored = await work.session()
            if stored is None:
                raise NotFoundError(IdeationSession.__name__)
            if stored.version != mine.version:
                raise StaleRevisionError(IdeationSession.__name__, stored.version)
            times = {"created_at": stored.created_at, "updated_at": self._scope.now()}
            return self._put(work, mine, version=next_version(stored.version), **times)

        return await self._run(mine.id, call)

    async def delete(self, session_id: str) -> bool:
        return await self._run(session_id, IdeationWork.remove)

    async def list_by_user(self, user_id: str, limit: int = 50, offset: int = 0) -> list[IdeationSession]:
        checked_text("user_id", user_id)
        count, start = checked_limit(limit), checked_offset(offset)
        return (await self._scope.first(user_id, start + count))[start:]

    def _put(self, work: IdeationWork, session: IdeationSession, **stamps: object) -> IdeationSession:
        new = session.model_copy(update=stamps)
        work.put(new)
        return new


class RedisIdeationMessageStore(_Store, IdeationMessageStore):
    """Messages on Redis: a hash of them by position, and one of their ids."""

    async def create(self, message: ChatMessage) -> ChatMessage:
        mine = self._mine(message, ChatMessage)

        async def call(work: IdeationWork) -> ChatMessage:
            messages, ids = work.fields(MESSAGES), work.fields(MESSAGE_IDS)
            await work.ask(*messages.counting(), *ids.getting(mine.id.encode()))
            await work.require()
            if await ids.get(mine.id.encode()) != [None]:
                raise _taken("messages")
            position = await messages.count()
            new = mine.model_copy(update={"position": position})
            messages.put(b"%d" % position, encode(new))
            ids.put(mine.id.encode(), b"")
            return new

        return await self._run(mine.session_id, call)

    async def get_by_session(self, session_id: str, limit: int = 100, offset: int = 0) -> list[ChatMessage]:
        positions = range(checked_offset(offset), offset + checked_limit(limit))

        async def call(work: IdeationWork) -> list[ChatMessage]:
            fields = work.fields(MESSAGES)
            values = await fields.get(*(b"%d" % position for position in positions))
            return [
                self._read(ChatMessage, value, fields, session_id, position=position)
                for position, value in zip(positions, values, strict=True)
                if value is not None
            ]

        return await self._run(session_id, call)

    async def delete_by_session(self, session_id: str) -> int:
        async def call(work: IdeationWork) -> int:
            count = await work.fields(MESSAGES).count()
            if count:
                work.fields(MESSAGES).empty()
                work.fields(MESSAGE_IDS).empty()
            return count

        return await self._run(session_id, call)


class RedisIdeationRequirementStore(_Store, IdeationRequirementStore):
    """Requirements on Redis: a hash of them by id."""

    async def create(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        mine = self._mine(requirement, ExtractedRequirement)

        async def call(work: IdeationWork) -> ExtractedRequirement:
            fields, name = work.fields(REQUIREMENTS), mine.id.encode()
            (stored,) = await fields.get(name)
            await work.require()
            if stored is not None:
                raise _taken("requirements")
            new = mine.model_copy(update={"created_at": self._scope.now()})
            fields.put(name, encode(new))
            return new

        return await self._run(mine.session_id, call)

    async def get_by_session(self, session_id: str) -> list[ExtractedRequirement]:
        async def call(work: IdeationWork) -> list[ExtractedRequirement]:
            fields = work.fields(REQUIREMENTS)
            found = [
                self._read(ExtractedRequirement, value, fields, session_id, id=_id(name))
                for name, value in (await fields.all()).items()
            ]
            return sorted(found, key=lambda one: (cast("datetime", one.created_at), one.id))

        return await self._run(session_id, call)

    async def update(self, requirement: ExtractedRequirement) -> ExtractedRequirement:
        mine = self._mine(requirement, ExtractedRequirement)

        async def call(work: IdeationWork) -> ExtractedRequirement:
            fields, name = work.fields(REQUIREMENTS), mine.id.encode()
            (value,) = await fields.get(name)
            if value is None:
                raise NotFoundError(ExtractedRequirement.__name__)
            stored = self._read(ExtractedRequirement, value, fields, mine.session_id, id=mine.id)
            new = mine.model_copy(update={"created_at": stored.created_at})
            fields.put(name, encode(new))
            return new

        return await self._run(mine.session_id, call)

    async def delete(self, session_id: str, requirement_id: str) -> bool:
        name = checked_text("requirement_id", requirement_id).encode()

        async def call(work: IdeationWork) -> bool:
            fields = work.fields(REQUIREMENTS)
            found = await fields.get(name) != [None]
            if found:
                fields.put(name, None)
            return found

        return await self._run(session_id, call)


class RedisIdeationMaturityStore(_Store, IdeationMaturityStore):
    """Maturity on Redis: a field of what state the session is in."""

    async def save(self, maturity: MaturityState) -> MaturityState:
        mine = self._mine(maturity, MaturityState)

        async def call(work: IdeationWork) -> MaturityState:
            await work.require()
            new = mine.model_copy(update={"updated_at": self._scope.now()})
            work.fields(STATE).put(MATURITY, encode(new))
            return new

        return await self._run(mine.session_id, call)

    async def get_by_session(self, session_id: str) -> MaturityState | None:
        async def call(work: IdeationWork) -> MaturityState | None:
            fields = work.fields(STATE)
            (value,) = await fields.get(MATURITY)
            return None if value is None else self._read(MaturityState, value, fields, session_id)

        return await self._run(session_id, call)


class RedisIdeationPRDStore(_Store, IdeationPRDStore):
    """Drafts on Redis: a hash of them by id, and which of them counts; and the stories, one value."""

    async def save_draft(self, draft: PRDDraft) -> PRDDraft:
        mine = self._mine(draft, PRDDraft)

        async def call(work: IdeationWork) -> PRDDraft:
            fields, state, name = work.fields(DRAFTS), work.fields(STATE), mine.id.encode()
            await work.ask(*fields.getting(name), *state.getting(NEWEST_DRAFT))
            await work.require()
            (value,) = await fields.get(name)
            stored = value and self._read(PRDDraft, value, fields, mine.session_id, id=mine.id)
            created = cast("datetime", stored.created_at) if stored else self._scope.now()
            new = mine.model_copy(update={"created_at": created})
            fields.put(name, encode(new))
            (newest,) = await state.get(NEWEST_DRAFT)
            if newest is None or _creation(newest) < (microseconds(created), name):
                state.put(NEWEST_DRAFT, pointer_to(new))
            return new

        return await self._run(mine.session_id, call)

    async def get_draft(self, session_id: str) -> PRDDraft | None:
        async def call(work: IdeationWork) -> PRDDraft | None:
            (newest,) = await work.fields(STATE).get(NEWEST_DRAFT)
            if newest is None:
                return None
            name, fields = newest[_CREATION.size :], work.fields(DRAFTS)
            (value,) = await fields.get(name)
            return self._read(PRDDraft, value or b"", fields, session_id, id=_id(name))

        return await self._run(session_id, call)

    async def save_user_stories(self, session_id: str, stories: Sequence[UserStory]) -> list[UserStory]:
        checked_text("session_id", session_id)
        mine = [self._story(session_id, *one) for one in enumerate(checked_many("stories", stories))]

        async def call(work: IdeationWork) -> list[UserStory]:
            await work.require()
            if len({story.id for story in mine}) < len(mine):
                raise _taken("user_stories")
            now = self._scope.now()
            new = [story.model_copy(update={"created_at": now}) for story in mine]
            work.fields(STATE).put(STORIES, encode_all(UserStory, new) if new else None)
            return new

        return await self._run(session_id, call)

    async def get_user_stories(self, session_id: str) -> list[UserStory]:
        async def call(work: IdeationWork) -> list[UserStory]:
            fields = work.fields(STATE)
            (value,) = await fields.get(STORIES)
            if value is None:
                return []
            return decode_all(
                UserStory, value, fields.key, tenant_id=self._scope.tenant_id, session_id=session_id
            )

        return await self._run(session_id, call)

    def _story(self, session_id: str, number: int, story: UserStory) -> UserStory:
        try:
            mine = self._mine(story, UserStory)
        except InvalidDataError as error:
            error.at_row(number)
            raise
        if mine.session_id != session_id:
            raise InvalidDataError("session_id", "is another session's")
        return mine


def _taken(table: str) -> DuplicateError:
    return DuplicateError(f"pk_ideation_{table}", ("id",))


def pointer_to(draft: PRDDraft) -> bytes:
    """What tells that this draft is the one that counts: when it was created, and its id."""
    created = cast("datetime", draft.created_at)  # a stored one has its time
    return _CREATION.pack(microseconds(created)) + draft.id.encode()


def _creation(newest: bytes) -> tuple[int, bytes]:
    (created,) = _CREATION.unpack_from(newest.ljust(_CREATION.size, b"\x7f"))
    return created, newest[_CREATION.size :]


def _id(name: bytes) -> str:
    return name.decode(errors="replace")
