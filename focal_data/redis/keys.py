"""Every key name, in Python and in Lua.

======================================  =========  ===============================================================
``focal:{<tenant>:<session>}:h``        string     hot copy, expires
``focal:{<tenant>:<session>}:c``        string     cold copy, never expires by itself
``focal:{<tenant>:<digest>}:<kind>``    sorted set sessions (hex) that have one thing in common, newest activity first
``focal:{<tenant>:<digest>}:e``         string     what a cache of the tenant's keeps, expires
``focal:{<tenant>:<digest>}:is``        string     an ideation session; what hangs on it ends in ``:it`` … ``:ip``
``focal:{<tenant>:<digest>}:iu``        sorted set ids of one user's ideation sessions, the last updated first
``focal:ages:<shard>``                  sorted set ``<tenant>:<session>`` of every session of every tenant; 16 shards
======================================  =========  ===============================================================

Ids are in hex; where they are text, a digest stands for them. Both copies of a session lie in one slot; so do the
indexes of one agent, one for each status, and all of an ideation session. What an index is about is a digest too, since
names of keys are shown where content must not be. Scores are minus the last activity in microseconds: ascending is newest
first, and then by id.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from uuid import UUID

from focal_data.domain.profile import Channel
from focal_data.domain.session import Session, SessionStatus, step_of

AGE_SHARDS: Final = tuple(b"focal:ages:%x" % digit for digit in range(16))
"""By the last digit of the session's id."""
TERM_BYTES: Final = 19

_CHANNEL, _CUSTOMER, _STEP = b"}:C", b"}:U", b"}:S"
_STATUS: Final = {
    SessionStatus.ACTIVE: b"}:a",
    SessionStatus.IDLE: b"}:i",
    SessionStatus.PROCESSING: b"}:p",
    SessionStatus.INTERRUPTED: b"}:n",
    SessionStatus.CLOSED: b"}:c",
}

LUA: Final = """
local TERM = 19
local function hot_key(tag) return 'focal:{' .. tag .. '}:h' end
local function cold_key(tag) return 'focal:{' .. tag .. '}:c' end
local function ages_key(session) return 'focal:ages:' .. string.sub(session, -1) end
local function tag_of(tenant, session) return tenant .. ':' .. session end
local function parts_of_tag(tag) return string.sub(tag, 1, 32), string.sub(tag, 34) end
local function parts_of_cold(key) return string.sub(key, 8, 39), string.sub(key, 41, 72) end
local function indexes_of(tenant) return 'focal:{' .. tenant .. ':' end
"""
"""The same names for the scripts, which learn only from a stored session which indexes it is in."""


def tag(tenant: bytes, session_id: UUID) -> bytes:
    """What names one session among all; ``tenant`` is in hex."""
    return b"%b:%b" % (tenant, session_id.hex.encode())


def hot(tag: bytes) -> bytes:
    return b"focal:{%b}:h" % tag


def cold(tag: bytes) -> bytes:
    return b"focal:{%b}:c" % tag


def index(tenant: bytes, term: bytes) -> bytes:
    """The index of the sessions that have ``term``."""
    return b"focal:{%b:%b" % (tenant, term)


def of_tenant(tenant: bytes) -> bytes:
    """The pattern of every key that is one tenant's alone."""
    return b"focal:{%b:*" % tenant


def of_sessions(tenant: bytes) -> bytes:
    """The pattern of both copies of every session of one tenant."""
    return b"focal:{%b:%b}:[hc]" % (tenant, b"?" * 32)


OF_INDEXES: Final = b"focal:{%b:%b}:?" % (b"?" * 32, b"?" * 16)
"""The pattern of every index of sessions, of all tenants."""


def of_ideation(tenant: bytes) -> bytes:
    """The pattern of every ideation session of one tenant, itself."""
    return b"focal:{%b:%b}:is" % (tenant, b"?" * 32)


def cached(tenant: bytes, key: str) -> bytes:
    """Where a cache of one tenant's keeps what it knows by ``key``, of whatever length. A digest that stands for the text."""
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=32).hexdigest()
    return b"focal:{%b:%b}:e" % (tenant, digest.encode())


_IDEATION_PARTS: Final = (b"is", b"it", b"im", b"in", b"ir", b"ip")


