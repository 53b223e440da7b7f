"""``focal-data doctor``: what is right is told, what is wrong is named with what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url

from focal_data.cli.doctor import Finding, Verdict, examine
from focal_data.data_layer import DataLayer
from focal_data.migration import runner
from focal_data.settings import Settings
from focal_data.testing.databases import fresh_database, on_server
from focal_data.testing.engines import Engines


@pytest.fixture
async def own(focal_settings: Settings, focal_engines: Engines) -> AsyncIterator[Settings]:
    """Settings for a database of this test alone, at head, that it may spoil."""
    async with fresh_database(focal_engines.admin_url) as url:
        settings = focal_settings.model_copy(update={"database_url": SecretStr(url)})
        await runner.upgrade(settings)
        yield settings


async def spoil(settings: Settings, statement: str) -> None:
    """Run ``statement`` on the test's own database, as its owner."""
    await on_server(settings.owner_url().render_as_string(hide_password=False), statement)


async def wrong(settings: Settings) -> list[Finding]:
    """What the doctor finds wrong."""
    return [finding for finding in await examine(settings) if finding.verdict is Verdict.WRONG]


async def test_nothing_is_wrong_with_a_database_at_head(focal_settings: Settings) -> None:
    """Every subject has its line."""
    findings = await examine(focal_settings)
    assert [] == [finding for finding in findings if finding.verdict is Verdict.WRONG]
    subjects = {"PostgreSQL", "pgvector", "schema", "service", "tables", "Redis", "Redis memory policy"}
    assert subjects <= {finding.subject for finding in findings}


async def test_behind_a_pooling_proxy_nothing_is_wrong_either(focal_settings: Settings) -> None:
    """There the role is taken in each transaction."""
    assert [] == await wrong(focal_settings.model_copy(update={"transaction_pooling": True}))


async def test_urls_that_are_not_set_are_named() -> None:
    """Both of them."""
    advice = [finding.advice for finding in await wrong(Settings.of())]
    assert ["FOCAL_DATA_DATABASE_URL", "FOCAL_DATA_REDIS_URL"] == [
        line.split()[1].rstrip(";") for line in advice
    ]


async def test_an_empty_database_is_behind(focal_settings: Settings, focal_engines: Engines) -> None:
    """And the way to head is told."""
    async with fresh_database(focal_engines.admin_url) as url:
        findings = await wrong(focal_settings.model_copy(update={"database_url": SecretStr(url)}))
    assert "schema" in {finding.subject for finding in findings}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DROP POLICY tenant_isolation ON rules", "rules: no policy"),
        ("ALTER TABLE rules DISABLE ROW LEVEL SECURITY", "rules: the tenant's policy is altered"),
        ("GRANT DELETE ON turn_records TO focal_app", "turn_records: a grant too many, to DELETE"),
        ("REVOKE INSERT ON rules FROM focal_app", "rules: no grant to INSERT"),
        ("CREATE POLICY open ON rules TO focal_app USING (true)", "rules: an unknown policy, open"),
    ],
)
async def test_a_table_that_is_not_as_it_should_be_is_named(own: Settings, statement: str, told: str) -> None:
    """With its flaw."""
    await spoil(own, statement)
    assert any(finding.detail.startswith(told) for finding in await wrong(own))


async def test_a_table_that_is_open_is_refused_when_opening(own: Settings) -> None:
    """The data layer does not start on it either."""
    await spoil(own, "ALTER TABLE rules DISABLE ROW LEVEL SECURITY")
    with pytest.raises(Exception, match="rules"):
        async with DataLayer.open(own):
            pass


async def test_a_server_that_is_away_is_told_without_its_password(focal_settings: Settings) -> None:
    """For each of the two."""
    urls = {
        "database_url": SecretStr("postgresql://u:geheim@127.0.0.1:1/x"),
        "redis_url": SecretStr("redis://:geheim@127.0.0.1:1"),
    }
    findings = await wrong(focal_settings.model_copy(update=urls | {"redis_timeout": 1.0}))
    assert ["PostgreSQL", "Redis"] == [finding.subject for finding in findings]
    assert "geheim" not in str(findings)


async def test_a_stronger_login_is_a_warning(focal_settings: Settings) -> None:
    """The run's own login may create databases; it could leave the role."""
    if make_url(focal_settings.service_url()).username != "postgres":
        pytest.skip("the login of this run is not a superuser")
    findings = await examine(focal_settings)
    assert Verdict.WARNING in {finding.verdict for finding in findings if finding.subject == "login"}
