"""Existing ideation deployments' data, imported: all of it, as it was, and what can't be is named."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from focal_data.data_layer import DataLayer, PostgresDataLayer, PostgresTenant
from focal_data.domain.ideation import DataSource, MessageRole, ProjectStatus
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import StoreConnectionError, StoreTimeoutError
from focal_data.operations.ideation_ground import Choice, Outcome, Step, TransferReport
from focal_data.operations.ideation_import import IdeationImport
from focal_data.redis.client import RedisClient
from focal_data.redis.ideation_legacy import LegacyIdeation
from focal_data.repositories.ideation import PostgresIdeationStores
from focal_data.repositories.ideation_archive import IdeationArchives
from focal_data.settings import Settings
from focal_data.testing.databases import driver_url
from tests.integration.operations.old_studio import OldSession, everything

NOON = datetime(2026, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)
Break = Callable[[OldSession, Redis], Any]


@pytest.fixture
def tenant(focal_data_layer: PostgresDataLayer) -> PostgresTenant:
    """A tenant of this test alone."""
    return focal_data_layer.tenant(uuid4())


@pytest.fixture
def legacy(focal_data_layer: PostgresDataLayer, focal_redis: Redis) -> LegacyIdeation:
    """The deployment's Redis, which is empty when a test begins."""
    return LegacyIdeation(focal_data_layer.redis)


@pytest.fixture
async def owner(focal_settings: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees every tenant."""
    connection = await asyncpg.connect(driver_url(focal_settings.owner_url()))
    yield connection
    await connection.close()


async def imported(legacy: LegacyIdeation, tenant: PostgresTenant, **choice: bool) -> TransferReport:
    """The report of an import."""
    return await IdeationImport(legacy, tenant.scope, Choice(**choice)).run()


async def archive_of(tenant: PostgresTenant, session_id: str) -> IdeationArchive:
    """What is stored of a session."""
    found = await IdeationArchives(tenant).get(session_id)
    assert found is not None
    return found


async def test_everything_comes_as_it_was(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Ids, times, version and order; read back through the stores."""
    old = await OldSession("s-1", message_count=5).put(focal_redis)
    report = await imported(legacy, tenant)
    assert ({Outcome.WRITTEN: 1}, 0, 0) == (report.sessions, report.problems.count, report.remarks.count)
    assert {"messages": 5, "requirements": 2, "maturity": 1, "drafts": 1, "stories": 2} == report.parts
    stores = PostgresIdeationStores(tenant)
    session = await stores.sessions.get_by_id("s-1")
    assert session is not None
    assert (7, ProjectStatus.IN_BUILD, DataSource.CONFIGURED) == (
        session.version,
        session.status,
        session.data_source,
    )
    two = timezone(timedelta(hours=2))
    assert (NOON, datetime(2026, 2, 1, 23, 59, 59, tzinfo=two)) == (session.created_at, session.updated_at)
    messages = await stores.messages.get_by_session("s-1")
    assert [old["id"] for old in old.messages] == [message.id for message in messages]
    assert [old["content"] for old in old.messages] == [message.content for message in messages]
    assert [old["metadata"] for old in old.messages] == [message.metadata for message in messages]
    assert [old["maturity_delta"] for old in old.messages] == [message.maturity_delta for message in messages]
    assert ([*range(5)], {NOON}) == ([m.position for m in messages], {m.timestamp for m in messages})
    assert MessageRole.ASSISTANT is messages[1].role
    assert [("s-1-r1", NOON)] == [
        (wish.id, wish.created_at) for wish in await stores.requirements.get_by_session("s-1")
    ][:1]
    maturity = await stores.maturity.get_by_session("s-1")
    assert maturity is not None
    assert (41.7, ["scope", "b"], ["Who pays?", ""]) == (
        maturity.score,
        [category.id for category in maturity.categories],
        maturity.gaps,
    )
    draft = await stores.prd.get_draft("s-1")
    assert draft is not None
    assert ("s-1-d", [2, 1], NOON) == (
        draft.id,
        [section.order for section in draft.sections],
        draft.created_at,
    )
    assert ["s-1-s1", "s-1-s0"] == [story.id for story in await stores.prd.get_user_stories("s-1")]
    assert [session] == await stores.sessions.list_by_user("ada")


async def test_the_studio_goes_on_where_it_was(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """The next message is behind the last, and the next version is one more."""
    await OldSession("s-1", message_count=4).put(focal_redis)
    await imported(legacy, tenant)
    stores = PostgresIdeationStores(tenant)
    (message, *_) = await stores.messages.get_by_session("s-1")
    assert 4 == (await stores.messages.create(message.evolve(id="new"))).position
    session = await stores.sessions.get_by_id("s-1")
    assert session is not None
    assert 8 == (await stores.sessions.update(session)).version


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 100, 101, 999, 1000, 1001, 2000, 2001])
async def test_all_messages_come(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, count: int
) -> None:
    """Not the first hundred, nor a page."""
    old = await OldSession("s-1", message_count=count).put(focal_redis)
    await imported(legacy, tenant)
    archive = await archive_of(tenant, "s-1")
    assert [old["id"] for old in old.messages] == [message.id for message in archive.messages]