def ideation(tenant: bytes, session_id: str) -> tuple[bytes, ...]:
    """Where one ideation session lies: itself, then the hashes of what it is in, its messages, their ids, its requirements, and
    its drafts. An id is any text, so a digest stands for it, in which nothing can look like a part of a key.
    """
    tag = _named(tenant, session_id, b"ideation")
    return tuple(b"%b:%b" % (tag, part) for part in _IDEATION_PARTS)


def ideation_user(tenant: bytes, user_id: str) -> bytes:
    """The index of the ideation sessions of one user."""
    return b"%b:iu" % _named(tenant, user_id, b"user")


def _named(tenant: bytes, text: str, kind: bytes) -> bytes:
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=16, person=kind).hexdigest()
    return b"focal:{%b:%b}" % (tenant, digest.encode())


def session_in(copy: bytes) -> UUID:
    """The session that a key of ``of_sessions`` is a copy of."""
    return UUID(copy[-35:-3].decode())


def parts_of_tag(tag: bytes) -> tuple[bytes, UUID]:
    """The tenant in hex, and the session."""
    return tag[:32], UUID(tag[33:].decode())


def age_shard(session_id: UUID) -> bytes:
    """The ages that the session is among."""
    return AGE_SHARDS[session_id.int % 16]


# A term is what a session is found by: the digest of it and a letter for its kind, as they end the index's name.


def terms(session: Session) -> tuple[bytes, ...]:
    """Everything that ``session`` is found by; a closed one is not found by its channel or its step."""
    found = [agent_term(session.agent_id, session.status)]
    if session.customer_profile_id is not None:
        found.append(customer_term(session.customer_profile_id))
    if session.status is not SessionStatus.CLOSED:
        found.append(channel_term(session.channel, session.channel_user_id))
        if (step := step_of(session)) is not None:
            found.append(step_term(*step))
    return tuple(found)


def agent_term(agent_id: UUID, status: SessionStatus) -> bytes:
    return agent_digest(agent_id) + _STATUS.get(status, b"}:?")


def agent_terms(agent_id: UUID, statuses: Sequence[SessionStatus] = tuple(SessionStatus)) -> list[bytes]:
    digest = agent_digest(agent_id)
    return [digest + _STATUS.get(status, b"}:?") for status in statuses]


def agent_digest(agent_id: UUID) -> bytes:
    """The beginning of all terms of one agent."""
    return _digest(agent_id.bytes)


def channel_term(channel: Channel, channel_user_id: str) -> bytes:
    text = f"{channel}\0{channel_user_id}"
    return _digest(text.encode(errors="surrogatepass")) + _CHANNEL


def customer_term(customer_profile_id: UUID) -> bytes:
    return _digest(customer_profile_id.bytes) + _CUSTOMER


def step_term(scenario_id: UUID, scenario_version: int, step_content_hash: str) -> bytes:
    text = f"{scenario_version}\0{step_content_hash}"
    return _digest(scenario_id.bytes + text.encode(errors="surrogatepass")) + _STEP


@lru_cache(4096)  # a conversation is found by the same things from turn to turn
def _digest(data: bytes) -> bytes:
    # 64 bits: what an index gives is compared with what was asked for, so a collision costs time only.
    return blake2b(data, digest_size=8).hexdigest().encode()


# The names of existing ideation deployments, which import and export alone touch. Ids stand in them as they are.

LEGACY: Final = b"ideation:"
LEGACY_USERS: Final = b"ideation:user_sessions:"
LEGACY_SESSIONS: Final = b"ideation:session:"
LEGACY_PARTS: Final = (
    b"ideation:messages:",
    b"ideation:requirements:",
    b"ideation:maturity:",
    b"ideation:prd:",
    b"ideation:stories:",
)


def legacy_user(user_id: str) -> bytes:
    """The ids of a user's sessions."""
    return LEGACY_USERS + user_id.encode()


def legacy_session(session_id: str) -> tuple[bytes, ...]:
    """The keys of a session, and of what hangs on it: messages, requirements, maturity, draft, stories."""
    return tuple(prefix + session_id.encode() for prefix in (LEGACY_SESSIONS, *LEGACY_PARTS))
