"""The data of existing ideation deployments where they keep it: read as it is, and written back for them.

One session is read and written at once, so that nothing comes in between; on a cluster its keys lie in different slots,
each is read and written by itself, and the session last. It is found by its own key, never by its user's index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Final, TypeVar, cast

from focal_data.domain.base import ValueObject
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.redis import keys
from focal_data.redis.client import RedisClient, Reply
from focal_data.redis.cluster_client import ClusterClient
from focal_data.redis.ideation_legacy_json import UnreadableError, decoded, decoded_all, encoded
from focal_data.redis.script import Effect, Script

E = TypeVar("E", bound=ValueObject)
Found = tuple[bytes, Reply]
"""The type of a key, and what is there."""
Entry = tuple[bytes, bytes, list[bytes]]
"""A key, its type, and what is to be there."""

PAGE: Final = 1000
"""Items of a list that are read at once."""

_READ: Final = Script("legacy_read", Effect.READ)
_INDEXED: Final = Script("legacy_indexed", Effect.READ)
_WRITE: Final = Script("legacy_write", Effect.REPEATABLE)
_ABSENT, _STRING, _LIST, _HASH, _SET = b"none", b"string", b"list", b"hash", b"set"
_TYPES: Final = (_STRING, _LIST, _HASH, _STRING, _STRING, _LIST)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said of a key. It holds no content but what the key's name has."""

    key: str
    reason: str


@dataclass
class Reading:
    """What there is of one session, and what of it can't be read."""

    session: IdeationSession | None = None
    messages: list[ChatMessage] = field(default_factory=list)
    requirements: list[ExtractedRequirement] = field(default_factory=list)
    maturity: MaturityState | None = None
    draft: PRDDraft | None = None
    stories: list[UserStory] = field(default_factory=list)
    indexed: bool = False
    """Whether its user's index names it."""
    problems: list[Finding] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    """What was not taken as it stands, and how often."""

    @property
    def drafts(self) -> list[PRDDraft]:
        """The only one, if any."""
        return [] if self.draft is None else [self.draft]

    @property
    def archive(self) -> IdeationArchive | None:
        """The session with its parts; ``None`` when there is none, or something can't be read."""
        if self.session is None or self.problems:
            return None
        return IdeationArchive(
            self.session, self.messages, self.requirements, self.maturity, self.drafts, self.stories
        )


class LegacyIdeation:
    """The keys of an existing deployment, on one Redis."""

    def __init__(self, client: RedisClient) -> None:
        self._client = client

    async def sessions(self) -> set[bytes]:
        """What names each session, in the key of a session."""
        prefix = keys.LEGACY_SESSIONS
        found: set[bytes] = set()
        async for names in self._client.scan(prefix + b"*"):
            found.update(name.removeprefix(prefix) for name in names)
        return found

    async def read(self, session_id: str) -> Reading:
        """All that there is of the session, every message included."""
        names = keys.legacy_session(session_id)
        reading = Reading()
        parts = _Parts(session_id, names, await self._whole(names), reading)
        reading.session = parts.one(0, IdeationSession)
        reading.messages = parts.many(1, ChatMessage)
        reading.requirements = sorted(parts.hashed(2), key=_by_creation)
        reading.maturity = parts.one(3, MaturityState)
        reading.draft = parts.one(4, PRDDraft)
        reading.stories = parts.many(5, UserStory)
        if reading.session is not None:
            user = keys.legacy_user(reading.session.user_id)
            reading.indexed = bool(await self._client.run(_INDEXED, [user], [session_id.encode()]))
        return reading

    async def write(self, archive: IdeationArchive) -> None:
        """Put it in place of what there is of the session, with the draft that counts; and name it in its user's index."""
        session_id = archive.session.id
        names = keys.legacy_session(session_id)
        wishes = [part for wish in archive.requirements for part in (wish.id.encode(), encoded(wish))]
        values = (
            [encoded(archive.session)],
            [encoded(message) for message in archive.messages],
            wishes,
            [encoded(archive.maturity)] if archive.maturity else [],
            [encoded(draft) for draft in archive.drafts[-1:]],
            [encoded(story) for story in archive.stories],
        )
        ordered = [*zip(names, _TYPES, values, strict=True)]
        index = (keys.legacy_user(archive.session.user_id), _SET, [session_id.encode()])
        await self._put(index, [*ordered[1:], ordered[0]])

    async def leftovers(self, sessions: Collection[bytes]) -> AsyncIterator[Finding]:
        """The keys that lead to none of ``sessions`` and belong to none, and those that nobody knows."""
        told: set[bytes] = set()
        async for names in self._client.scan(keys.LEGACY + b"*"):
            for name in set(names) - told:
                finding = await self._leftover(name, sessions)
                if finding is not None:
                    told.add(name)
                    yield finding

    async def _leftover(self, name: bytes, sessions: Collection[bytes]) -> Finding | None:
        if name.startswith(keys.LEGACY_SESSIONS):
            return None
        if name.startswith(keys.LEGACY_USERS):
            return await self._stale(name, sessions)
        for prefix in keys.LEGACY_PARTS:
            if name.startswith(prefix):
                lone = name.removeprefix(prefix) not in sessions
                return Finding(shown(name), "its session is not there") if lone else None
        return Finding(shown(name), "is not a key that such deployments have")

    async def _stale(self, name: bytes, sessions: Collection[bytes]) -> Finding | None:
        ((kind, found),) = await self._read([name])
        if kind != _SET:
            return None if kind == _ABSENT else Finding(shown(name), _wrong(kind, _SET))
        stale = sum(member not in sessions for member in cast("list[bytes]", found))
        return Finding(shown(name), f"names {stale} sessions that are not there") if stale else None

    async def _whole(self, names: Sequence[bytes]) -> list[Found]:
        """What is there, lists from their first item to their last."""
        found = await self._read(names)
        for name, (kind, items) in zip(names, found, strict=True):
            if kind == _LIST:
                await self._complete(name, cast("list[Reply]", items))
        return found

    async def _complete(self, name: bytes, items: list[Reply]) -> None:
        """Add what comes behind ``items``, the beginning of a list."""
        while items and len(items) % PAGE == 0:
            ((_, more),) = await self._read([name], start=len(items))
            if not more:
                return
            items += cast("list[Reply]", more)

    async def _read(self, names: Sequence[bytes], *, start: int = 0) -> list[Found]:
        client, span = self._client, [b"%d" % start, b"%d" % (start + PAGE - 1)]
        if isinstance(client, ClusterClient):
            single = await client.run_each(_READ, [([name], span) for name in names])
            return [cast("list[Found]", found)[0] for found in single]
        return cast("list[Found]", await client.run(_READ, names, span))

    async def _put(self, index: Entry, parts: Sequence[Entry]) -> None:
        """``parts`` in their order. At once, the index comes first, since it is what may be of another type."""
        client = self._client
        if isinstance(client, ClusterClient):
            for entry in (*parts, index):
                await client.run(_WRITE, [entry[0]], _arguments(entry))
            return
        entries = (index, *parts)
        await client.run(
            _WRITE, [entry[0] for entry in entries], [*chain.from_iterable(map(_arguments, entries))]
        )


