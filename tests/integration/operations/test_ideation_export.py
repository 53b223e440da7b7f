"""Ideation sessions written back as an existing deployment keeps them, so that one can go back to it."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from focal_data.data_layer import PostgresDataLayer, PostgresTenant
from focal_data.operations.ideation_export import IdeationExport
from focal_data.operations.ideation_ground import Choice, Outcome, TransferReport
from focal_data.operations.ideation_import import IdeationImport
from focal_data.redis.ideation_legacy import LegacyIdeation
from focal_data.repositories.ideation import PostgresIdeationStores
from focal_data.repositories.ideation_archive import IdeationArchives
from focal_data.testing.contracts.ideation.base import a_draft, a_full_session, a_session, filled
from tests.integration.operations.old_studio import OldSession, everything


@pytest.fixture
def tenant(focal_data_layer: PostgresDataLayer) -> PostgresTenant:
    """A tenant of this test alone."""
    return focal_data_layer.tenant(uuid4())


@pytest.fixture
def legacy(focal_data_layer: PostgresDataLayer, focal_redis: Redis) -> LegacyIdeation:
    """The deployment's Redis, which is empty when a test begins."""
    return LegacyIdeation(focal_data_layer.redis)


async def imported(legacy: LegacyIdeation, tenant: PostgresTenant, **choice: bool) -> TransferReport:
    """The report of an import."""
    return await IdeationImport(legacy, tenant.scope, Choice(**choice)).run()


async def exported(legacy: LegacyIdeation, tenant: PostgresTenant, **choice: bool) -> TransferReport:
    """The report of an export."""
    return await IdeationExport(legacy, tenant.scope, Choice(**choice)).run()


def _in_utc(found: Any) -> Any:
    """What an import and an export make of it: requirements are a hash, and times are in UTC."""
    text = json.dumps(found, default=str, sort_keys=True)
    return json.loads(text.replace("2026-02-01T23:59:59+02:00", "2026-02-01T21:59:59+00:00"))


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 3, 1001])
async def test_what_was_imported_comes_back_as_it_was(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, count: int
) -> None:
    """Every key of every session, whatever its id; and an import of that gives the same data again."""
    for session_id in ("a", "{b}:c", "🦊"):
        await OldSession(session_id, user=f"u-{session_id}", message_count=count).put(focal_redis)
    before = _in_utc(await everything(focal_redis))
    await imported(legacy, tenant)
    await focal_redis.flushdb()
    report = await exported(legacy, tenant)
    assert ({Outcome.WRITTEN: 3}, {}, False) == (report.sessions, report.notes, report.failed)
    assert before == _in_utc(await everything(focal_redis))
    assert [-1] * len(before) == [await focal_redis.ttl(name) for name in before]
    again = PostgresTenant(tenant._data, uuid4())
    await imported(legacy, again)
    for session_id in await IdeationArchives(tenant).ids():
        one, other = [await IdeationArchives(t).get(session_id) for t in (tenant, again)]
        assert one is not None
        assert other is not None
        assert [] == one.differences(other)
    assert {Outcome.UNCHANGED: 3} == (await imported(legacy, tenant)).sessions


