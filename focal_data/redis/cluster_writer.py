"""Writing sessions in a cluster: both copies lie in one slot, and what leads there in others.

What leads to a session is written first, and the session after that, wholly or not at all. If it comes to nothing in
between, an entry is ahead of its session: readers look at the session, and repair it when nobody can be saving any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple, cast

from focal_data.domain.session import Session
from focal_data.errors import StoreError
from focal_data.redis import keys
from focal_data.redis.client import RedisClient, Reply
from focal_data.redis.cluster_client import ClusterClient
from focal_data.redis.codec import encode, microseconds
from focal_data.redis.places import Place, Slot, slot_of
from focal_data.redis.script import Effect, Script
from focal_data.redis.session_writer import DELETE, REMOVE, SAVE, ScriptWriter, SessionWriter

_AMEND: Final = Script("amend", Effect.REPEATABLE)
_HEAD: Final = Script("head", Effect.READ)
_SWEEP: Final = Script("delete", Effect.ONCE, lasting=True)

_ALONE: Final = b"1"
_ONLY_OLD: Final = b"1"
_EVER: Final = b"+inf"
_AGE_SLICE: Final = 3600 * 1_000_000  # as save.lua has it
_SWEPT_BY_A_SAVE: Final = 2
_SETTLING: Final = 600  # seconds: longer than a save takes, and clocks are apart


class _Change(NamedTuple):
    """One entry of the sorted set ``key``: what it may say to be changed, and its new score, or ``b""`` to go."""

    key: bytes
    member: bytes
    lowest: bytes
    highest: bytes
    score: bytes = b""


class _Head(NamedTuple):
    activity: int
    terms: frozenset[bytes]


class ClusterWriter(SessionWriter):
    """In a cluster."""

    def __init__(self, client: ClusterClient) -> None:
        self._client = client
        seconds = max(_SETTLING, 2 * client.settings.redis_timeout)
        self.settling = int(seconds * 1_000_000)

    async def save(self, slot: Slot, new: Session, before: datetime | None, write: Sequence[bytes]) -> Reply:
        planned = Place(-microseconds(cast("datetime", new.last_activity_at)), slot.session_id)
        await self._enter(slot, new, before, planned, cutoff=write[1])
        reply = await self._client.run(SAVE, (slot.cold, slot.hot), (*write, *encode(new), _ALONE))
        if reply == 0:
            return -await self._sweep_a_little(slot, new, before, write[1])
        code, *detail = cast("list[bytes]", reply)
        refused = int(code) != 0
        with suppress(StoreError):  # logged; readers look at the session, and repair what misleads
            if refused:
                await self.repair(slot.tag[:32], keys.terms(new), [planned])
            else:
                await self._amend(_of_the_dead(slot, *detail, but=keys.terms(new)))
        return reply if refused else -await self._sweep_a_little(slot, new, before, write[1])

    async def delete(self, slot: Slot, cutoff: bytes) -> bool:
        reply = await self._client.run(DELETE, (slot.cold, slot.hot), (cutoff, _ALONE))
        return await self._deleted(slot, reply)

    async def remove(self, slot: Slot) -> None:
        await self._deleted(slot, await self._client.run(REMOVE, (slot.cold, slot.hot), (b"0", _ALONE)))

    async def repair(self, tenant: bytes, terms: Sequence[bytes], entries: Sequence[Place]) -> None:
        slots = [slot_of(tenant, entry.session_id) for entry in entries]
        replies = await self._client.run_each(_HEAD, [((slot.cold, slot.hot), ()) for slot in slots])
        heads = [_head(reply) for reply in replies]
        await self._amend(
            _Change(
                keys.index(tenant, term),
                entry.session_id.hex.encode(),
                *(b"%d" % entry.score,) * 2,
                b"%d" % -head.activity if term in head.terms else b"",
            )
            for entry, head in zip(entries, heads, strict=True)
            if head is not None  # or nobody would be told that it can't be read
            for term in terms
        )

    async def sweep(self, shard: bytes, cutoff: bytes, limit: int) -> tuple[int, int]:
        looked, removed = await self._sweep(shard, cutoff, limit)
        if shard == keys.AGE_SHARDS[-1] and looked < limit:
            await self._sweep_entries(cutoff)
        return looked, removed

    async def _sweep_entries(self, cutoff: bytes) -> None:
        """Take what is too old out of every index.

        No age tells of the entries that a save or a delete left when it was broken off: the keys are looked through.
        """
        oldest = b"(%d" % -int(cutoff)
        async for names in self._client.scan(keys.OF_INDEXES):
            commands = [(b"ZREMRANGEBYSCORE", name, oldest, _EVER) for name in names]
            await self._client.command_each(commands, Effect.REPEATABLE)

    async def _sweep(self, shard: bytes, cutoff: bytes, limit: int) -> tuple[int, int]:
        oldest = b"(%d" % -int(cutoff)
        (reply,) = await self._client.command_each(
            [(b"ZREVRANGEBYSCORE", shard, _EVER, oldest, b"WITHSCORES", b"LIMIT", b"0", b"%d" % limit)],
            Effect.READ,
        )
        due = cast("list[bytes]", reply)
        if not due:
            return 0, 0
        slots = [slot_of(*keys.parts_of_tag(tag)) for tag in due[::2]]
        replies = await self._client.run_each(
            _SWEEP, [((slot.cold, slot.hot), (cutoff, _ALONE, _ONLY_OLD)) for slot in slots]
        )
        changes: list[_Change] = []
        removed = 0
        for slot, score, fate in zip(slots, due[1::2], replies, strict=True):
            found, *rest = cast("list[bytes]", fate)
            removed += int(found) == 1
            young = int(found) == -1
            changes.append(_Change(shard, slot.tag, score, score, b"%d" % -int(rest[0]) if young else b""))
            if not young:
                changes += _of_the_dead(slot, *rest)
        await self._amend(changes)
        return len(slots), removed

    async def _enter(
        self, slot: Slot, new: Session, before: datetime | None, entry: Place, *, cutoff: bytes
    ) -> None:
        """Write what leads to ``new``. What leads to sessions that are too old goes from the same indexes."""
        score, member, oldest = b"%d" % entry.score, entry.session_id.hex.encode(), b"(%d" % -int(cutoff)
        names = [keys.index(slot.tag[:32], term) for term in keys.terms(new)]
        commands = [(b"ZADD", name, score, member) for name in names]
        if _is_ageing(new, before):
            commands.append((b"ZADD", keys.age_shard(slot.session_id), score, slot.tag))
            commands += [(b"ZREMRANGEBYSCORE", name, oldest, _EVER) for name in names]
        await self._client.command_each(commands, Effect.REPEATABLE, lasting=True)

    async def _sweep_a_little(self, slot: Slot, new: Session, before: datetime | None, cutoff: bytes) -> int:
        """How many aged ones it removed."""
        if _is_ageing(new, before):
            with suppress(StoreError):
                return (await self._sweep(keys.age_shard(slot.session_id), cutoff, _SWEPT_BY_A_SAVE))[1]
        return 0

    async def _deleted(self, slot: Slot, reply: Reply) -> bool:
        found, *rest = cast("list[bytes]", reply)
        ages = _Change(keys.age_shard(slot.session_id), slot.tag, b"-%b" % (rest[0] or b"inf"), _EVER)
        with suppress(StoreError):
            await self._amend([ages, *_of_the_dead(slot, *rest)])
        return int(found) == 1

    async def _amend(self, changes: Iterable[_Change]) -> None:
        by_index: dict[bytes, list[_Change]] = {}
        for change in changes:
            by_index.setdefault(change.key, []).append(change)
        if by_index:
            calls = [
                ((index,), tuple(chain.from_iterable(change[1:] for change in of_one)))
                for index, of_one in by_index.items()
            ]
            await self._client.run_each(_AMEND, calls)


def writer_of(client: RedisClient) -> SessionWriter:
    """The writer for this kind of server."""
    return ClusterWriter(client) if isinstance(client, ClusterClient) else ScriptWriter(client)


def _of_the_dead(slot: Slot, activity: bytes, terms: bytes, *, but: Sequence[bytes] = ()) -> list[_Change]:
    """What led to a session last active then is to go, but not what somebody saved since."""
    ends = range(keys.TERM_BYTES, len(terms) + 1, keys.TERM_BYTES)
    return [
        _Change(keys.index(slot.tag[:32], term), slot.session_id.hex.encode(), b"-%b" % activity, _EVER)
        for term in (terms[end - keys.TERM_BYTES : end] for end in ends)
        if term not in but
    ]


def _is_ageing(new: Session, before: datetime | None) -> bool:
    """An age may lag behind by a slice, since whoever sweeps looks at the session itself."""
    now = microseconds(cast("datetime", new.last_activity_at))
    return new.revision == 1 or before is None or microseconds(before) // _AGE_SLICE != now // _AGE_SLICE


def _head(reply: Reply) -> _Head | None:
    """``None`` for a session that can't be read; one that is not there has no terms."""
    if reply == 0:
        return None
    if reply is None:
        return _Head(0, frozenset())
    activity, terms = cast("list[bytes]", reply)
    ends = range(keys.TERM_BYTES, len(terms) + 1, keys.TERM_BYTES)
    return _Head(int(activity), frozenset(terms[end - keys.TERM_BYTES : end] for end in ends))