def _arguments(entry: Entry) -> list[bytes]:
    _, kind, values = entry
    return [kind, b"%d" % len(values), *values]


class _Parts:
    """What was found of one session, decoded; what can't be is put down among the reading's problems."""

    def __init__(
        self, session_id: str, names: Sequence[bytes], found: Sequence[Found], into: Reading
    ) -> None:
        self._session_id = session_id
        self._names = names
        self._found = found
        self._into = into

    def one(self, place: int, kind: type[E]) -> E | None:
        """The one that is kept as a string, or ``None``."""
        text = self._of(place)
        return None if text is None else self._decoded(place, kind, cast("bytes", text), "")

    def many(self, place: int, kind: type[E]) -> list[E]:
        """Those that are kept in a list."""
        texts = cast("list[bytes]", self._of(place) or [])
        try:
            return self._distinct(place, decoded_all(kind, texts, self._session_id, self._into.notes))
        except UnreadableError:
            pass  # one by one, all that can't be read are named
        found = [self._decoded(place, kind, text, f"[{number}] ") for number, text in enumerate(texts)]
        return self._distinct(place, [thing for thing in found if thing is not None])

    def hashed(
        self, place: int, kind: type[ExtractedRequirement] = ExtractedRequirement
    ) -> list[ExtractedRequirement]:
        """Those that are kept in a hash, by their ids."""
        items = cast("list[bytes]", self._of(place) or [])
        found = []
        for number, (name, text) in enumerate(zip(items[::2], items[1::2], strict=True)):
            thing = self._decoded(place, kind, text, f"[{number}] ")
            if thing is not None and thing.id.encode() != name:
                self._tell(place, f"[{number}] id: is not the one that it is kept under")
            elif thing is not None:
                found.append(thing)
        return found

    def _of(self, place: int) -> Reply:
        kind, value = self._found[place]
        if kind == _ABSENT:
            return None
        if kind != _TYPES[place]:
            self._tell(place, _wrong(kind, _TYPES[place]))
            return None
        return value

    def _decoded(self, place: int, kind: type[E], text: bytes, path: str) -> E | None:
        try:
            return decoded(kind, text, self._session_id, self._into.notes)
        except UnreadableError as error:
            self._tell(place, f"{path}{error}")
        return None

    def _distinct(self, place: int, things: list[E]) -> list[E]:
        ids = Counter(thing.id for thing in things)  # type: ignore[attr-defined]
        if twice := sum(count > 1 for count in ids.values()):
            self._tell(place, f"{twice} ids are there more than once")
        return things

    def _tell(self, place: int, reason: str) -> None:
        self._into.problems.append(Finding(shown(self._names[place]), reason))


def shown(name: bytes) -> str:
    """A key's name, fit to be shown on a line."""
    text = name.decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _by_creation(wish: ExtractedRequirement) -> tuple[datetime, str]:
    assert wish.created_at is not None  # what is read is whole
    return wish.created_at, wish.id


def _wrong(kind: bytes, right: bytes) -> str:
    return f"is a {kind.decode()}, and should be a {right.decode()}"
