"""``focal-data customer`` and ``focal-data tenant``: what they tell, ask and remove, and how they end."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from focal_data.cli import main
from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.domain.session import Session
from focal_data.ids import TenantId
from focal_data.settings import Settings

Result = subprocess.CompletedProcess[str]
Command = Callable[..., Awaitable[Result]]


@pytest.fixture
def environment(focal_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """That of an operator: the owner's URL, and no service's; in an empty folder."""
    for name in [name for name in os.environ if name.startswith("FOCAL_DATA_")]:
        monkeypatch.delenv(name)
    url = focal_settings.owner_url().render_as_string(hide_password=False)
    monkeypatch.setenv("FOCAL_DATA_MIGRATION_URL", url)
    monkeypatch.setenv("FOCAL_DATA_REDIS_URL", focal_settings.sessions_url())
    monkeypatch.setenv("FOCAL_DATA_APP_ROLE", focal_settings.app_role)
    monkeypatch.chdir(tmp_path)
    return dict(os.environ)


@pytest.fixture
def command(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line without a terminal, in a thread of this process: starting one takes longer than the command."""

    def run(arguments: tuple[str, ...]) -> Result:
        out, err = StringIO(), StringIO()
        monkeypatch.setattr(sys, "argv", ["focal-data", *arguments])
        monkeypatch.setattr(sys, "stdin", StringIO())
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
            main.run()
        code = ended.value.code
        return Result(arguments, code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())

    return lambda *arguments: asyncio.to_thread(run, arguments)


def process(environment: dict[str, str], *arguments: str, stdin: int = subprocess.DEVNULL) -> Result:
    """A process of its own."""
    line = [sys.executable, "-m", "focal_data.cli.main", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment, stdin=stdin)


def answering(environment: dict[str, str], answer: str, *arguments: str) -> Result:
    """At a terminal, where somebody types ``answer``."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        return process(environment, *arguments, stdin=theirs)
    finally:
        os.close(ours)
        os.close(theirs)


@dataclass(frozen=True)
class Somebody:
    tenant_id: TenantId
    profile: CustomerProfile

    @property
    def named(self) -> tuple[str, ...]:
        return str(self.profile.id), "--tenant", str(self.tenant_id)


@pytest.fixture
async def somebody(data: DataLayer) -> Somebody:
    """A customer with a session."""
    tenant = data.tenant(uuid4())
    agent = await tenant.config.save_agent(Agent(name="Ada"))
    profile = await tenant.profiles.get_or_create(Channel.WEBCHAT, "u-1", "customer-1")
    await tenant.sessions.save(
        Session(agent_id=agent.id, channel=Channel.WEBCHAT, channel_user_id="u-1", variables={"a": "ü"})
    )
    return Somebody(tenant.tenant_id, profile)


KNOWN = {"channel_identities": 1, "customer_profiles": 1, "sessions": 1}


async def is_there(data: DataLayer, somebody: Somebody) -> bool:
    return await data.tenant(somebody.tenant_id).profiles.get_by_id(somebody.profile.id) is not None


async def test_an_export_is_json(command: Command, somebody: Somebody) -> None:
    """On standard output, and nothing else; in signs that every encoding has."""
    result = await command("customer", "export", *somebody.named)
    assert (0, "", True) == (result.returncode, result.stderr, result.stdout.isascii())
    found = json.loads(result.stdout)
    assert KNOWN == {kind: len(records) for kind, records in found["records"].items()}
    assert {"a": "ü"} == found["records"]["sessions"][0]["variables"]


async def test_an_export_into_a_file(command: Command, somebody: Somebody, tmp_path: Path) -> None:
    """It is a new one, for its owner's eyes, and the counts are printed."""
    arguments = ("customer", "export", *somebody.named, "--output", "person.json")
    result = await command(*arguments, "--json")
    assert (0, KNOWN) == (result.returncode, json.loads(result.stdout))
    file = tmp_path / "person.json"
    assert str(somebody.profile.id) in json.loads(file.read_text())["profile_ids"]
    assert 0o600 == file.stat().st_mode & 0o777
    again = await command(*arguments)
    assert (1, "focal-data: File exists\n") == (again.returncode, again.stderr)


