"""``focal-data memory``: episodes loaded from a file, and embeddings made anew, filled in or counted, as the owner."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from focal_data.cli.operating import Json, import_tables, operate
from focal_data.cli.options import taking
from focal_data.domain.checking import first_problem
from focal_data.domain.memory import Episode
from focal_data.errors import InvalidDataError, UsageError
from focal_data.operations.operator import Operator
from focal_data.operations.reembedding import EmbeddingJob, Pace, ReembeddingReceipt
from focal_data.operations.reembedding import Progress as Told
from focal_data.providers.embedding.base import EmbeddingProvider
from focal_data.providers.embedding.local import LocalEmbeddingProvider
from focal_data.providers.embedding.openai import OpenAIEmbeddingProvider
from focal_data.repositories.reembedding import ToEmbed
from focal_data.settings import Settings

memory = typer.Typer(
    name="memory",
    help="Load episodes, and make embeddings anew, as the owner of the tables.",
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True)
class Filling:
    """What can be said to ``fill``."""

    model: Annotated[
        str,
        typer.Option(
            help="An OpenAI model (text-embedding-3-small, text-embedding-3-large@1024), local,"
            " or module:name of an EmbeddingProvider of your own."
        ),
    ]
    tenant: Annotated[UUID | None, typer.Option("--tenant", help="Only this tenant.")] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the texts, estimate their tokens, and stop.")
    ] = False
    batch_size: Annotated[int, typer.Option(help="Texts that are handed to the model together.")] = 256
    rate: Annotated[float | None, typer.Option(help="Texts a minute, at most.")] = None
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Go on without the texts that the model refuses.")
    ] = False
    as_json: Json = False

    def job(self, which: ToEmbed) -> EmbeddingJob:
        """``which`` texts, as these say."""
        return EmbeddingJob(
            which=which,
            batch_size=self.batch_size,
            pace=Pace(self.rate),
            skip_refused=self.skip_refused,
        )


@dataclass(frozen=True, kw_only=True)
class Reembedding(Filling):
    """What can be said to ``reembed``."""

    missing: Annotated[
        bool, typer.Option("--missing", help="Also what has no embedding, with those of other models.")
    ] = False


@memory.command()
@taking(Reembedding)
def reembed(options: Reembedding) -> None:
    """Make all embeddings of other models anew by --model: of one tenant, or of all. Interrupted, run it again."""
    _embed(options, ToEmbed.ALL if options.missing else ToEmbed.OTHER)


@memory.command()
@taking(Filling)
def fill(options: Filling) -> None:
    """Embed what has no embedding, by the model that the others have. Interrupted, run it again."""
    _embed(options, ToEmbed.MISSING)


@memory.command()
def load(
    file: Annotated[
        Path, typer.Argument(help="Episodes, one JSON object a line.", exists=True, dir_okay=False)
    ],
    tenant: Annotated[UUID, typer.Option("--tenant", help="Whose they are.")],
    as_json: Json = False,
) -> None:
    """Store the episodes of a file: all of them, or none."""
    count = operate(tenant, [], lambda of: of.load_episodes(_episodes(file)))
    typer.echo(json.dumps({"loaded": count}) if as_json else f"loaded {count} of episodes")


def embedding_provider(name: str, settings: Settings) -> EmbeddingProvider:
    """The provider that ``--model`` names. ``UsageError`` when there is none of that name."""
    if ":" in name:
        return _own(name)
    local = LocalEmbeddingProvider()
    if name in ("local", local.model_id):
        return local
    if not name.startswith("text-embedding-"):
        raise UsageError("--model: must be one of OpenAI's (text-embedding-…), local, or module:name")
    vendors, _, dimensions = name.partition("@")
    if dimensions and not (dimensions.isascii() and dimensions.isdigit()):
        raise UsageError("--model: behind @ must be the number of dimensions")
    return OpenAIEmbeddingProvider(
        vendors, dimensions=int(dimensions) if dimensions else None, settings=settings
    )


def _own(name: str) -> EmbeddingProvider:
    """``module:name`` of a provider, or of what makes one."""
    module, _, attribute = name.partition(":")
    import_tables([module])
    made = getattr(import_module(module), attribute, None)
    provider = made if isinstance(made, EmbeddingProvider) or not callable(made) else made()
    if not isinstance(provider, EmbeddingProvider):
        raise UsageError(f"--model {name}: is no EmbeddingProvider, and makes none")
    return provider


def _embed(options: Filling, which: ToEmbed) -> None:
    job, dry_run = options.job(which), options.dry_run

    async def run(tell: Told) -> list[ReembeddingReceipt]:
        settings = Settings.load()
        async with embedding_provider(options.model, settings) as provider, Operator.open(settings) as op:
            if options.tenant is None:
                return await op.reembed(provider, job, progress=tell, dry_run=dry_run)
            return [await op.tenant(options.tenant).reembed(provider, job, progress=tell, dry_run=dry_run)]

    receipts = _with_progress(run)
    if options.as_json:
        typer.echo(json.dumps({"receipts": [receipt.model_dump(mode="json") for receipt in receipts]}))
        return
    for receipt in receipts:
        for line in _told(receipt):
            typer.echo(line)
    if not receipts:
        typer.echo("there is nothing to embed")


def _with_progress(work: Callable[[Told], Awaitable[list[ReembeddingReceipt]]]) -> list[ReembeddingReceipt]:
    """What ``work`` gives, with a bar on the standard error where that is a terminal; it begins anew with each tenant."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=Console(stderr=True), disable=not Console(stderr=True).is_terminal
    ) as bar:
        task = bar.add_task("embedding", total=None)

        async def run() -> list[ReembeddingReceipt]:
            return await work(lambda done, total: bar.update(task, completed=done, total=total))

        return asyncio.run(run())


def _told(receipt: ReembeddingReceipt) -> Iterator[str]:
    verb, tokens = ("would embed", "about ") if receipt.dry_run else ("embedded", "about ")
    yield f"tenant {receipt.tenant_id}, {receipt.model}:"
    for kind, count in receipt.counts.items():
        yield f"  {verb} {count} of {kind}"
    if not receipt.counts:
        yield f"  {verb} nothing"
    yield f"  {tokens}{receipt.tokens} tokens, a quarter of the bytes of each text"
    for kind, ids in receipt.refused.items():
        yield f"  refused {len(ids)} of {kind}: {', '.join(map(str, ids))}"
    if receipt.left:
        yield f"  {receipt.left} were written with another model meanwhile: run it again when services use {receipt.model}"


def _episodes(file: Path) -> Iterator[Episode]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                with _at(number):
                    episode = Episode.model_validate_json(line)
                yield episode


@contextmanager
def _at(number: int) -> Iterator[None]:
    try:
        yield
        return
    except ValidationError as error:
        field, reason = first_problem(error)
        failure = InvalidDataError(f"line {number}: {field}", reason)
    raise failure  # out here, pydantic's error, which holds the line, is not its context
