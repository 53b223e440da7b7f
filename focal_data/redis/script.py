"""Scripts that run inside Redis, and how a command looks on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from functools import cached_property
from hashlib import sha1
from importlib.resources import files
from typing import Final

from focal_data.redis.keys import LUA

_FOLDER: Final = "scripts"


class Effect(Enum):
    """What it means to send a command again when its answer was lost."""

    READ = "read"
    """Nothing is written that anybody would miss."""
    REPEATABLE = "repeatable"
    """A second time changes nothing, and gives the same answer."""
    ONCE = "once"
    """A second time would give another answer, so it is left to the caller."""


class Script:
    """One file of ``scripts``, read when it is first used, with what all of them share before it."""

    def __init__(self, name: str, effect: Effect, *, lasting: bool = False) -> None:
        self.name = name
        self.effect = effect
        self.lasting = lasting
        """What it writes counts only when it survives a failover, where that was asked for."""

    @cached_property
    def source(self) -> bytes:
        folder = files(__package__) / _FOLDER
        parts = (
            LUA,
            (folder / "prelude.lua").read_text("utf-8"),
            (folder / f"{self.name}.lua").read_text("utf-8"),
        )
        return "\n".join(parts).encode()

    @cached_property
    def digest(self) -> bytes:
        return sha1(self.source, usedforsecurity=False).hexdigest().encode()

    def by_digest(self, keys: Sequence[bytes], arguments: Iterable[bytes]) -> bytes:
        """The request that runs it on a server that knows it; any other answers ``NOSCRIPT``."""
        return packed((b"EVALSHA", self.digest, b"%d" % len(keys), *keys, *arguments))

    def in_full(self, keys: Sequence[bytes], arguments: Iterable[bytes]) -> bytes:
        """The request that runs it on any server, which knows it from then on."""
        return packed((b"EVAL", self.source, b"%d" % len(keys), *keys, *arguments))


def packed(parts: Sequence[bytes]) -> bytes:
    """A command in Redis' protocol."""
    lines = [b"*%d\r\n" % len(parts)]
    lines += [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"".join(lines)
