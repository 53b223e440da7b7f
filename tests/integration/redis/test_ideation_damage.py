"""Ideation on Redis whose bytes are damaged, newer, or somebody else's: an error that names their key, and none of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
import redis

from focal_data.domain.ideation import IdeationSession
from focal_data.errors import CorruptDataError
from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.redis.client import RedisClient
from focal_data.redis.erasure import SessionErasure
from focal_data.redis.ideation import RedisIdeationFactory
from focal_data.redis.ideation_codec import WRITES_BYTES
from focal_data.stores.ideation import IdeationTenant
from focal_data.testing.contracts.ideation.base import (
    Parts,
    a_draft,
    a_message,
    a_session,
    all_parts,
    filled,
)
from tests.integration.redis.test_session_faults import told

SECRET = "A shop"
Read = Callable[[], Awaitable[object]]

SESSION, STATE, MESSAGES, _, REQUIREMENTS, DRAFTS = range(6)


@pytest.fixture
def ideation(client: RedisClient, tenant_id: TenantId) -> IdeationTenant:
    return RedisIdeationFactory(client).tenant(tenant_id)


@pytest.fixture
def session() -> IdeationSession:
    return a_session()


@pytest.fixture
async def parts(ideation: IdeationTenant, session: IdeationSession) -> Parts:
    return await filled(ideation, session)


@pytest.fixture
def names(tenant_id: TenantId, session: IdeationSession) -> tuple[bytes, ...]:
    return keys.ideation(tenant_id.hex.encode(), session.id)


def fields_of(parts: Parts) -> list[tuple[int, str]]:
    """A field of every kind, by the place of its hash."""
    assert parts.draft is not None
    return [
        (STATE, "maturity"),
        (STATE, "stories"),
        (MESSAGES, "1"),
        (REQUIREMENTS, parts.requirements[0].id),
        (DRAFTS, parts.draft.id),
    ]


def reads_of(ideation: IdeationTenant, session_id: str) -> list[Read]:
    """What reads each of ``fields_of``."""
    return [
        lambda: ideation.maturity.get_by_session(session_id),
        lambda: ideation.prd.get_user_stories(session_id),
        lambda: ideation.messages.get_by_session(session_id),
        lambda: ideation.requirements.get_by_session(session_id),
        lambda: ideation.prd.get_draft(session_id),
    ]


DAMAGE = {
    "empty": b"",
    "short": b"\x01short",
    "unknown format": b"\x00" + b"x" * 200,
    "text": b'{"id": "A shop"}',
    "newer": b"\x02" + b"x" * 200,
    "sound, and no entity": b"\x01\xa3\x83\x53\x7b{}",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_part(
    ideation: IdeationTenant,
    session: IdeationSession,
    parts: Parts,
    names: tuple[bytes, ...],
    direct: redis.Redis,
    damage: bytes,
) -> None:
    """Is told by every call that reads it; the rest can be read, and all of it be deleted."""
    for (place, field), read in zip(fields_of(parts), reads_of(ideation, session.id), strict=True):
        sound = direct.hget(names[place], field)
        direct.hset(names[place], field, damage)
        with pytest.raises(CorruptDataError) as caught:
            await read()
        assert names[place].decode() == caught.value.key
        assert SECRET not in told(caught.value)
        assert ("newer" in str(caught.value)) is (damage[:1] == b"\x02")
        for other in reads_of(ideation, session.id):
            with suppress(CorruptDataError):
                await other()
        direct.hset(names[place], field, sound)
    assert parts == await all_parts(ideation, session.id)
    direct.hset(names[STATE], "draft", damage)
    with suppress(CorruptDataError):
        assert await ideation.prd.get_draft(session.id) is None
    assert await ideation.sessions.delete(session.id)
    assert [] == direct.keys()


@pytest.mark.parametrize("damage", [b"x", *list(DAMAGE.values())[1:]], ids=["a byte", *list(DAMAGE)[1:]])
async def test_a_damaged_session(
    ideation: IdeationTenant,
    session: IdeationSession,
    parts: Parts,
    names: tuple[bytes, ...],
    direct: redis.Redis,
    damage: bytes,
) -> None:
    """Is told by reading, updating and listing it, and is never overwritten; it can be deleted."""
    spoiled = bytes(WRITES_BYTES) + damage if len(damage) > 1 else damage
    direct.set(names[SESSION], spoiled)
    for read in (
        lambda: ideation.sessions.get_by_id(session.id),
        lambda: ideation.sessions.update(session.evolve(version=1)),
        lambda: ideation.sessions.list_by_user(session.user_id),
    ):
        with pytest.raises(CorruptDataError) as caught:
            await read()
        assert names[SESSION].decode() == caught.value.key
        assert SECRET not in told(caught.value)
    assert spoiled == direct.get(names[SESSION])
    assert parts == await all_parts(ideation, session.id)
    assert await ideation.sessions.delete(session.id)
    assert [] == await ideation.sessions.list_by_user(session.user_id)


async def test_any_flipped_bit(
    ideation: IdeationTenant,
    session: IdeationSession,
    parts: Parts,
    names: tuple[bytes, ...],
    direct: redis.Redis,
) -> None:
    """What is read is what was stored, or an error: never anything else."""
    sound = direct.hget(names[MESSAGES], "0")
    for at in range(len(sound)):
        flipped = bytearray(sound)
        flipped[at] ^= 1 << at % 8
        direct.hset(names[MESSAGES], "0", bytes(flipped))
        with pytest.raises(CorruptDataError):
            await ideation.messages.get_by_session(session.id)
    stored = direct.get(names[SESSION])
    for at in range(WRITES_BYTES, len(stored), 3):
        flipped = bytearray(stored)
        flipped[at] ^= 1 << at % 8
        direct.set(names[SESSION], bytes(flipped))
        with pytest.raises(CorruptDataError):
            await ideation.sessions.get_by_id(session.id)


async def test_what_belongs_elsewhere(
    ideation: IdeationTenant,
    session: IdeationSession,
    parts: Parts,
    names: tuple[bytes, ...],
    direct: redis.Redis,
    client: RedisClient,
) -> None:
    """Sound bytes of another session, of another tenant, or at another place are an error, never a wrong answer."""
    other = a_session()
    await filled(ideation, other)
    tenant_id = ideation.tenant_id
    elsewhere = keys.ideation(tenant_id.hex.encode(), other.id)
    stranger = RedisIdeationFactory(client).tenant(TenantId(type(tenant_id)(int=7)))
    await filled(stranger, session)
    strange = keys.ideation(stranger.tenant_id.hex.encode(), session.id)
    reads = [lambda: ideation.sessions.get_by_id(session.id), *reads_of(ideation, session.id)]
    for source in (elsewhere, strange):
        for name, foreign in zip(names, source, strict=True):
            direct.copy(foreign, name, replace=True)
        for read in reads:
            with pytest.raises(CorruptDataError, match="elsewhere"):
                await read()
    await filled(ideation, a_session(id="x"))
    mine = keys.ideation(tenant_id.hex.encode(), "x")
    first, second = direct.hmget(mine[MESSAGES], "0", "1")
    direct.hset(mine[MESSAGES], mapping={"0": second, "1": first})
    with pytest.raises(CorruptDataError, match="elsewhere"):
        await ideation.messages.get_by_session("x")


@pytest.mark.parametrize("place", range(6))
@pytest.mark.usefixtures("parts")
async def test_a_key_of_another_type(
    ideation: IdeationTenant,
    session: IdeationSession,
    names: tuple[bytes, ...],
    direct: redis.Redis,
    client: RedisClient,
    place: int,
) -> None:
    """Is named by every call, reading or writing, and nothing is half written; the operator can remove it."""
    direct.delete(names[place])
    direct.lpush(names[place], "x")
    before = {key: direct.dump(key) for key in direct.scan_iter()}
    for call in (
        ideation.sessions.get_by_id(session.id),
        ideation.messages.create(a_message(session.id)),
        ideation.messages.get_by_session(session.id),
        ideation.prd.save_draft(a_draft(session.id)),
        ideation.sessions.delete(session.id),
    ):
        with pytest.raises(CorruptDataError) as caught:
            await call
        assert names[place].decode() == caught.value.key
    assert before == {key: direct.dump(key) for key in direct.scan_iter()}
    await SessionErasure(client, ideation.tenant_id).remove_all()
    assert [] == direct.keys()


async def test_an_index_of_another_type(
    ideation: IdeationTenant, direct: redis.Redis, tenant_id: TenantId
) -> None:
    """Is named, by listing and before anything is written."""
    index = keys.ideation_user(tenant_id.hex.encode(), "ada")
    direct.set(index, "x")
    for call in (ideation.sessions.list_by_user("ada"), ideation.sessions.create(a_session())):
        with pytest.raises(CorruptDataError) as caught:
            await call
        assert index.decode() == caught.value.key
    assert [index] == direct.keys()