async def test_what_was_made_here_is_read_there(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """The latest draft only, which such deployments have one of; how many are left out is told."""
    stores = PostgresIdeationStores(tenant)
    await filled(stores, a_full_session(id="a", user_id="ada"))
    await stores.prd.save_draft(a_draft("a", id="last"))
    await stores.sessions.create(a_session(id="b", user_id="ada"))
    report = await exported(legacy, tenant)
    assert ({Outcome.WRITTEN: 2}, 1) == (report.sessions, report.parts["drafts"])
    assert {"an earlier draft has no place there, and is left out": 2} == report.notes
    found = await everything(focal_redis)
    assert "last" == found["ideation:prd:a"]["id"]
    assert [b"a", b"b"] == found["ideation:user_sessions:ada"]
    assert [
        "ideation:maturity:a",
        "ideation:messages:a",
        "ideation:prd:a",
        "ideation:requirements:a",
        "ideation:session:a",
        "ideation:session:b",
        "ideation:stories:a",
        "ideation:user_sessions:ada",
    ] == sorted(found)


async def test_only_the_fields_of_such_deployments_are_written(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """In their order, in snake_case."""
    old = await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    await focal_redis.flushdb()
    await exported(legacy, tenant)
    found = await everything(focal_redis)
    assert [*old.session] == [*found["ideation:session:a"]]
    assert [*old.messages[0]] == [*found["ideation:messages:a"][0]]
    assert [*old.requirements[0]] == [*found["ideation:requirements:a"]["a-r0"]]
    assert [*old.stories[0]] == [*found["ideation:stories:a"][0]]
    for name, given in (("maturity", old.maturity), ("prd", old.prd)):
        assert [*(given or {})] == [*found[f"ideation:{name}:a"]]


async def test_what_is_there_and_differs_is_refused(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Unless it is to be passed over, or to be replaced; then nothing of it is left."""
    await OldSession("a", message_count=2).put(focal_redis)
    await imported(legacy, tenant)
    mine = await everything(focal_redis)
    await focal_redis.flushdb()
    newer = OldSession("a", message_count=5)
    newer.requirements = [newer.requirements[0] | {"id": "new"}]
    await newer.put(focal_redis)
    theirs = await everything(focal_redis)
    report = await exported(legacy, tenant)
    assert ({Outcome.CONFLICT: 1}, True) == (report.sessions, report.failed)
    assert "is there, and not the same: messages, requirements" == report.problems.named[0].reason
    assert {Outcome.SKIPPED: 1} == (await exported(legacy, tenant, skip_existing=True)).sessions
    assert {Outcome.REPLACED: 1} == (await exported(legacy, tenant, overwrite=True, dry_run=True)).sessions
    assert theirs == await everything(focal_redis)
    assert {Outcome.REPLACED: 1} == (await exported(legacy, tenant, overwrite=True)).sessions
    assert _in_utc(mine) == _in_utc(await everything(focal_redis))


async def test_what_is_there_and_can_not_be_read_is_refused(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """It is not the same, whatever it is."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    mine = await everything(focal_redis)
    await focal_redis.set("ideation:messages:a", "secret")
    (problem,) = (await exported(legacy, tenant)).problems.named
    assert "ideation:messages:a is a string, and should be a list" in problem.reason
    assert {Outcome.REPLACED: 1} == (await exported(legacy, tenant, overwrite=True)).sessions
    assert _in_utc(mine) == _in_utc(await everything(focal_redis))


async def test_what_is_there_and_the_same_is_left_as_it_is(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Byte for byte, however it was written; and a missing entry of the index is put back."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    before = {name: await focal_redis.dump(name) for name in await focal_redis.keys("*")}
    assert {Outcome.UNCHANGED: 1} == (await exported(legacy, tenant)).sessions
    assert before == {name: await focal_redis.dump(name) for name in await focal_redis.keys("*")}
    await focal_redis.delete("ideation:user_sessions:ada")
    await exported(legacy, tenant)
    assert {b"a"} == await focal_redis.smembers("ideation:user_sessions:ada")


@pytest.mark.parametrize("missing", ["session", "messages", "requirements", "maturity", "prd", "stories"])
async def test_broken_off_on_a_cluster_it_is_repeated(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis, missing: str
) -> None:
    """There a session is written key by key, itself last: as long as it is missing, what is there is a beginning."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    before = _in_utc(await everything(focal_redis))
    await focal_redis.delete("ideation:session:a", f"ideation:{missing}:a", "ideation:user_sessions:ada")
    assert {Outcome.WRITTEN: 1} == (await exported(legacy, tenant)).sessions
    assert before == _in_utc(await everything(focal_redis))


async def test_what_is_left_of_another_session_is_refused(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """What belongs to no session, and is not what would be written."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    await focal_redis.flushdb()
    await focal_redis.rpush("ideation:messages:a", json.dumps(OldSession("a").messages[0]))
    report = await exported(legacy, tenant)
    assert {Outcome.CONFLICT: 1} == report.sessions
    assert 1 == await focal_redis.llen("ideation:messages:a")
    assert not await focal_redis.exists("ideation:session:a")


async def test_an_index_of_another_type_is_named_before_anything_is_written(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """It is left as it is."""
    await OldSession("a").put(focal_redis)
    await imported(legacy, tenant)
    await focal_redis.flushdb()
    await focal_redis.set("ideation:user_sessions:ada", "secret")
    report = await exported(legacy, tenant)
    assert {Outcome.FAILED: 1} == report.sessions
    assert "ideation:user_sessions:ada" in report.problems.named[0].reason
    assert [b"ideation:user_sessions:ada"] == await focal_redis.keys("*")


async def test_sessions_that_the_tenant_does_not_have_are_counted(
    legacy: LegacyIdeation, tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """Who goes back finds again what was removed meanwhile."""
    for session_id in ("a", "b", "c"):
        await OldSession(session_id).put(focal_redis)
    await imported(legacy, tenant)
    await PostgresIdeationStores(tenant).sessions.delete("b")
    report = await exported(legacy, tenant)
    assert {"a session there is none of the tenant's, and stays as it is": 1} == report.notes
    assert await focal_redis.exists("ideation:session:b")


async def test_nothing_to_export_is_no_failure(legacy: LegacyIdeation, tenant: PostgresTenant) -> None:
    """The report is empty."""
    report = await exported(legacy, tenant)
    assert (0, {}, {}, False) == (report.total, report.sessions, report.notes, report.failed)