async def test_a_dry_run_of_an_export_counts_and_writes_nothing(
    command: Command, somebody: Somebody, tmp_path: Path
) -> None:
    """The counts are those of the export."""
    arguments = ("customer", "export", *somebody.named, "--output", "person.json", "--dry-run", "--json")
    result = await command(*arguments)
    assert (0, KNOWN) == (result.returncode, json.loads(result.stdout))
    assert not (tmp_path / "person.json").exists()


async def test_a_dry_run_tells_and_changes_nothing(
    command: Command, somebody: Somebody, data: DataLayer
) -> None:
    """In words, or as the receipt."""
    result = await command("customer", "erase", *somebody.named, "--dry-run")
    assert (0, [f"would remove 1 of {kind}" for kind in KNOWN]) == (
        result.returncode,
        result.stdout.splitlines(),
    )
    receipt = json.loads((await command("customer", "erase", *somebody.named, "--dry-run", "--json")).stdout)
    assert (KNOWN, True) == (receipt["counts"], receipt["dry_run"])
    assert await is_there(data, somebody)


async def test_an_erasure_unasked(command: Command, somebody: Somebody, data: DataLayer) -> None:
    """Gives the receipt; a second time there is nobody, and exit code 1."""
    receipt = json.loads((await command("customer", "erase", *somebody.named, "--yes", "--json")).stdout)
    assert (KNOWN, [str(somebody.profile.id)]) == (receipt["counts"], receipt["profile_ids"])
    assert not await is_there(data, somebody)
    again = await command("customer", "erase", *somebody.named, "--yes")
    assert (1, "focal-data: CustomerProfile: not found\n") == (again.returncode, again.stderr)


async def test_without_a_terminal_it_does_not_ask(
    command: Command, somebody: Somebody, data: DataLayer
) -> None:
    """It refuses, with exit code 2, and names the two ways."""
    result = await command("customer", "erase", *somebody.named)
    assert 2 == result.returncode
    assert "--yes" in result.stderr
    assert await is_there(data, somebody)


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "code", "there"), [("n", 1, True), ("y", 0, False)])
async def test_at_a_terminal_it_asks(
    environment: dict[str, str], somebody: Somebody, data: DataLayer, answer: str, code: int, there: bool
) -> None:
    """After telling what would go, on standard error; no is exit code 1."""
    result = answering(environment, answer, "customer", "erase", *somebody.named, "--json")
    assert (code, there) == (result.returncode, await is_there(data, somebody))
    assert "would remove 1 of customer_profiles\n" in result.stderr
    assert "Remove this person for good?" in result.stderr
    assert there == (result.stdout.strip() == "")


async def test_a_tenant_is_deleted(command: Command, somebody: Somebody, data: DataLayer) -> None:
    """Counted first, then gone; a second time nothing is left, which is no error."""
    every = KNOWN | {"agents": 1}
    planned = json.loads(
        (await command("tenant", "delete", str(somebody.tenant_id), "--dry-run", "--json")).stdout
    )
    assert (every, True) == (planned["counts"], await is_there(data, somebody))
    done = json.loads((await command("tenant", "delete", str(somebody.tenant_id), "--yes", "--json")).stdout)
    assert (every, False) == (done["counts"], await is_there(data, somebody))
    again = await command("tenant", "delete", str(somebody.tenant_id), "--yes")
    assert (0, "removed nothing\n") == (again.returncode, again.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenant", "delete", "no-uuid"),
        ("tenant", "delete", str(UUID(int=0)), "--yes"),
        ("tenant", "delete", str(uuid4()), "--yes", "--import", "no.such_module"),
        ("tenant", "delete", str(uuid4()), "--yes", "--import", ""),
        ("tenant", "delete", str(uuid4()), "--yes", "--import", ".relative"),
        ("tenant", "delete", str(uuid4()), "--yes", "--import", "my_app/tables.py"),
    ],
)
async def test_wrong_input_is_exit_code_2(command: Command, arguments: tuple[str, ...]) -> None:
    """A tenant that is none, or a module that is not there."""
    assert 2 == (await command(*arguments)).returncode


@pytest.mark.slow
async def test_modules_are_found_where_the_command_is_run(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """So that tables of one's own are known."""
    (tmp_path / "own_tables.py").write_text("print('imported')\n")
    result = process(environment, "tenant", "delete", str(uuid4()), "--dry-run", "--import", "own_tables")
    assert (0, "imported\nwould remove nothing\n") == (result.returncode, result.stdout)
