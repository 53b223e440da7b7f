"""``focal-data memory``: what it tells and does, and that a process that is killed anywhere goes on with the next."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from focal_data.data_layer import DataLayer
from focal_data.domain.embedding import Embedding
from focal_data.domain.memory import Episode
from focal_data.ids import new_id
from focal_data.settings import Settings
from tests.integration.cli.test_operating import Command, Result, command, environment, process
from tests.integration.operations.embedded import ALL, FOUND, NEW, NOTHING, OLD, World, a_world, staged

__all__ = ["command", "environment"]

MODEL = """
import os, signal
from focal_data.operations import reembedding
from focal_data.providers.embedding.fake import FakeEmbeddingProvider

PLACE, _, NUMBER = os.environ.get("KILLED_AT", "").partition(":")
seen = 0

def passed(place):
    global seen
    if place == PLACE:
        if seen == int(NUMBER):
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

class Mortal(FakeEmbeddingProvider):
    async def embed_batch(self, texts):
        passed("embed")
        return await super().embed_batch(texts)

def wrapped(name):
    method = getattr(reembedding._Run, name)
    async def then(self, *arguments, **options):
        passed(name)
        result = await method(self, *arguments, **options)
        passed("after" + name)
        return result
    setattr(reembedding._Run, name, then)

for name in ("_keep", "_put", "_cut_over"):
    wrapped(name)

def new():
    return Mortal(24, model_id="new-model")

def old():
    return FakeEmbeddingProvider(16, model_id="old-model")
"""


@pytest.fixture
async def world(data: DataLayer) -> World:
    return await a_world(data, new_id())


@pytest.fixture(autouse=True)
def own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_model.py").write_text(MODEL)
    monkeypatch.delitem(sys.modules, "own_model", raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])


def asked(result: Result) -> dict[str, object]:
    """The only receipt."""
    assert (0, "") == (result.returncode, result.stderr)
    (receipt,) = json.loads(result.stdout)["receipts"]
    return receipt  # type: ignore[no-any-return]


@pytest.mark.slow
async def test_the_dry_run_and_the_run(command: Command, world: World, focal_settings: Settings) -> None:
    """The receipt in words and as JSON; nothing is written before the run."""
    arguments = ("memory", "reembed", "--model", "own_model:new", "--tenant", str(world.tenant_id))
    told = await command(*arguments, "--dry-run")
    assert f"tenant {world.tenant_id}, new-model:" == told.stdout.splitlines()[0]
    assert [f"  would embed {count} of {kind}" for kind, count in ALL.items()] == told.stdout.splitlines()[
        1:6
    ]
    assert (FOUND, 0) == (await world.found(OLD), await staged(focal_settings, world.tenant_id))
    planned = asked(await command(*arguments, "--dry-run", "--json"))
    done = asked(await command(*arguments, "--json", "--batch-size", "3", "--rate", "1000000"))
    assert (ALL, ALL, planned["tokens"]) == (planned["counts"], done["counts"], done["tokens"])
    assert (NOTHING, FOUND) == (await world.found(OLD), await world.found(NEW))


async def test_all_tenants(
    command: Command, focal_fresh_database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt for each; once done there is nothing to embed."""
    url = focal_fresh_database.owner_url().render_as_string(hide_password=False)
    monkeypatch.setenv("FOCAL_DATA_MIGRATION_URL", url)
    async with DataLayer.open(focal_fresh_database) as data:
        worlds = [await a_world(data, new_id()) for _ in range(2)]
    result = await command("memory", "reembed", "--model", "own_model:new", "--json")
    ids = {receipt["tenant_id"] for receipt in json.loads(result.stdout)["receipts"]}
    assert {str(world.tenant_id) for world in worlds} == ids
    again = await command("memory", "reembed", "--model", "own_model:new")
    assert (0, "there is nothing to embed\n") == (again.returncode, again.stdout)


@pytest.mark.slow
async def test_missing_ones_are_filled(command: Command, world: World) -> None:
    """By the model of the others; by another it is refused, with exit code 1."""
    await world.tenant.memory.add_episode(Episode(agent_id=world.agent_id, content="bare"))
    arguments = ("memory", "fill", "--tenant", str(world.tenant_id), "--json")
    refused = await command(*arguments, "--model", "own_model:new")
    assert (1, True) == (refused.returncode, "another model" in refused.stderr)
    assert {"episodes": 1} == asked(await command(*arguments, "--model", "own_model:old"))["counts"]
    assert FOUND | {"episodes": 8} == await world.found(OLD)


@pytest.mark.parametrize(
    "model",
    ["", "gpt-4", "text-embedding-3-small@many", "no_module:name", "own_model:nothing", "own_model:os"],
)
async def test_a_model_that_is_none(command: Command, model: str) -> None:
    """Exit code 2."""
    result = await command("memory", "reembed", "--model", model, "--tenant", str(uuid4()))
    assert (2, True) == (result.returncode, result.stderr.startswith("focal-data: "))


