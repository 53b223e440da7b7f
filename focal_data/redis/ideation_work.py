"""What one call, or one transaction, reads of one ideation session and will write to it.

Nothing is written before ``write``, and then all of it by one script, unless another wrote to the session since it was first
looked at. Each answer of the server tells the last write, so that all that is read is of one moment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, cast

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import CorruptDataError, InvalidDataError, NotFoundError, RetryableError
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.client import RedisClient, Reply
from focal_data.redis.ideation_codec import WRITE_BYTES, WRITES_BYTES, decode, encode
from focal_data.redis.script import Effect, Script

STATE, MESSAGES, MESSAGE_IDS, REQUIREMENTS, DRAFTS = range(1, 6)
"""The places of the hashes among the keys of a session."""

Command = tuple[bytes, ...]
"""The number of the key, counted from 1; the command's name; its arguments."""

_LOOK: Final = Script("ideation_apply", Effect.READ)
_WRITE: Final = Script("ideation_apply", Effect.REPEATABLE, lasting=True)
_REMOVE: Final = Script(
    "ideation_apply", Effect.ONCE, lasting=True
)  # what is gone does not tell who removed it

_GET: Final = (b"1", b"GET")
_FIELDS_AT_ONCE: Final = 1000  # in one command: Lua hands over some thousand words
_MOST_WORDS: Final = 1_000_000  # Redis closes the connection at more
_MOST_BYTES: Final = 256 * 2**20
_UNWRITTEN: Final = bytes(WRITES_BYTES)


class IdeationWork:
    """One ideation session, as it is with what will be written."""

    def __init__(self, client: RedisClient, tenant_id: TenantId, session_id: str) -> None:
        self.session_id = session_id
        self.keys = keys.ideation(tenant_id.hex.encode(), session_id)
        self.before: IdeationSession | None = None
        """What was stored, once ``session`` or ``remove`` has read it."""
        self.after: IdeationSession | None = None
        """What will be stored; ``None`` also where the session is left as it is."""
        self.removed = False
        self._client = client
        self._tenant_id = tenant_id
        self._value = b""
        self._last: bytes | None = None
        self._told: dict[Command, Reply] = {}
        self._hashes = tuple(Fields(self, place) for place in range(1, len(self.keys)))

    def fields(self, place: int) -> Fields:
        """One of its hashes."""
        return self._hashes[place - 1]

    async def exists(self) -> bool:
        """Whether there is such a session."""
        if self.removed or self.after is not None:
            return self.after is not None
        await self.ask()
        return bool(self._last)

    async def require(self) -> None:
        """``NotFoundError`` when there is no such session."""
        if not await self.exists():
            raise NotFoundError(IdeationSession.__name__)

    async def session(self) -> IdeationSession | None:
        """The session itself, or ``None``."""
        if not self.removed and self.after is None:
            (value,) = await self.ask(_GET)
            self.before = self._decoded(cast("bytes | None", value))
            return self.before
        return self.after

    def put(self, session: IdeationSession) -> None:
        """Store ``session``; what there was has been read. ``InvalidDataError`` when it is too large."""
        self._value = _UNWRITTEN + encode(session)
        self.after = session

    async def remove(self) -> bool:
        """Remove the session and all that hangs on it, also one that can't be read; whether there is one."""
        try:
            await self.session()
        except CorruptDataError:
            self.before = None  # what leads to it is taken out by whoever finds that it leads nowhere
        if found := await self.exists():
            self.removed, self.after = True, None
            for fields in self._hashes:
                fields.empty()
        return found

    async def ask(self, *commands: Command) -> list[Reply]:
        """What the commands answer, each asked once, all at one moment: ``RetryableError`` when another wrote in between."""
        new = [command for command in commands if command not in self._told]
        if new or self._last is None:
            last, *replies = await self._run(_LOOK, b"", b"", new)
            if self._last not in (None, last):
                raise _changed()
            self._last = cast("bytes", last)
            self._told.update(zip(new, replies, strict=True))
        return [self._told[command] for command in commands]

    @property
    def commands(self) -> list[Command]:
        """What ``write`` will do."""
        return [*self._own_commands(), *(command for fields in self._hashes for command in fields.commands())]

    async def write(self) -> None:
        """Write everything, or nothing: ``RetryableError`` when another wrote since."""
        if commands := self.commands:
            script = _WRITE if self.after is not None or not self.removed else _REMOVE
            await self.ask()
            await self._run(script, os.urandom(WRITE_BYTES), cast("bytes", self._last), commands)

    def _own_commands(self) -> Iterator[Command]:
        if self.removed:
            yield b"1", b"UNLINK"
        if self.after is not None:
            yield b"1", b"SET", self._value

    async def _run(
        self, script: Script, write: bytes, last: bytes, commands: Sequence[Command]
    ) -> list[Reply]:
        words = [word for command in commands for word in (b"%d" % len(command), *command)]
        if len(words) > _MOST_WORDS or sum(map(len, words)) > _MOST_BYTES:
            raise InvalidDataError(
                "transaction", f"writes more than {_MOST_BYTES // 2**20} MiB to a session at once"
            )
        reply = await self._client.run(script, self.keys, (write, last, *words))
        if isinstance(reply, int):
            if reply < 0:
                raise CorruptDataError(
                    self.keys[-reply - 1].decode(), "is not of the type that is kept there"
                )
            raise _changed()
        return cast("list[Reply]", reply)

    def _decoded(self, value: bytes | None) -> IdeationSession | None:
        if value is None:
            return None
        return decode(
            IdeationSession,
            value[WRITES_BYTES:],
            self.keys[0],
            tenant_id=self._tenant_id,
            id=self.session_id,
        )


