"""``focal-data ideation``: what it tells, how it ends, and that it may be killed and run again."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from focal_data.cli import main
from focal_data.data_layer import PostgresDataLayer, PostgresTenant
from focal_data.repositories.ideation_archive import IdeationArchives
from focal_data.settings import Settings
from tests.integration.operations.old_studio import OldSession, everything

Result = subprocess.CompletedProcess[str]
Command = Callable[..., Awaitable[Result]]


@pytest.fixture
def environment(focal_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """That of a service: no owner's URL; in an empty folder."""
    for name in [name for name in os.environ if name.startswith(("FOCAL_DATA_", "POSTGRES_", "IDEATION_"))]:
        monkeypatch.delenv(name)
    url = focal_settings.service_url().render_as_string(hide_password=False)
    monkeypatch.setenv("FOCAL_DATA_DATABASE_URL", url)
    monkeypatch.setenv("FOCAL_DATA_REDIS_URL", focal_settings.sessions_url())
    monkeypatch.setenv("FOCAL_DATA_APP_ROLE", focal_settings.app_role)
    monkeypatch.chdir(tmp_path)
    return dict(os.environ)


@pytest.fixture
def command(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line without a terminal, in a thread of this process."""

    def run(arguments: tuple[str, ...]) -> Result:
        out, err = StringIO(), StringIO()
        monkeypatch.setattr(sys, "argv", ["focal-data", "ideation", *arguments])
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main.run()
        code = ended.value.code
        return Result(arguments, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    return lambda *arguments: asyncio.to_thread(run, arguments)


@pytest.fixture
def tenant(focal_data_layer: PostgresDataLayer) -> PostgresTenant:
    """A tenant of this test alone."""
    return focal_data_layer.tenant(uuid4())


@pytest.fixture
def named(tenant: PostgresTenant) -> tuple[str, str]:
    """As the command line names it."""
    return "--tenant", str(tenant.tenant_id)


async def test_an_import_tells_what_it_did(
    command: Command, named: tuple[str, str], focal_redis: Redis
) -> None:
    """In words, and ends with 0; a second one changes nothing."""
    await OldSession("a").put(focal_redis)
    result = await command("import-redis", *named)
    told = "imported: 1 sessions\nwith them: 3 of messages, 2 of requirements, 1 of maturity, 1 of drafts, 2 of stories\n"
    assert (0, told, "") == (result.returncode, result.stdout, result.stderr)
    result = await command("import-redis", *named)
    assert (0, "unchanged: 1 sessions\n") == (result.returncode, result.stdout)


async def test_a_dry_run_tells_what_would_be_done(
    command: Command, named: tuple[str, str], tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """And does nothing of it."""
    await OldSession("a").put(focal_redis)
    result = await command("import-redis", *named, "--dry-run", "--verbose")
    assert (0, "would import: 1 sessions") == (result.returncode, result.stdout.splitlines()[0])
    assert "would import: 'a'\n" == result.stderr
    assert 0 == await IdeationArchives(tenant).count()
    result = await command("export-redis", *named, "--dry-run")
    assert (0, "there are no sessions\n") != (1, result.stdout)


async def test_a_report_is_one_json_object(
    command: Command, named: tuple[str, str], focal_redis: Redis
) -> None:
    """With what failed by key and reason, and exit code 1."""
    await OldSession("a").put(focal_redis)
    await OldSession("b").put(focal_redis)
    await focal_redis.set("ideation:prd:b", "secret")
    await focal_redis.set("ideation:prd:gone", "secret")
    result = await command("import-redis", *named, "--json")
    assert (1, "") == (result.returncode, result.stderr)
    report = json.loads(result.stdout)
    assert ("import", named[1], False, True, 2) == tuple(
        report[name] for name in ("action", "tenant_id", "dry_run", "complete", "total")
    )
    expected = {"written": 1, "replaced": 0, "unchanged": 0, "skipped": 0, "conflict": 0, "failed": 1}
    assert expected == report["sessions"]
    problem = {"key": "ideation:prd:b", "reason": "it is not JSON in UTF-8"}
    assert {"count": 1, "named": [problem]} == report["problems"]
    assert ["ideation:prd:gone"] == [remark["key"] for remark in report["remarks"]["named"]]


async def test_what_fails_is_told_as_it_comes(
    command: Command, named: tuple[str, str], focal_redis: Redis
) -> None:
    """On the standard error, without what is in it."""
    await OldSession("a").put(focal_redis)
    await focal_redis.set("ideation:maturity:a", "[bold]secret")
    result = await command("import-redis", *named)
    assert (1, "failed: 1 sessions\n") == (result.returncode, result.stdout)
    assert "ideation:maturity:a: it is not JSON in UTF-8\n" == result.stderr


async def test_there_and_back(
    command: Command, named: tuple[str, str], tenant: PostgresTenant, focal_redis: Redis
) -> None:
    """What is there already and differs is refused, passed over or replaced, as is said."""
    await OldSession("a").put(focal_redis)
    await command("import-redis", *named)
    await focal_redis.flushdb()
    result = await command("export-redis", *named, "--verbose")
    assert (0, "exported: 'a'\n") == (result.returncode, result.stderr)
    before = await everything(focal_redis)
    await focal_redis.rpop("ideation:messages:a")
    assert 1 == (await command("export-redis", *named)).returncode
    assert 1 == (await command("import-redis", *named)).returncode
    skipped = await command("export-redis", *named, "--skip-existing")
    assert (0, "skipped: 1 sessions\n") == (skipped.returncode, skipped.stdout)
    replaced = await command("export-redis", *named, "--overwrite")
    assert (0, "replaced: 1 sessions") == (replaced.returncode, replaced.stdout.splitlines()[0])
    assert before == await everything(focal_redis)
    assert "unchanged: 1 sessions\n" == (await command("import-redis", *named)).stdout


@pytest.mark.parametrize("action", ["import-redis", "export-redis"])
async def test_what_makes_no_sense_is_refused(command: Command, named: tuple[str, str], action: str) -> None:
    """With exit code 2."""
    both = await command(action, *named, "--skip-existing", "--overwrite")
    assert (2, True) == (both.returncode, "opposite" in both.stderr)
    assert 2 == (await command(action)).returncode
    assert 2 == (await command(action, "--tenant", "nobody")).returncode
    nil = await command(action, "--tenant", str(UUID(int=0)))
    assert (2, "focal-data: the nil UUID is no tenant\n") == (nil.returncode, nil.stderr)


async def test_a_missing_setting_is_named(
    command: Command, named: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 2."""
    monkeypatch.delenv("FOCAL_DATA_REDIS_URL")
    result = await command("import-redis", *named)
    assert (2, True) == (result.returncode, "FOCAL_DATA_REDIS_URL" in result.stderr)


async def test_a_server_that_is_not_there_is_told(
    command: Command, named: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With exit code 1."""
    monkeypatch.setenv("FOCAL_DATA_REDIS_URL", "unix:///nowhere/redis.sock")
    monkeypatch.setenv("FOCAL_DATA_REDIS_TIMEOUT", "0.2")
    result = await command("import-redis", *named)
    assert (1, "") == (result.returncode, result.stdout)
    assert result.stderr.startswith("focal-data: Redis ")


def _started(
    environment: dict[str, str], *arguments: str, terminal: int | None = None
) -> subprocess.Popen[str]:
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    program += "from focal_data.cli.main import run; run()"
    return subprocess.Popen(
        [sys.executable, "-c", program, "ideation", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if terminal is None else terminal,
        text=True,
    )


async def _when_begun(tenant: PostgresTenant, process: subprocess.Popen[str]) -> None:
    """Return when something is imported, and not everything."""
    while not await IdeationArchives(tenant).count():
        assert process.poll() is None
        await asyncio.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM], ids=lambda sent: sent.name)
async def test_a_run_may_end_at_any_moment(
    environment: dict[str, str],
    command: Command,
    named: tuple[str, str],
    tenant: PostgresTenant,
    focal_redis: Redis,
    sent: signal.Signals,
) -> None:
    """What is there then is whole, and the same command brings the rest; interrupted, it tells how far it got."""
    sessions = 200
    for number in range(sessions):
        await OldSession(f"s{number}", message_count=30).put(focal_redis)
    process = _started(environment, "import-redis", *named, "--json")
    await _when_begun(tenant, process)
    process.send_signal(sent)
    out, _ = await asyncio.to_thread(process.communicate)
    assert (130 if sent is signal.SIGINT else -sent) == process.returncode
    archives = IdeationArchives(tenant)
    ids = await archives.ids()
    assert 0 < len(ids) < sessions
    for session_id in ids:
        archive = await archives.get(session_id)
        assert archive is not None
        assert {"messages": 30, "requirements": 2, "maturity": 1, "drafts": 1, "stories": 2} == archive.counts
    if sent is signal.SIGINT:
        report = json.loads(out)
        assert (False, sessions) == (report["complete"], report["total"])
        assert report["sessions"]["written"] in (len(ids), len(ids) - 1)  # a COMMIT may be under way
    report = json.loads((await command("import-redis", *named, "--json")).stdout)
    assert (len(ids), sessions - len(ids)) == (report["sessions"]["unchanged"], report["sessions"]["written"])


@pytest.mark.slow
async def test_a_bar_is_shown_at_a_terminal(
    environment: dict[str, str], named: tuple[str, str], focal_redis: Redis
) -> None:
    """Beside the lines, and nothing of it on the standard output."""
    for number in range(200):
        await OldSession(f"s{number}").put(focal_redis)
    await focal_redis.set("ideation:maturity:s7", "{")
    master, slave = pty.openpty()
    with _started({**environment, "TERM": "xterm"}, "import-redis", *named, terminal=slave) as process:
        os.close(slave)
        out, shown = await asyncio.gather(
            asyncio.to_thread(process.stdout.read),  # type: ignore[union-attr]
            asyncio.to_thread(_read, master),
        )
    assert 1 == process.wait()
    assert "import sessions" in shown
    assert "/200" in shown
    assert "ideation:maturity:s7: it is not JSON in UTF-8" in shown
    assert out.startswith("imported: 199 sessions\n")


def _read(terminal: int) -> str:
    """Everything until the other side is closed."""
    found = b""
    time.sleep(0.1)
    while True:
        try:
            part = os.read(terminal, 4096)
        except OSError:
            part = b""
        if not part:
            os.close(terminal)
            return found.decode(errors="replace")
        found += part