async def test_a_session_alone_comes(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Nothing need hang on it."""
    old = OldSession("s-1", message_count=0)
    old.requirements, old.maturity, old.prd, old.stories = [], None, None, []
    await old.put(focal_redis)
    report = await imported(legacy, tenant)
    assert ({Outcome.WRITTEN: 1}, 0) == (report.sessions, sum(report.parts.values()))
    assert (await archive_of(tenant, "s-1")).counts == dict.fromkeys(report.parts, 0)


@pytest.mark.parametrize("odd", ["{a}:{b}", "a:b", "*?[a]\\", "🦊" * 64, " ", "é\u0301\n"], ids=ascii)
async def test_ids_stand_in_keys_as_they_are(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, odd: str
) -> None:
    """Braces are no hash tag, and stars no pattern."""
    old = OldSession(odd, user=odd)
    for number, part in enumerate((*old.messages, *old.requirements, old.prd, *old.stories)):
        assert part is not None
        part["id"] = f"p{number}"
    for story in old.stories:
        story["linked_requirements"] = [odd]
    await old.put(focal_redis)
    await OldSession("another").put(focal_redis)
    report = await imported(legacy, tenant)
    assert ({Outcome.WRITTEN: 2}, 0) == (report.sessions, report.remarks.count)
    assert 3 == len((await archive_of(tenant, odd)).messages)


async def test_names_in_camel_case_are_read(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """At every level that has names, and in nothing that a message holds."""

    def camel(value: Any) -> Any:
        if isinstance(value, list):
            return [camel(item) for item in value]
        if not isinstance(value, dict):
            return value
        named = {}
        for name, item in value.items():
            first, *rest = name.split("_")
            named[first + "".join(map(str.title, rest))] = item if name == "metadata" else camel(item)
        return named

    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    await focal_redis.flushdb()
    old = OldSession("a")
    old.messages[1]["metadata"] = {"snake_case": {"camelCase": 1}}
    for name in ("session", "messages", "maturity", "prd", "stories"):
        setattr(old, name, camel(getattr(old, name)))
    await old.put(focal_redis)
    report = await imported(legacy, tenant)
    assert ({Outcome.CONFLICT: 1}, {}) == (report.sessions, report.notes)
    (conflict,) = report.problems.named
    assert "is there, and not the same: messages[1].metadata" == conflict.reason
    await imported(legacy, tenant, overwrite=True)
    assert {"snake_case": {"camelCase": 1}} == (await archive_of(tenant, "a")).messages[1].metadata


async def test_what_such_deployments_leave_out_has_a_default(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Whether it is missing or null."""
    old = OldSession("a", message_count=2)
    del old.messages[0]["maturity_delta"], old.messages[0]["metadata"], old.requirements[0]["category_id"]
    old.messages[1] |= {"maturity_delta": None, "metadata": None}
    del old.stories[0]["priority"]
    del old.prd["session_id"]  # type: ignore[attr-defined]
    await old.put(focal_redis)
    assert {Outcome.WRITTEN: 1} == (await imported(legacy, tenant)).sessions
    archive = await archive_of(tenant, "a")
    assert [(0.0, None)] * 2 == [(message.maturity_delta, message.metadata) for message in archive.messages]
    assert "should_have" == archive.stories[0].priority


async def test_what_is_not_taken_as_it_stands_is_counted(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Times without a zone are in UTC, a version of 0 or none is 1, and unknown fields are left out."""
    old = OldSession("a", message_count=2)
    old.messages[0] |= {"timestamp": "2026-01-31T10:00:00.123456", "reactions": ["secret"]}
    old.messages[1]["reactions"] = []
    old.session |= {"version": 0, "the secret": 1}
    await old.put(focal_redis)
    report = await imported(legacy, tenant)
    assert {
        "a time without a zone is in UTC": 1,
        "a version below 1 is the first that is stored, 1": 1,
        "reactions: is not known, and left out": 2,
        "…: is not known, and left out": 1,
    } == report.notes
    archive = await archive_of(tenant, "a")
    assert (NOON, 1) == (archive.messages[0].timestamp, archive.session.version)
    assert not report.failed


def _string(name: str, text: bytes) -> Break:
    return lambda old, redis: redis.set(f"ideation:{name}:bad", text)


def _field(part: str, **changes: Any) -> Break:
    async def breaking(old: OldSession, redis: Redis) -> None:
        found = getattr(old, part)
        (found[-1] if isinstance(found, list) else found).update(changes)
        await redis.flushdb()
        await old.put(redis)

    return breaking


async def _other_type(old: OldSession, redis: Redis) -> None:
    await redis.delete("ideation:messages:bad")
    await redis.hset("ideation:messages:bad", "a", "secret")


async def _stream(old: OldSession, redis: Redis) -> None:
    await redis.delete("ideation:session:bad")
    await redis.xadd("ideation:session:bad", {"a": "secret"})


async def _surrogate(old: OldSession, redis: Redis) -> None:
    await redis.lset("ideation:messages:bad", 1, json.dumps(old.messages[1] | {"content": "secret \ud800"}))


async def _deep(old: OldSession, redis: Redis) -> None:
    await redis.lset("ideation:messages:bad", 1, b"[" * 200_000)


async def _wrong_field(old: OldSession, redis: Redis) -> None:
    await redis.hset("ideation:requirements:bad", "secret", json.dumps(old.requirements[0]))


async def _twice(old: OldSession, redis: Redis) -> None:
    await redis.rpush("ideation:messages:bad", json.dumps(old.messages[1]))


NAN = float("nan")


@pytest.mark.parametrize(
    ("breaking", "key", "reason"),
    [
        (_string("session", b"{secret"), "session", "it is not JSON in UTF-8"),
        (_string("session", b'"secret"'), "session", "it: is no JSON object"),
        (_string("maturity", b'{"secret": "\xff"}'), "maturity", "it is not JSON in UTF-8"),
        (_string("prd", b""), "prd", "it is not JSON in UTF-8"),
        (_deep, "messages", "[1] it is not JSON in UTF-8"),
        (_other_type, "messages", "is a hash, and should be a list"),
        (_stream, "session", "is a stream, and should be a string"),
        (_wrong_field, "requirements", "[2] id: is not the one that it is kept under"),
        (_twice, "messages", "1 ids are there more than once"),
        (_surrogate, "messages", "[1] content: "),
        (_field("messages", content="secret\0"), "messages", "[2] content: text must not contain NUL"),
        (_field("messages", metadata={"a": ["\0"]}), "messages", "[2] metadata: text must not contain NUL"),
        (_field("messages", metadata={"a": 2**63}), "messages", "[2] metadata: an integer must fit in 64"),
        (_field("messages", metadata={"a": NAN}), "messages", "[2] metadata: a number must be finite"),
        (_field("messages", id="x" * 65), "messages", "[2] id: String should have at most 64"),
        (_field("messages", id=None), "messages", "[2] id: is missing"),
        (_field("messages", role="secret"), "messages", "[2] role: "),
        (_field("messages", maturity_delta=101), "messages", "[2] maturity_delta: "),
        (_field("messages", maturity_delta=True), "messages", "[2] maturity_delta: is no number"),
        (_field("messages", timestamp="secret"), "messages", "[2] timestamp: is no time in ISO 8601"),
        (_field("messages", timestamp=1700000000), "messages", "[2] timestamp: is no time in ISO 8601"),
        (_field("messages", timestamp="0001-01-01T00:00:00+01:00"), "messages", "[2] timestamp: time is out"),
        (_field("messages", session_id="other"), "messages", "[2] it names another session than its key"),
        (
            _field("messages", maturityDelta=7),
            "messages",
            "[2] maturity_delta: is given twice, and not alike",
        ),
        (_field("session", id="other"), "session", "it names another session than its key does"),
        (_field("session", user_id="x" * 256), "session", "user_id: String should have at most 255"),
        (_field("session", version=-1), "session", "version: "),
        (_field("session", version="secret"), "session", "version: "),
        (_field("session", version="7"), "session", "version: is no integer"),
        (_field("session", created_at=None), "session", "created_at: is missing"),
        (_field("requirements", type="secret"), "requirements", "[1] type: "),
        (_field("maturity", score=101), "maturity", "score: "),
        (_field("maturity", score=NAN), "maturity", "score: "),
        (_field("maturity", score="41.7"), "maturity", "score: is no number"),
        (_field("maturity", can_submit="off"), "maturity", "can_submit: is neither true nor false"),
        (_field("maturity", categories="secret"), "maturity", "categories: is no list"),
        (_field("maturity", categories=["secret"]), "maturity", "categories[0]: is no JSON object"),
        (_field("maturity", categories=[{"id": "a"}]), "maturity", "categories[0].name: is missing"),
        (
            _field("prd", sections=[{"id": "a", "heading": "", "content": "", "order": 2**31}]),
            "prd",
            "sections.0.order",
        ),
        (
            _field("prd", sections=[{"id": "a", "heading": "", "content": "", "order": "2"}]),
            "prd",
            "sections[0].order: is no integer",
        ),
        (_field("stories", linked_requirements=[1]), "stories", "[1] linked_requirements.0: "),
        (_field("stories", title=None), "stories", "[1] title: is missing"),
    ],
)
async def test_what_can_not_be_read_is_named_and_the_others_go_on(
    legacy: LegacyIdeation,
    tenant: PostgresTenant,
    focal_redis: Redis,
    breaking: Break,
    key: str,
    reason: str,
) -> None:
    """By its key and the reason, without what it holds; nothing of that session is written."""
    old = await OldSession("bad").put(focal_redis)
    await breaking(old, focal_redis)
    await OldSession("good").put(focal_redis)
    report = await imported(legacy, tenant)
    assert ({Outcome.WRITTEN: 1, Outcome.FAILED: 1}, True) == (report.sessions, report.failed)
    (problem,) = report.problems.named
    assert f"ideation:{key}:bad" == problem.key
    assert problem.reason.startswith(reason)
    assert "secret" not in problem.reason
    assert ["good"] == await IdeationArchives(tenant).ids()


async def test_an_id_that_another_session_has_is_named(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Whichever comes first is kept; when the other is put right, it comes too."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    twin = OldSession("b")
    twin.messages[2]["id"] = "a-m2"
    await twin.put(focal_redis)
    report = await imported(legacy, tenant)
    assert {Outcome.UNCHANGED: 1, Outcome.FAILED: 1} == report.sessions
    (problem,) = report.problems.named
    assert ("ideation:session:b", True) == (problem.key, problem.reason.startswith("[2] "))
    assert "ideation_messages" in problem.reason
    await focal_redis.lset("ideation:messages:b", 2, json.dumps(twin.messages[2] | {"id": "b-m2"}))
    assert {Outcome.WRITTEN: 1, Outcome.UNCHANGED: 1} == (await imported(legacy, tenant)).sessions


@pytest.mark.parametrize("part", ["messages", "requirements", "stories", "prd"])
@pytest.mark.parametrize("stored", [False, True], ids=["both new", "one stored"])
async def test_a_dry_run_names_an_id_that_two_sessions_have(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, part: str, *, stored: bool
) -> None:
    """As the import does then, whether the other is stored or to come; and it writes nothing."""
    one, twin = OldSession("a"), OldSession("b")
    _last(twin, part)["id"] = _last(one, part)["id"]
    await one.put(focal_redis)
    if stored:
        await imported(legacy, tenant)
    await twin.put(focal_redis)
    planned = await imported(legacy, tenant, dry_run=True)
    assert (["a"] if stored else []) == await IdeationArchives(tenant).ids()
    done = await imported(legacy, tenant)
    assert (planned.sessions, planned.parts) == (done.sessions, done.parts)
    (foreseen,), (problem,) = planned.problems.named, done.problems.named
    if stored:  # otherwise either of the two may be the first
        assert problem == foreseen
    assert problem.reason == foreseen.reason


async def test_a_dry_run_takes_no_id_for_anothers(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """A session that would be replaced has its own; a story may have a message's; another tenant may have all of them."""
    old = OldSession("a")
    old.stories[0]["id"] = old.messages[0]["id"]
    await old.put(focal_redis)
    await imported(legacy, tenant)
    await focal_redis.set("ideation:session:a", json.dumps(old.session | {"project_name": "Cat wash"}))
    report = await imported(legacy, tenant, dry_run=True, overwrite=True)
    assert ({Outcome.REPLACED: 1}, False) == (report.sessions, report.failed)
    other = OldSession("b")
    other.stories[0]["id"] = old.messages[1]["id"]
    await other.put(focal_redis)
    neighbour = PostgresTenant(tenant._data, uuid4())
    assert {Outcome.WRITTEN: 2} == (await imported(legacy, neighbour, dry_run=True)).sessions


def _last(old: OldSession, part: str) -> dict[str, Any]:
    found = getattr(old, part)
    return found[-1] if isinstance(found, list) else found


async def test_numbers_and_texts_are_the_same_to_the_last_bit(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """In what a message holds beside its text, too: 1 is not 1.0, and neither is true."""
    numbers = [
        1,
        1.0,
        True,
        0.1 + 0.2,
        5e-324,
        1e16,
        1e17,
        1e22,
        1.7976931348623157e308,
        -(2**63),
        2**63 - 1,
    ]
    old = OldSession("a", message_count=2)
    old.messages[0]["metadata"] = {"numbers": numbers, "é": '\u2028\\"\n🦊', "": {}, "none": [None, [], {}]}
    old.messages[0]["maturity_delta"] = -5e-324
    old.messages[1]["content"] = '\\u0000 "quoted" {curly} NULL \t\r\n\x7f\x01'
    old.stories[0]["acceptance_criteria"] = ["NULL", '{"a"}', "a,b", "", "\\"]
    await old.put(focal_redis)
    assert {Outcome.WRITTEN: 1} == (await imported(legacy, tenant)).sessions
    archive = await archive_of(tenant, "a")
    found = archive.messages[0].metadata
    assert found is not None
    assert [repr(number) for number in numbers] == [repr(number) for number in found["numbers"]]  # type: ignore[union-attr]
    assert old.messages[0]["metadata"] == found
    assert (-5e-324, old.messages[1]["content"]) == (
        archive.messages[0].maturity_delta,
        archive.messages[1].content,
    )
    assert old.stories[0]["acceptance_criteria"] == archive.stories[0].acceptance_criteria
    assert {Outcome.UNCHANGED: 1} == (await imported(legacy, tenant)).sessions


async def test_what_is_there_and_the_same_is_left_as_it_is(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, owner: asyncpg.Connection
) -> None:
    """Not a row is written again."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    rows = "SELECT xmin::text FROM ideation_messages WHERE tenant_id = $1"
    before = await owner.fetch(rows, tenant.tenant_id)
    report = await imported(legacy, tenant)
    assert ({Outcome.UNCHANGED: 1}, {}) == (report.sessions, report.parts)
    assert before == await owner.fetch(rows, tenant.tenant_id)


async def test_what_is_there_and_differs_is_a_conflict(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Unless it is to be passed over, or to be replaced."""
    await OldSession("a", message_count=2).put(focal_redis)
    await OldSession("b").put(focal_redis)
    await imported(legacy, tenant)
    await focal_redis.flushdb()
    await OldSession("a", message_count=5).put(focal_redis)
    report = await imported(legacy, tenant)
    assert ({Outcome.CONFLICT: 1}, True) == (report.sessions, report.failed)
    assert "is there, and not the same: messages" == report.problems.named[0].reason
    skipped = await imported(legacy, tenant, skip_existing=True)
    assert ({Outcome.SKIPPED: 1}, False) == (skipped.sessions, skipped.failed)
    assert 2 == len((await archive_of(tenant, "a")).messages)
    dry = await imported(legacy, tenant, overwrite=True, dry_run=True)
    assert {Outcome.REPLACED: 1} == dry.sessions
    assert 2 == len((await archive_of(tenant, "a")).messages)
    assert {Outcome.REPLACED: 1} == (await imported(legacy, tenant, overwrite=True)).sessions
    assert 5 == len((await archive_of(tenant, "a")).messages)
    assert ["a", "b"] == await IdeationArchives(tenant).ids()


async def test_a_dry_run_writes_nothing_and_tells_the_same(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """It reads and compares everything."""
    await OldSession("a").put(focal_redis)
    old = await OldSession("b").put(focal_redis)
    await _other_type(old, focal_redis)
    await focal_redis.set("ideation:maturity:b", "{")
    before = await everything_but_broken(focal_redis)
    dry = await imported(legacy, tenant, dry_run=True)
    assert [] == await IdeationArchives(tenant).ids()
    real = await imported(legacy, tenant)
    assert (dry.sessions, dry.parts, dry.problems) == (real.sessions, real.parts, real.problems)
    assert before == await everything_but_broken(focal_redis)


async def everything_but_broken(redis: Redis) -> dict[str, Any]:
    """Of session a, which can be read."""
    kept = await redis.keys("ideation:*:b")
    assert kept
    return {name: await redis.dump(name) for name in sorted(await redis.keys("*"))}


async def test_what_belongs_to_no_session_is_named(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Keys without their session, keys that nobody knows, indexes that lead nowhere; that is no failure."""
    await OldSession("a").put(focal_redis)
    await focal_redis.srem("ideation:user_sessions:ada", "a")
    await focal_redis.sadd("ideation:user_sessions:bob", "gone", "a")
    await focal_redis.set("ideation:user_sessions:eve", "secret")
    await focal_redis.rpush("ideation:messages:gone", "secret")
    await focal_redis.set("ideation:maturity:gone\n", "secret")
    await focal_redis.set("ideation:notes:a", "secret")
    await focal_redis.set("other:a", "secret")
    report = await imported(legacy, tenant)
    assert {
        ("ideation:session:a", "is not named in its user's index"),
        ("ideation:user_sessions:bob", "names 1 sessions that are not there"),
        ("ideation:user_sessions:eve", "is a string, and should be a set"),
        ("ideation:messages:gone", "its session is not there"),
        ("ideation:maturity:gone\\n", "its session is not there"),
        ("ideation:notes:a", "is not a key that such deployments have"),
    } == {(remark.key, remark.reason) for remark in report.remarks.named}
    assert ({Outcome.WRITTEN: 1}, False) == (report.sessions, report.failed)


async def test_a_key_that_is_no_text_is_named(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """So that it can be seen on a terminal."""
    await focal_redis.set(b"ideation:session:\xff\x1b", "{}")
    (problem,) = (await imported(legacy, tenant)).problems.named
    assert ("ideation:session:\\xff\\x1b", "is not UTF-8") == (problem.key, problem.reason)


async def test_nothing_to_import_is_no_failure(legacy: LegacyIdeation, tenant: PostgresTenant) -> None:
    """The report is empty."""
    report = await imported(legacy, tenant)
    assert (0, {}, False) == (report.total, report.sessions, report.failed)


async def test_what_is_read_back_otherwise_does_not_stay(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session is named with the fields, and nothing of it is written."""
    await OldSession("a").put(focal_redis)
    put = IdeationArchives.put

    async def forgetful(self: IdeationArchives, archive: IdeationArchive, *, seeking: bool) -> None:
        spoiled = [message.evolve(content="") for message in archive.messages]
        await put(self, IdeationArchive(archive.session, spoiled), seeking=seeking)

    monkeypatch.setattr(IdeationArchives, "put", forgetful)
    report = await imported(legacy, tenant)
    assert "gave back something else: maturity, messages[1].content" in report.problems.named[0].reason
    assert [] == await IdeationArchives(tenant).ids()


async def test_broken_off_anywhere_it_is_repeated(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """What is there then is there whole, and the next run brings the rest."""
    for number in range(6):
        await OldSession(f"s{number}", message_count=40).put(focal_redis)
    written = 0
    for steps in (1, 2, 100):
        report = await broken_off(IdeationImport(legacy, tenant.scope), steps)
        written += report.sessions[Outcome.WRITTEN]
        archives = IdeationArchives(tenant)
        stored = [await archives.get(session_id) for session_id in await archives.ids()]
        assert {40} == {len(archive.messages) for archive in stored if archive is not None}
        assert written <= len(stored)  # what was committed as it was broken off is not told
    assert 6 == len(stored)
    assert 6 == report.sessions[Outcome.WRITTEN] + report.sessions[Outcome.UNCHANGED]


async def broken_off(run: IdeationImport, steps: int) -> TransferReport:
    """How far it got when it was cancelled after so many sessions."""

    def stop(_: Step) -> None:
        if run.report.sessions[Outcome.WRITTEN] == steps:
            task.cancel()

    task = asyncio.create_task(run.run(stop))
    await asyncio.wait([task])
    return run.report


async def test_two_at_once_do_not_get_in_each_others_way(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Each session is written by one of them, and found by the other."""
    for number in range(20):
        await OldSession(f"s{number}").put(focal_redis)
    reports = await asyncio.gather(*(imported(legacy, tenant) for _ in range(3)))
    assert {Outcome.WRITTEN: 20, Outcome.UNCHANGED: 40} == sum(
        (report.sessions for report in reports), start=type(reports[0].sessions)()
    )
    assert not any(report.failed for report in reports)


async def test_another_tenants_sessions_are_not_touched(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, data: DataLayer
) -> None:
    """The same ids may be imported into several."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    other = data.tenant(uuid4())
    assert isinstance(other, PostgresTenant)
    assert {Outcome.WRITTEN: 1} == (await imported(legacy, other)).sessions
    assert {Outcome.UNCHANGED: 1} == (await imported(legacy, tenant)).sessions


async def test_a_server_that_is_lost_ends_the_run(tenant: PostgresTenant) -> None:
    """It is no session's fault; the report tells how far it got."""
    nowhere = Settings.of(redis_url="unix:///nowhere/redis.sock", redis_timeout=0.2)
    async with RedisClient(nowhere) as lost:
        run = IdeationImport(LegacyIdeation(lost), tenant.scope)
        with pytest.raises((StoreConnectionError, StoreTimeoutError)):
            await run.run()
    assert 0 == run.report.total


async def test_what_is_imported_is_left_where_it_was(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """An import reads."""
    await OldSession("a").put(focal_redis)
    before = await everything(focal_redis)
    await imported(legacy, tenant, overwrite=True)
    assert before == await everything(focal_redis)


@pytest.mark.slow
async def test_memory_stays_flat(legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis) -> None:
    """Of 300 sessions the last 200 take no more than the first 100 did, but for their names."""
    for number in range(300):
        await OldSession(f"s{number}", message_count=50).put(focal_redis)
    run, peaks = IdeationImport(legacy, tenant.scope), []

    def look(_: Step) -> None:
        if run.report.sessions.total() in (100, 300):
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()

    tracemalloc.start()
    try:
        await run.run(look)
    finally:
        tracemalloc.stop()
    assert {Outcome.WRITTEN: 300} == run.report.sessions
    assert peaks[1] < peaks[0] * 1.2
