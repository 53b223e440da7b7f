"""The chain over what happened: an HMAC over each row's facts, the digest of its text, and the row before it.

Pure: bytes in, bytes out. The form of what is hashed is fixed by ``canonical``, and tests hold it to known digests, since a
chain is verified years after it was written (docs/decisions/0012).
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

import orjson

from focal_data.domain.base import ValueObject

GENESIS: Final = bytes(32)
"""What the first row of a chain has in the place of the hash before it."""

LANES: Final = 256
"""So many chains of a tenant share the events that have no session, so that their writers seldom meet."""

SALT_BYTES: Final = 32
_FORM: Final = b"focal-data audit row 1\n"
_TEXT_FORM: Final = b"focal-data audit text 1\n"
_INT64: Final = 1 << 63
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where a chain has come to: the number of its newest row, and that row's hash."""

    sequence: int = 0
    hash: bytes = GENESIS


class AuditKeys:
    """The keys of the chain by id, the newest first: it writes, all of them verify. Never shows a key."""

    __slots__ = ("_keys", "newest")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        self.newest = next(iter(self._keys))
        """The id of the key that new rows are written with."""

    def get(self, key_id: object) -> bytes | None:
        """The key, or ``None`` for one that is not listed."""
        return self._keys.get(key_id) if isinstance(key_id, str) else None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, the newest first."""
        return tuple(self._keys)

    def __repr__(self) -> str:
        return f"AuditKeys({', '.join(self._keys)})"


@dataclass(frozen=True, slots=True)
class AuditKind:
    """One kind of row: which of its fields stay for good, and which are personal text that an erasure empties."""

    name: str
    table: str
    facts: tuple[str, ...]
    erased: Mapping[str, Any]
    """The personal text, and what an erased row has in its place."""


TURN: Final = AuditKind(
    name="turn",
    table="turn_records",
    facts=(
        *(
            "tenant_id",
            "id",
            "session_id",
            "customer_profile_id",
            "agent_id",
            "turn_number",
            "matched_rule_ids",
        ),
        *("scenario_id", "step_id", "token_usage", "tokens_used", "latency_ms", "created_at"),
    ),
    erased={
        "user_message": "",
        "agent_response": None,
        "tool_calls": [],
        "scenario_state": None,
        "context_extracted": None,
    },
)
EVENT: Final = AuditKind(
    name="event",
    table="audit_events",
    facts=("tenant_id", "id", "event_type", "session_id", "customer_profile_id", "turn_id", "created_at"),
    erased={"event_data": {}},
)
KINDS: Final = (TURN, EVENT)

CHAIN_COLUMNS: Final = (
    *("chain_id", "chain_sequence", "previous_hash", "text_digest", "hash", "hash_key_id", "salt"),
)
"""What a row carries for the chain. All are null in one that is not chained; ``salt`` is null once it is erased."""


def lane(number: int) -> UUID:
    """The chain of lane ``number``, counted round: one of those for events without a session."""
    return UUID(int=number % LANES + 1)


def new_salt() -> bytes:
    """Random, and of one row alone: without it, nobody can tell from the digest what the text was."""
    return os.urandom(SALT_BYTES)


def text_digest(kind: AuditKind, row: Mapping[str, Any], salt: bytes) -> bytes:
    """The digest of the personal text of ``row``, which stays when text and salt are erased."""
    text = canonical({name: row[name] for name in kind.erased})
    return blake2b(salt + _TEXT_FORM + text, digest_size=32).digest()


def row_hash(kind: AuditKind, row: Mapping[str, Any], key: bytes) -> bytes:
    """The hash of ``row``, chain columns and all; ``hash``, ``salt``, ``erased_at`` and the text itself are left out."""
    facts = {name: row[name] for name in kind.facts + _LINK}
    facts["kind"] = kind.name
    mac = _keyed(key).copy()
    mac.update(_FORM + canonical(facts))
    return mac.digest()


@lru_cache(maxsize=16)
def _keyed(key: bytes) -> hmac.HMAC:
    """The beginning of every HMAC under this key: a third of the work."""
    return hmac.new(key, digestmod="sha256")


def seal(kind: AuditKind, row: dict[str, Any], head: ChainHead, keys: AuditKeys) -> dict[str, Any]:
    """Make ``row``, which has its ``chain_id``, ``salt`` and ``text_digest``, the next one behind ``head``; returns it."""
    key = keys.get(keys.newest)
    assert key is not None
    row["chain_sequence"] = head.sequence + 1
    row["previous_hash"] = head.hash
    row["hash_key_id"] = keys.newest
    row["hash"] = row_hash(kind, row, key)
    return row


def canonical(value: Mapping[str, Any]) -> bytes:
    """``value`` as bytes, the same for values that PostgreSQL's JSONB takes for equal.

    JSON with sorted keys, in UTF-8, without ``None`` among the outermost values. A number without a fraction, within 64 bits,
    is written as an integer, so 1.0, 1e0 and 1 are one; any other as a string that begins with NUL, which no stored text
    does, and its shortest digits. A UUID is its text, a time its microseconds since 1970, bytes are hexadecimal.
    """
    present = {
        name: item if type(item) in _AS_IT_IS else _plain(item)
        for name, item in value.items()
        if item is not None
    }
    return orjson.dumps(present, option=orjson.OPT_SORT_KEYS)


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {name: item if type(item) in _AS_IT_IS else _plain(item) for name, item in value.items()}
    if kind is list:
        return [item if type(item) in _AS_IT_IS else _plain(item) for item in value]
    return value if kind in _AS_IT_IS else _converted(value)


def _converted(value: Any) -> Any:
    """By what it is an instance of: drivers give their own in place of Python's types, asyncpg a UUID, say."""
    for kind, convert in _CONVERTED.items():
        if isinstance(value, kind):
            return convert(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")


def _number(value: float) -> int | str:
    whole = value.is_integer() and -_INT64 <= value < _INT64
    return int(value) if whole else f"\0{value!r}"


_AS_IT_IS: Final = frozenset((str, int, bool, type(None), UUID))
"""What JSON, and orjson, write in one way only. An integer of ours has 64 bits at most."""

_CONVERTED: Final[dict[type, Callable[[Any], Any]]] = {
    float: _number,
    datetime: lambda value: (value - _EPOCH) // _MICROSECOND,
    bytes: bytes.hex,
    UUID: str,
    ValueObject: lambda value: _plain(value.__dict__),
}
_LINK: Final = ("chain_id", "chain_sequence", "previous_hash", "text_digest", "hash_key_id")
