"""``focal-data audit``: verified, chained and exported, in words and as JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from focal_data.cli.app import app
from focal_data.cli.doctor import Verdict, examine
from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain.audit import TurnRecord
from focal_data.errors import InvalidDataError
from focal_data.migration import runner
from focal_data.settings import Settings
from focal_data.testing.databases import fresh_database, on_server
from focal_data.testing.engines import Engines

KEYS = "first:" + "k" * 40


@pytest.fixture
async def own(focal_engines: Engines, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Settings]:
    """A database of this test alone, which the environment names, with a key."""
    async with fresh_database(focal_engines.admin_url) as url:
        settings = Settings.of(database_url=url, redis_url=focal_engines.redis_url, audit_keys=KEYS)
        await runner.upgrade(settings)
        monkeypatch.setenv("FOCAL_DATA_DATABASE_URL", url)
        monkeypatch.setenv("FOCAL_DATA_REDIS_URL", focal_engines.redis_url)
        monkeypatch.setenv("FOCAL_DATA_AUDIT_KEYS", KEYS)
        yield settings


async def a_session(tenant: Tenant) -> UUID:
    """Three turns."""
    session_id = uuid4()
    for number in (1, 2, 3):
        turn = TurnRecord(session_id=session_id, agent_id=uuid4(), turn_number=number, user_message="hunter2")
        await tenant.audit.save_turn(turn)
    return session_id


async def run(*arguments: object) -> Result:
    """The command, in a thread of its own: it has a loop of its own."""
    import asyncio

    command = ["audit", *map(str, arguments)]
    return await asyncio.to_thread(CliRunner().invoke, app, command, catch_exceptions=False)


async def spoil(settings: Settings, statement: str) -> None:
    """As the owner."""
    await on_server(settings.owner_url().render_as_string(hide_password=False), statement)


@pytest.mark.slow
async def test_verify_tells_what_it_found(own: Settings) -> None:
    """Nothing: exit code 0. Something: 1, and where."""
    async with DataLayer.open(own) as data:
        tenant = data.tenant(uuid4())
        session_id = await a_session(tenant)
    clean = await run("verify")
    assert (0, ["3 rows in 1 chains, 0 of them erased; 0 have no chain", "nothing was found"]) == (
        clean.exit_code,
        clean.output.splitlines(),
    )
    await spoil(own, "UPDATE turn_records SET latency_ms = 9 WHERE turn_number = 2")
    found = await run("verify")
    assert 1 == found.exit_code
    line = found.output.splitlines()[1]
    assert line.startswith(f"changed: tenant {tenant.tenant_id}, chain {session_id}, number 2, turn_records ")
    assert "found: 1 changed" == found.output.splitlines()[-1]
    assert "hunter2" not in found.output
    told = json.loads((await run("verify", "--json")).output)
    assert (False, ["first"], {"changed": 1}) == (told["intact"], told["keys"], told["counts"])
    assert ("changed", 2, str(session_id)) == tuple(
        told["findings"][0][name] for name in ("problem", "sequence", "chain_id")
    )
    assert 0 == (await run("verify", "--tenant", uuid4())).exit_code
    assert 2 == (await run("verify", "--tenant", "nobody")).exit_code


@pytest.mark.slow
async def test_without_keys_it_is_said(own: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By verify and by doctor; rows that exist are chained when keys are set."""
    plain = own.model_copy(update={"audit_keys": None})
    async with DataLayer.open(plain) as data:
        await a_session(data.tenant(uuid4()))
    monkeypatch.delenv("FOCAL_DATA_AUDIT_KEYS")
    told = await run("verify")
    assert 0 == told.exit_code
    assert told.output.startswith("FOCAL_DATA_AUDIT_KEYS is not set")
    assert "3 have no chain" in told.output
    verdicts = {finding.subject: finding.verdict for finding in await examine(plain)}
    assert Verdict.WARNING is verdicts["audit chain"]
    verdicts = {finding.subject: finding.verdict for finding in await examine(own)}
    assert Verdict.OK is verdicts["audit chain"]
    monkeypatch.setenv("FOCAL_DATA_AUDIT_KEYS", KEYS)
    assert "3 rows chained\n" == (await run("chain")).output
    assert {"chained": 0} == json.loads((await run("chain", "--json")).output)
    assert "3 rows in 1 chains, 0 of them erased; 0 have no chain" in (await run("verify")).output


@pytest.mark.slow
async def test_heads_are_exported_and_compared(own: Settings, tmp_path: Path) -> None:
    """To a file or to the standard output; what they show to be gone is told."""
    async with DataLayer.open(own) as data:
        tenant = data.tenant(uuid4())
        session_id = await a_session(tenant)
    file = tmp_path / "heads.jsonl"
    assert "" == (await run("heads", "--output", file)).output
    assert file.read_text() == (await run("heads")).output
    assert (str(session_id), 3) == tuple(
        json.loads(file.read_text())[name] for name in ("chain_id", "sequence")
    )
    assert "" == (await run("heads", "--tenant", uuid4())).output
    assert 0 == (await run("verify", "--heads", file)).exit_code
    await spoil(own, "DELETE FROM turn_records")
    await spoil(own, "DELETE FROM audit_heads")
    assert 0 == (await run("verify")).exit_code
    missed = await run("verify", "--heads", file)
    assert (1, True) == (missed.exit_code, "behind the export: tenant" in missed.output)


async def test_what_is_no_export_is_refused(own: Settings, tmp_path: Path) -> None:
    """By its line, text or not."""
    file = tmp_path / "heads.jsonl"
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(InvalidDataError, match="line 1: is not an exported head"):
        await run("verify", "--heads", file)


async def test_doctor_names_keys_and_never_shows_them(own: Settings) -> None:
    """Older ones are counted."""
    settings = own.model_copy(update={"audit_keys": SecretStr(f"second:{'n' * 40},{KEYS}")})
    found = [finding for finding in await examine(settings) if finding.subject == "audit chain"]
    assert ["rows are chained with the key second, 1 older to verify"] == [
        finding.detail for finding in found
    ]
