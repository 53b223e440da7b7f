"""``focal-data demo``: its options, and what it shows."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from focal_data.cli import INTERRUPTED
from focal_data.cli.demo import ideation as ideation_demo
from focal_data.cli.demo import report
from focal_data.cli.demo.ideation import Backend
from focal_data.cli.demo.plans import shipped_transcripts
from focal_data.cli.demo.running import carry_out, uses_settings
from focal_data.cli.demo.transcripts import Checked, check
from focal_data.cli.models import Vendor, language_model
from focal_data.cli.options import taking
from focal_data.settings import Settings

T = TypeVar("T")

BAD_INPUT = 2


@dataclass(frozen=True, kw_only=True)
class Options:
    """What can be said to the demo."""

    context: typer.Context
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="More transcripts.", show_default=False)
    ] = None
    transcript: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE...",
            help="Your own chat instead of the shipped ones: JSON Lines with role, content and, if you like, user, "
            "channel, timestamp, language; or a list of messages as OpenAI and Anthropic take them.",
            show_default=False,
        ),
    ] = None
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep everything there, and continue there.", show_default=False),
    ] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False
    live: Annotated[
        Vendor | None,
        typer.Option(
            help="Let a model answer the customers, instead of the agent in the transcript; the vendor charges for it.",
            show_default=False,
        ),
    ] = None
    ideation: Annotated[
        bool,
        typer.Option(
            "--ideation", help="A session of the ideation studio instead: killed in the middle, and resumed."
        ),
    ] = False
    backend: Annotated[Backend, typer.Option(help="With --ideation, where it is kept.")] = Backend.ALL

    @property
    def own_transcripts(self) -> list[Path]:
        """Those that were named."""
        return [*(self.transcript or ()), *(self.files or ())]


@taking(Options)
def demo(options: Options) -> None:
    """Carry a real conversation through every store, and ask what came of it.

    Runs on engines of its own, or on those that FOCAL_DATA_DATABASE_URL and FOCAL_DATA_REDIS_URL name.
    """
    started = options.context.obj or perf_counter()
    settings = Settings.load()
    if options.ideation:
        _play(settings, options)
    else:
        _carry(settings, options, started)


def _carry(settings: Settings, options: Options, started: float) -> None:
    data_dir, as_json = options.data_dir, options.as_json
    own_engines = not uses_settings(settings, data_dir)
    llm = None if options.live is None else language_model(options.live, settings)
    transcripts = _checked(options.own_transcripts or shipped_transcripts(), options.live)
    console = Console(highlight=False, quiet=as_json)
    kept = "" if own_engines and data_dir is None else ": run the same again, and it continues"
    with _saying_interrupted(kept), Display(console, own_engines=own_engines) as display:
        facts = _run(carry_out(transcripts, settings, data_dir, display, llm))
    facts = replace(facts, seconds=round(perf_counter() - started, 3))
    if as_json:
        typer.echo(json.dumps(facts.as_json(), indent=2))
    else:
        report.show(facts, console, data_dir, own_engines=own_engines)


def _play(settings: Settings, options: Options) -> None:
    if options.own_transcripts or options.live:
        raise typer.BadParameter("--ideation has words of its own: leave out transcripts and --live")
    with _saying_interrupted():
        played = _run(ideation_demo.play(settings, options.data_dir, options.backend))
    if options.as_json:
        typer.echo(json.dumps(ideation_demo.as_json(played), indent=2))
    else:
        ideation_demo.show(played, Console(highlight=False))


@contextmanager
def _saying_interrupted(more: str = "") -> Iterator[None]:
    """Ctrl-C ends the command with a line and its exit code."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"Interrupted{more}.", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _checked(paths: list[Path], live: Vendor | None) -> list[Checked]:
    """What is known about the files; ends with exit code 2 when one of them is bad."""
    transcripts = [check(path) for path in paths]
    complaints = [complaint for checked in transcripts for complaint in checked.complaints()]
    complaints += [
        f"{checked.path}: no customer speaks in it, so there is nothing to answer"
        for checked in transcripts
        if live and checked.messages and not checked.customers
    ]
    names = Counter(path.stem for path in paths)
    complaints += [
        f"{path}: another file has this name, and a tenant is named by it"
        for path in paths
        if names[path.stem] > 1
    ]
    for complaint in complaints:
        typer.echo(complaint, err=True)
    if complaints:
        typer.echo("Nothing was stored.", err=True)
        raise typer.Exit(BAD_INPUT)
    return transcripts


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        import uvloop
    except ModuleNotFoundError:
        return asyncio.run(work)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


class Display:
    """What is seen while the demo runs: a line about the engines, and a bar for each transcript on a terminal."""

    def __init__(self, console: Console, *, own_engines: bool) -> None:
        errors = Console(stderr=True)
        self._console = console
        self._own_engines = own_engines
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=errors,
            disable=not errors.is_terminal,
        )
        self._task = self._progress.add_task("Starting the engines", total=None)

    def opened(self, engines: dict[str, str]) -> None:
        self._progress.update(self._task, visible=False)
        whose = "its own" if self._own_engines else "from FOCAL_DATA_DATABASE_URL and FOCAL_DATA_REDIS_URL"
        self._console.print(
            f"PostgreSQL {engines['postgresql']} with pgvector {engines['pgvector']}, Redis: {engines['redis']} "
            f"({whose}); migrated to head as the owner, running as {engines['role']}.",
            soft_wrap=True,
        )
        if "model" in engines:
            self._console.print(f"{engines['model']} answers the customers.", soft_wrap=True)

    def begins(self, name: str, messages: int) -> None:
        self._task = self._progress.add_task(report.plain(name, 30).plain, total=messages)

    def advanced(self) -> None:
        self._progress.advance(self._task)

    def __enter__(self) -> Display:
        self._progress.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()
