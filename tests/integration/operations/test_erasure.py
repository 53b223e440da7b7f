"""Erasing a person: nothing of them is left, and nothing of anybody else is touched."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import redis
from pydantic import SecretStr

from focal_data.data_layer import DataLayer
from focal_data.domain.audit import AuditEvent, TurnRecord
from focal_data.domain.config import Agent
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Entity, Episode
from focal_data.domain.profile import Channel
from focal_data.domain.session import Session
from focal_data.errors import CorruptDataError, NotFoundError
from focal_data.ids import new_id
from focal_data.operations.operator import Operator
from focal_data.redis import keys
from focal_data.settings import Settings
from focal_data.tables import metadata
from tests.integration.operations.world import (
    SKELETON,
    Customer,
    World,
    naming,
    on_redis,
    rows,
    with_mark,
)


async def a_world(data: DataLayer) -> World:
    """A tenant of this test alone, with an agent."""
    tenant = data.tenant(uuid4())
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    return World(tenant, agent.id)


@pytest.fixture
async def world(data: DataLayer) -> World:
    return await a_world(data)


def everything_about(customer: Customer) -> tuple[str, ...]:
    return (customer.mark, *(session.hex for session in customer.sessions))


async def nothing_is_left(settings: Settings, customer: Customer) -> None:
    """Of their mark, in any row, key or value; nor of their sessions on Redis."""
    assert {} == with_mark(await rows(settings), customer.mark)
    assert {} == naming(on_redis(settings), *everything_about(customer))


NOT_PERSONAL = {
    ("turn_records", "token_usage"),  # numbers
    ("turn_records", "hash_key_id"),
    ("audit_events", "hash_key_id"),
    ("audit_events", "event_type"),  # the application's own words
}


def marked_columns(table: str) -> set[str]:
    """The columns of ``table`` in which a person's own words can be."""
    columns = metadata.tables[table].c
    texts = {c.name for c in columns if str(c.type).split("(")[0] in ("VARCHAR", "TEXT", "JSONB", "TSVECTOR")}
    closed = {c.name for c in columns if hasattr(c.type, "enums")}
    return {name for name in texts - closed if (table, name) not in NOT_PERSONAL}


@pytest.mark.slow
async def test_the_test_marks_every_column(world: World, focal_settings: Settings, op: Operator) -> None:
    """A new column of text or JSON in a table of persons fails here until the world fills it."""
    customer = await world.customer()
    found = with_mark(await rows(focal_settings), customer.mark)
    async with op.tenant(world.tenant.tenant_id).scope.transaction() as tx:
        for table in found:
            for column in marked_columns(table):
                query = f'SELECT count(*) FROM "{table}" WHERE "{column}"::text LIKE $1'
                assert 0 < await tx.connection.fetchval(query, f"%{customer.mark}%"), (table, column)
    people = {
        "customer_profiles",
        *(t.name for t in metadata.tables.values() if "customer_profile_id" in t.c),
    }
    parts = {
        "channel_identities",
        "profile_fields",
        "profile_assets",
        "relationships",
        "relationship_history",
    }
    assert people | parts == set(found)


async def test_nothing_of_the_person_is_left(
    world: World, data: DataLayer, focal_settings: Settings, op: Operator
) -> None:
    """And what is of another customer, or of another tenant's same customer, is as it was, byte for byte."""
    bystander = await world.tenant.memory.add_entity(
        Entity(agent_id=world.agent_id, name="b", entity_type="x")
    )
    customer, other = await world.customer(bystander.id), await world.customer(bystander.id)
    elsewhere = await (await a_world(data)).customer()
    before, live = await rows(focal_settings), on_redis(focal_settings)
    await op.tenant(world.tenant.tenant_id).erase_customer(customer.profile)
    await nothing_is_left(focal_settings, customer)
    after, alive = await rows(focal_settings), on_redis(focal_settings)
    for somebody in (other, elsewhere):
        assert with_mark(before, somebody.mark) == with_mark(after, somebody.mark)
        assert naming(live, *everything_about(somebody)) == naming(alive, *everything_about(somebody))
    mine = with_mark(before, customer.mark)
    for table in before:
        kept = set(before[table]) - set(mine.get(table, ()))
        assert kept <= set(after[table]), table
        assert table in SKELETON or kept == set(after[table]), table