@pytest.mark.parametrize(
    "option", [("--batch-size", "0"), ("--rate", "0"), ("--rate", "-1"), ("--tenant", "7")]
)
async def test_a_wrong_option(command: Command, option: tuple[str, str]) -> None:
    """Exit code 2."""
    assert 2 == (await command("memory", "reembed", "--model", "own_model:new", *option)).returncode


async def test_episodes_are_loaded_from_a_file(command: Command, world: World, tmp_path: Path) -> None:
    """A JSON object a line, as the domain writes them; blank lines are passed over."""
    some = [
        Episode(agent_id=world.agent_id, content=f"line {n}", embedding=Embedding([1.0, n], model="m"))
        for n in range(5)
    ]
    file = tmp_path / "episodes.jsonl"
    file.write_text("\n\n".join(episode.model_dump_json() for episode in some))
    arguments = ("memory", "load", str(file), "--tenant", str(world.tenant_id))
    result = await command(*arguments)
    assert (0, "loaded 5 of episodes\n") == (result.returncode, result.stdout)
    assert 12 == len((await world.tenant.memory.get_episodes()).items)
    again = await command(*arguments, "--json")
    assert (1, True) == (again.returncode, "[0]" in again.stderr)


async def test_a_line_that_is_no_episode_is_named(command: Command, world: World, tmp_path: Path) -> None:
    """By its number and field, without what it holds; nothing is loaded."""
    good = Episode(agent_id=world.agent_id, content="good").model_dump_json()
    file = tmp_path / "episodes.jsonl"
    file.write_text(f'{good}\n{{"content": "a secret", "agent_id": "a secret"}}\n')
    result = await command("memory", "load", str(file), "--tenant", str(world.tenant_id))
    assert (2, True, False) == (
        result.returncode,
        "line 2: agent_id" in result.stderr,
        "secret" in result.stderr,
    )
    assert 7 == len((await world.tenant.memory.get_episodes()).items)


PLACES = [
    "embed:0",
    "embed:3",
    "_keep:2",
    "after_keep:0",
    "_cut_over:0",
    "_put:0",
    "_put:3",
    "after_put:4",
    "after_cut_over:0",
]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
async def test_killed_it_goes_on(
    environment: dict[str, str], world: World, focal_settings: Settings, place: str
) -> None:
    """By SIGKILL, in a batch, in the cut-over, after it: searches are complete, and the next run ends it."""
    line = (
        "memory",
        "reembed",
        "--model",
        "own_model:new",
        "--tenant",
        str(world.tenant_id),
        "--batch-size",
        "3",
        "--json",
    )
    killed = await asyncio.to_thread(process, environment | {"KILLED_AT": place}, *line)
    assert -signal.SIGKILL == killed.returncode
    through = place == "after_cut_over:0"
    assert ((NOTHING, FOUND) if through else (FOUND, NOTHING)) == (
        await world.found(OLD),
        await world.found(NEW),
    )
    kept = await staged(focal_settings, world.tenant_id)
    for _ in range(20):  # until the server has seen that the lock's owner is gone
        again = await asyncio.to_thread(process, environment, *line)
        if "another operator" not in again.stderr:
            break
    assert ({} if through else ALL) == asked(again)["counts"]
    assert (NOTHING, FOUND) == (await world.found(OLD), await world.found(NEW))
    assert await world.exact(NEW)
    assert 0 == await staged(focal_settings, world.tenant_id)
    expected = {"embed:0": 0, "embed:3": 7, "_keep:2": 6, "after_keep:0": 3, "after_cut_over:0": 0}
    assert expected.get(place, sum(ALL.values())) <= kept


@pytest.mark.slow
async def test_a_load_that_is_killed_leaves_nothing(
    environment: dict[str, str], world: World, tmp_path: Path
) -> None:
    """In the middle of its file, batches of which are sent already."""
    pipe = tmp_path / "episodes"
    os.mkfifo(pipe)
    line = [
        sys.executable,
        "-m",
        "focal_data.cli.main",
        "memory",
        "load",
        str(pipe),
        "--tenant",
        str(world.tenant_id),
    ]

    def killed() -> int:
        with subprocess.Popen(line, env=environment) as running, pipe.open("w") as file:
            for number in range(5000):
                file.write(Episode(agent_id=world.agent_id, content=f"{number}").model_dump_json() + "\n")
            running.kill()
        return running.returncode

    assert -signal.SIGKILL == await asyncio.to_thread(killed)
    assert 7 == len((await world.tenant.memory.get_episodes(limit=1000)).items)
