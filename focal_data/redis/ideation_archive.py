"""Ideation sessions on Redis put in and taken out whole, with the ids, times and versions that they have."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar, cast
from uuid import UUID

from focal_data.domain.base import ValueObject
from focal_data.domain.checking import checked
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import InvalidDataError
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.ideation import RedisIdeationScope
from focal_data.redis.ideation_codec import WRITES_BYTES, decode, decode_all, encode, encode_all
from focal_data.redis.ideation_stores import MATURITY, NEWEST_DRAFT, STORIES, pointer_to
from focal_data.redis.ideation_work import DRAFTS, MESSAGE_IDS, MESSAGES, REQUIREMENTS, STATE, IdeationWork

E = TypeVar("E", bound=ValueObject)


class RedisIdeationArchives:
    """The archives of one tenant's sessions."""

    def __init__(self, client: RedisClient, tenant_id: UUID) -> None:
        self._client = client
        self._scope = RedisIdeationScope(client, tenant_id)

    async def get(self, session_id: str) -> IdeationArchive | None:
        """The session with everything that hangs on it, or ``None``. ``CorruptDataError`` when some of it can't be read."""
        return await self._scope.run(session_id, self._read)

    async def replace(self, archive: IdeationArchive) -> None:
        """Store all of it as it is, messages at the positions that their order gives, in place of what there is of it.

        ``InvalidDataError`` for what can't be kept, as ``messages[17].content``; then nothing changes.
        """
        mine = self._checked(archive)

        async def call(work: IdeationWork) -> None:
            await work.remove()
            _write(work, mine)

        await self._scope.run(mine.session.id, call)

    async def ids(self, after: str = "", *, limit: int = 1000) -> list[str]:
        """The ids of the tenant's sessions behind ``after``, upwards by their code points. The server looks at every key."""
        found: set[str] = set()
        async for names in self._client.scan(keys.of_ideation(self._scope.tenant_id.hex.encode())):
            for name, value in zip(names, await self._client.values(names), strict=True):
                if value is not None:
                    found.add(decode(IdeationSession, value[WRITES_BYTES:], name).id)
            found = set(heapq.nsmallest(limit, (id_ for id_ in found if id_ > after)))
        return sorted(found)

    async def _read(self, work: IdeationWork) -> IdeationArchive | None:
        session = await work.session()
        if session is None:
            return None
        state = await work.fields(STATE).all()
        maturity, stories = state.get(MATURITY), state.get(STORIES)
        key, owner = work.fields(STATE).key, self._owner(work)
        return IdeationArchive(
            session,
            sorted(await self._all(work, MESSAGES, ChatMessage), key=lambda one: cast("int", one.position)),
            sorted(await self._all(work, REQUIREMENTS, ExtractedRequirement), key=_created),
            decode(MaturityState, maturity, key, **owner) if maturity is not None else None,
            sorted(await self._all(work, DRAFTS, PRDDraft), key=_created),
            decode_all(UserStory, stories, key, **owner) if stories is not None else [],
        )

    async def _all(self, work: IdeationWork, place: int, kind: type[E]) -> list[E]:
        fields, owner = work.fields(place), self._owner(work)
        return [decode(kind, value, fields.key, **owner) for value in (await fields.all()).values()]

    def _owner(self, work: IdeationWork) -> dict[str, object]:
        return {"tenant_id": self._scope.tenant_id, "session_id": work.session_id}

    def _checked(self, archive: IdeationArchive) -> IdeationArchive:
        """``archive`` as it will be stored."""
        session = self._one("session", archive.session, IdeationSession)
        if session.version == 0:
            raise InvalidDataError("session.version", "must be 1 or more")
        if session.created_at is None or session.updated_at is None:
            raise InvalidDataError("session", "must have its times")
        messages = self._many("messages", archive.messages, ChatMessage, session.id)
        maturity = [archive.maturity] if archive.maturity else []
        return IdeationArchive(
            session,
            [message.model_copy(update={"position": at}) for at, message in enumerate(messages)],
            self._many("requirements", archive.requirements, ExtractedRequirement, session.id),
            next(iter(self._many("maturity", maturity, MaturityState, session.id)), None),
            self._many("drafts", archive.drafts, PRDDraft, session.id),
            self._many("stories", archive.stories, UserStory, session.id),
        )

    def _many(self, name: str, entities: Sequence[E], kind: type[E], session_id: str) -> list[E]:
        mine = [self._one(f"{name}[{place}]", entity, kind) for place, entity in enumerate(entities)]
        for place, entity in enumerate(mine):
            if getattr(entity, "session_id", None) != session_id:
                raise InvalidDataError(f"{name}[{place}].session_id", "is another session's")
            if getattr(entity, "created_at", entity) is None:
                raise InvalidDataError(f"{name}[{place}].created_at", "must be given")
        if len({getattr(entity, "id", None) for entity in mine}) < len(mine):
            raise InvalidDataError(name, "have an id twice")
        return mine

    def _one(self, path: str, entity: E, kind: type[E]) -> E:
        try:
            return checked(entity, kind, self._scope.tenant_id)
        except InvalidDataError as error:
            failure = InvalidDataError(f"{path}.{error.field}", error.reason)
        raise failure


def _write(work: IdeationWork, archive: IdeationArchive) -> None:
    work.put(archive.session)
    for message in archive.messages:
        work.fields(MESSAGES).put(b"%d" % cast("int", message.position), encode(message))
        work.fields(MESSAGE_IDS).put(message.id.encode(), b"")
    for requirement in archive.requirements:
        work.fields(REQUIREMENTS).put(requirement.id.encode(), encode(requirement))
    for draft in archive.drafts:
        work.fields(DRAFTS).put(draft.id.encode(), encode(draft))
    state = work.fields(STATE)
    if archive.maturity is not None:
        state.put(MATURITY, encode(archive.maturity))
    if archive.drafts:
        state.put(NEWEST_DRAFT, pointer_to(max(archive.drafts, key=_created)))
    if archive.stories:
        state.put(STORIES, encode_all(UserStory, archive.stories))


def _created(part: ExtractedRequirement | PRDDraft) -> tuple[datetime, str]:
    return cast("datetime", part.created_at), part.id  # a stored one has its times