async def test_an_audit_row_keeps_its_skeleton(world: World, op: Operator) -> None:
    """Text goes, ids, numbers and times stay, and ``erased_at`` tells when."""
    customer = await world.customer()
    audit, session_id = world.tenant.audit, customer.sessions[0]
    before = await audit.list_turns_by_session(session_id)
    receipt = await op.tenant(world.tenant.tenant_id).erase_customer(customer.profile)
    after = await audit.list_turns_by_session(session_id)
    gone = {"user_message": "", "agent_response": None, "scenario_state": None, "context_extracted": None}
    expected = [
        turn.evolve(**gone, tool_calls=[], erased_at=erased.erased_at)
        for turn, erased in zip(before, after, strict=True)
    ]
    assert expected == after
    assert all(receipt.started_at <= turn.erased_at <= receipt.finished_at for turn in after)
    events = await audit.list_events_by_session(session_id)
    assert [({}, "said")] * 2 == [(event.event_data, event.event_type) for event in events]


async def test_the_chain_still_verifies(focal_settings: Settings) -> None:
    """With every row of the person erased, and those of others between them."""
    keyed = focal_settings.model_copy(update={"audit_keys": SecretStr("first:" + "k" * 40)})
    async with DataLayer.open(keyed) as data, Operator.open(keyed) as op:
        world = await a_world(data)
        tenant_id = world.tenant.tenant_id
        customer, _ = await world.customer(), await world.customer()
        await op.tenant(tenant_id).erase_customer(customer.profile)
        report = await op.verify_audit(tenant_id)
        assert (True, 40, 20) == (report.intact, report.rows, report.erased)


async def test_of_the_chain_an_audit_row_loses_the_salt_alone(world: World, op: Operator) -> None:
    """What the chain is verified by is no text; the salt would let somebody try texts."""
    customer = await world.customer()
    tenant = op.tenant(world.tenant.tenant_id)
    chain = "chain_id, chain_sequence, previous_hash, text_digest, hash, hash_key_id"
    links = "chain_id = id, chain_sequence = 7, previous_hash = 'p', text_digest = 't', hash = 'h', hash_key_id = 'k'"
    async with tenant.scope.transaction() as tx:
        for table in sorted(SKELETON):
            change = f"UPDATE {table} SET {links}, salt = 's' WHERE tenant_id = $1"
            await tx.connection.execute(change, world.tenant.tenant_id)
    await tenant.erase_customer(customer.profile)
    async with tenant.scope.transaction() as tx:
        for table in sorted(SKELETON):
            query = f"SELECT id, salt, {chain} FROM {table} WHERE tenant_id = $1"
            for row in await tx.connection.fetch(query, world.tenant.tenant_id):
                assert (row["id"], None, row["id"], 7, b"p", b"t", b"h", "k") == tuple(row)


async def test_the_receipt_counts_by_kind(world: World, op: Operator) -> None:
    """As the dry run told, which changed nothing; it holds nothing personal."""
    customer = await world.customer()
    tenant = op.tenant(world.tenant.tenant_id)
    planned = await tenant.erase_customer(customer.profile, dry_run=True)
    assert planned.counts == (await tenant.erase_customer(customer.profile, dry_run=True)).counts
    done = await tenant.erase_customer(customer.profile)
    expected = {
        "audit_events": 15,
        "channel_identities": 2,
        "customer_profiles": 2,
        "entities": 1,
        "entity_history": 2,
        "episodes": 3,
        "profile_assets": 3,
        "profile_fields": 3,
        "relationship_history": 5,
        "relationships": 1,
        "sessions": 3,
        "turn_records": 5,
    }
    assert (expected, expected) == (planned.counts, done.counts)
    assert (True, False) == (planned.dry_run, done.dry_run)
    assert tuple(sorted((customer.profile, customer.merged))) == done.profile_ids
    assert customer.mark not in done.model_dump_json()


@pytest.mark.slow
async def test_an_old_id_erases_the_whole_person(
    world: World, focal_settings: Settings, op: Operator
) -> None:
    """The profile that was merged away stands for the one it is part of."""
    customer = await world.customer()
    await op.tenant(world.tenant.tenant_id).erase_customer(customer.merged)
    await nothing_is_left(focal_settings, customer)