class Fields:
    """One hash of a session, as it is with what will be written."""

    def __init__(self, work: IdeationWork, place: int) -> None:
        self.key = work.keys[place]
        self._work = work
        self._number = b"%d" % (place + 1)
        self._emptied = False
        self._changes: dict[bytes, bytes | None] = {}

    async def get(self, *names: bytes) -> list[bytes | None]:
        """The values of some fields, in their order."""
        stored: dict[bytes, bytes | None] = {}
        for command in self.getting(*names):
            (reply,) = await self._work.ask(command)
            stored.update(zip(command[2:], cast("list[bytes | None]", reply), strict=True))
        return [self._changes[name] if name in self._changes else stored.get(name) for name in names]

    async def all(self) -> dict[bytes, bytes]:
        """Every field."""
        found: dict[bytes, bytes | None] = {}
        if not self._emptied:
            (reply,) = await self._work.ask((self._number, b"HGETALL"))
            flat = cast("list[bytes]", reply)
            found.update(zip(flat[::2], flat[1::2], strict=True))
        return {name: value for name, value in (found | self._changes).items() if value is not None}

    async def count(self) -> int:
        """How many fields there are, of a hash to which new ones are added, and none is removed alone."""
        stored = await self._work.ask(*self.counting())
        return sum(cast("list[int]", stored)) + len(self._changes)

    def getting(self, *names: bytes) -> list[Command]:
        """What ``get`` will ask, so that it can be asked for with other things."""
        asked = [name for name in names if name not in self._changes]
        return [(self._number, b"HMGET", *asked)] if asked and not self._emptied else []

    def counting(self) -> list[Command]:
        """What ``count`` will ask."""
        return [] if self._emptied else [(self._number, b"HLEN")]

    def put(self, name: bytes, value: bytes | None) -> None:
        """Set one field, or remove it."""
        self._changes[name] = value

    def empty(self) -> None:
        """Remove every field."""
        self._emptied = True
        self._changes.clear()

    def commands(self) -> Iterator[Command]:
        if self._emptied:
            yield self._number, b"UNLINK"
        kept = [(name, value) for name, value in self._changes.items() if value is not None]
        for at in range(0, len(kept), _FIELDS_AT_ONCE):
            yield self._number, b"HSET", *chain.from_iterable(kept[at : at + _FIELDS_AT_ONCE])
        for name, value in self._changes.items():
            if value is None and not self._emptied:
                yield self._number, b"HDEL", name


def _changed() -> RetryableError:
    return RetryableError("another changed this ideation session meanwhile; nothing was written")