@pytest.mark.slow
async def test_who_is_erased_is_not_found_again(world: World, op: Operator) -> None:
    """Nor is who never was, nor another tenant's customer."""
    customer = await world.customer()
    tenant = op.tenant(world.tenant.tenant_id)
    for stranger in (op.tenant(uuid4()), tenant):
        with pytest.raises(NotFoundError, match="CustomerProfile"):
            await stranger.erase_customer(customer.profile if stranger is not tenant else uuid4())
    await tenant.erase_customer(customer.profile)
    for again in (tenant.erase_customer, tenant.export_customer):
        with pytest.raises(NotFoundError, match="CustomerProfile"):
            await again(customer.profile)


async def test_what_names_somebody_else_stays(world: World, op: Operator) -> None:
    """In the same session, on the same channel: it is about the other one."""
    customer, other = await world.customer(), await world.customer()
    tenant, session_id = world.tenant, customer.sessions[0]
    about = {"customer_profile_id": other.profile, "session_id": session_id}
    turn = TurnRecord(agent_id=world.agent_id, turn_number=9, user_message="mine", **about)
    turn = await tenant.audit.save_turn(turn)
    event = await tenant.audit.save_event(AuditEvent(event_type="said", event_data={"a": "mine"}, **about))
    episode = await tenant.memory.add_episode(Episode(agent_id=world.agent_id, content="mine", **about))
    session = Session(
        agent_id=world.agent_id,
        channel=Channel.WEBCHAT,
        channel_user_id=f"{customer.mark}-user",
        customer_profile_id=other.profile,
    )
    session = await tenant.sessions.save(session)
    await op.tenant(tenant.tenant_id).erase_customer(customer.profile)
    assert turn == await tenant.audit.get_turn(turn.id)
    assert event == await tenant.audit.get_event(event.id)
    assert episode == await tenant.memory.get_episode(episode.id)
    assert session == await tenant.sessions.get(session.session_id)
    here = (session.channel, session.channel_user_id)
    assert session == await tenant.sessions.get_by_channel(*here)


async def test_an_episode_about_the_persons_entity_that_names_nobody_goes(world: World, op: Operator) -> None:
    """Wherever it came up, and once; one that names somebody else is theirs."""
    customer, other = await world.customer(), await world.customer()
    memory, tenant = world.tenant.memory, op.tenant(world.tenant.tenant_id)
    about = {"agent_id": world.agent_id, "content": "the dog", "entity_ids": [new_id(), customer.entity]}
    before = (await tenant.erase_customer(customer.profile, dry_run=True)).counts["episodes"]
    for place in ({}, {"session_id": new_id()}, {"session_id": customer.sessions[0]}):
        await memory.add_episode(Episode(**about, **place))
    theirs = await memory.add_episode(Episode(**about, customer_profile_id=other.profile))
    exported = await tenant.export_customer(customer.profile)
    receipt = await tenant.erase_customer(customer.profile)
    assert (before + 3, before + 3) == (receipt.counts["episodes"], exported.counts["episodes"])
    left = await memory.get_episodes(EpisodeFilter(agent_id=world.agent_id))
    assert theirs in left.items
    assert [theirs.id] == [episode.id for episode in left.items if episode.content == "the dog"]


async def test_an_entity_that_changed_hands_is_the_later_ones(world: World, op: Operator) -> None:
    """Its versions from before, which name the person, go; what it is now, and what it is related to, stays."""
    customer, other = await world.customer(), await world.customer()
    memory = world.tenant.memory
    entity = await memory.get_entity(customer.entity)
    entity = await memory.update_entity(entity.evolve(customer_profile_id=other.profile, name="sold"))
    await op.tenant(world.tenant.tenant_id).erase_customer(customer.profile)
    assert entity == await memory.get_entity(entity.id)
    async with op.tenant(world.tenant.tenant_id).scope.transaction() as tx:
        named = "SELECT count(*) FROM entity_history WHERE customer_profile_id = $1"
        kept = "SELECT count(*) FROM relationships WHERE from_entity_id = $1"
        assert (0, 1) == (
            await tx.connection.fetchval(named, customer.profile),
            await tx.connection.fetchval(kept, entity.id),
        )


async def test_sessions_that_are_told_of_elsewhere_are_the_persons(world: World, op: Operator) -> None:
    """By a consent, a field or an asset: what was said there before anybody knew who it was goes."""
    tenant, sessions = world.tenant, [new_id() for _ in range(3)]
    store, customer = tenant.profiles, await world.customer()
    profile = await store.get_by_id(customer.profile)
    consent = profile.consents[0].evolve(source_session_id=sessions[0])
    await store.save(profile.evolve(consents=[consent]))
    field = next(iter((await store.get_fields(profile.id)).values()))
    new = {"id": new_id(), "revision": 0, "valid_from": field.valid_from + timedelta(hours=1)}
    await store.update_field(profile.id, field.evolve(source_session_id=sessions[1], **new))
    asset = (await store.list_assets(profile.id))[0].evolve(id=new_id(), revision=0)
    await store.add_asset(profile.id, asset.evolve(uploaded_in_session_id=sessions[2]))
    turns = [
        TurnRecord(agent_id=world.agent_id, session_id=session_id, turn_number=1, user_message="mine")
        for session_id in sessions
    ]
    for turn in turns:
        await tenant.audit.save_turn(turn)
    await op.tenant(tenant.tenant_id).erase_customer(customer.profile)
    erased = [await tenant.audit.get_turn(turn.id) for turn in turns]
    assert [("", True)] * 3 == [(turn.user_message, turn.erased_at is not None) for turn in erased]


async def test_entries_that_lead_to_no_session_go(
    world: World, op: Operator, focal_settings: Settings
) -> None:
    """What an index kept by mistake would tell that there was somebody."""
    customer = await world.customer()
    tenant_id = world.tenant.tenant_id
    term = keys.customer_term(customer.profile)
    name = keys.index(tenant_id.hex.encode(), term)
    with redis.Redis.from_url(focal_settings.sessions_url()) as connection:
        connection.zadd(name, {new_id().hex: -1})
        await op.tenant(tenant_id).erase_customer(customer.profile)
        assert 0 == connection.exists(name)


async def test_what_came_after_the_erasure_can_be_erased(world: World, op: Operator) -> None:
    """A service that went on for a moment wrote a turn with the old id: there is no profile, and it is found."""
    customer = await world.customer()
    tenant = op.tenant(world.tenant.tenant_id)
    await tenant.erase_customer(customer.profile)
    late = TurnRecord(
        agent_id=world.agent_id,
        session_id=new_id(),
        customer_profile_id=customer.profile,
        turn_number=1,
        user_message="bye",
    )
    await world.tenant.audit.save_turn(late)
    receipt = await tenant.erase_customer(customer.profile)
    assert ({"turn_records": 1}, (customer.profile,)) == (receipt.counts, receipt.profile_ids)
    with pytest.raises(NotFoundError):
        await tenant.erase_customer(customer.profile)


@pytest.mark.slow
async def test_a_session_that_cannot_be_read_stops_it(
    world: World, op: Operator, focal_settings: Settings
) -> None:
    """It may be the person's: nothing is removed until somebody has looked, and deleted it by its id."""
    customer, other = await world.customer(), await world.customer()
    cold = other.sessions[0].hex.encode() + b"}:c"  # the index of closed ones ends with :c too
    key = next(key for key in naming(on_redis(focal_settings), other.sessions[0].hex) if key.endswith(cold))
    with redis.Redis.from_url(focal_settings.sessions_url()) as connection:
        connection.setrange(key, 160, b"\0\0\0\0\0\0")
    tenant = op.tenant(world.tenant.tenant_id)
    before = (await tenant.delete_everything(dry_run=True)).counts
    with pytest.raises(CorruptDataError) as caught:
        await tenant.erase_customer(customer.profile)
    assert key.decode() == caught.value.key
    assert before == (await tenant.delete_everything(dry_run=True)).counts
    await world.tenant.sessions.delete(other.sessions[0])
    await tenant.erase_customer(customer.profile)
    await nothing_is_left(focal_settings, customer)
