"""The summary, for people."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from focal_data.cli.demo.facts import Facts, Isolation, Search

_WIDTH: Final = 200
_ROWS: Final = {
    "agents": "agents",
    "rules": "rules",
    "scenarios": "scenarios",
    "templates": "templates",
    "variables": "variables",
    "episodes": "episodes, each with its embedding",
    "entities": "entities",
    "relationships": "relationships",
    "customer_profiles": "profiles",
    "channel_identities": "channels of theirs",
    "profile_fields": "profile fields",
    "turn_records": "turns",
    "audit_events": "audit events",
}


def show(facts: Facts, console: Console, data_dir: Path | None, *, own_engines: bool) -> None:
    """Everything, from what is stored to where to look next."""
    console.print()
    console.print(_stored(facts))
    _searches(facts.searches, console)
    _isolation(facts.isolation, console)
    console.print()
    console.print(_latencies(facts))
    messages = sum(tenant.messages for tenant in facts.tenants)
    new = sum(tenant.new_messages for tenant in facts.tenants)
    earlier = "" if new == messages else f", {messages - new:,} of them stored by an earlier run"
    console.print(f"{messages:,} messages in {facts.seconds:.1f} seconds{earlier}.")
    console.print()
    _next(console, data_dir, own_engines=own_engines)


def plain(text: str, most: int | None = None) -> Text:
    """Text of a transcript as one line, without what a terminal would take for orders, and not longer than ``most``."""
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "�" for c in text).split())
    return Text(line if most is None or len(line) <= most else f"{line[: most - 1]}…")


def _stored(facts: Facts) -> Table:
    table = Table(title="What is stored", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    for tenant in facts.tenants:
        table.add_column(plain(tenant.name, 30), justify="right")
    table.add_row("live sessions (Redis)", *(f"{tenant.sessions:,}" for tenant in facts.tenants))
    for name, title in _ROWS.items():
        if any(name in tenant.rows for tenant in facts.tenants):
            table.add_row(title, *(f"{tenant.rows.get(name, 0):,}" for tenant in facts.tenants))
    return table


def _searches(searches: Sequence[Search], console: Console) -> None:
    console.print("Questions to the memory (✓: what was expected is among the best three)", style="italic")
    for (tenant, question), answers in groupby(searches, key=lambda search: (search.tenant, search.question)):
        console.print()
        console.print(Text.assemble((plain(question).plain, "bold"), "  ", (plain(tenant).plain, "dim")))
        for search in answers:
            console.print(_search(search), no_wrap=True, overflow="ellipsis")
    console.print()


def _search(search: Search) -> Text:
    line = Text("  ✓ ", "green") if search.found else Text("  – ", "yellow")
    if not search.hits:
        return line.append(f"{search.mode:<7} nothing found", "dim")
    best = search.hits[0]
    line.append(f"{search.mode:<7} {best.score:.3f}  ", "default")
    line.append(f"{plain(best.user or best.role).plain}: ", "dim")
    return line.append(plain(best.content, _WIDTH).plain, "default")


def _isolation(isolation: Isolation, console: Console) -> None:
    seen = isolation.repository_rows + isolation.raw_sql_rows
    mark = "[green]✓[/]" if seen == 0 else "[red]✗[/]"
    console.print(
        f"{mark} Isolation: another tenant sees {isolation.repository_rows} things through the repositories and "
        f"{isolation.raw_sql_rows} rows through raw SQL, with its own tenant set and with none "
        f"(the owners see {isolation.repository_control:,} and {isolation.raw_sql_control:,}).",
        soft_wrap=True,
    )


def _latencies(facts: Facts) -> Table:
    table = Table(title="Milliseconds per operation", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("")
    table.add_column("p50", justify="right")
    table.add_column("p99", justify="right")
    for operation, figures in facts.latency_ms.items():
        table.add_row(operation.replace("_", " "), f"{figures['p50']:.2f}", f"{figures['p99']:.2f}")
    return table


def _next(console: Console, data_dir: Path | None, *, own_engines: bool) -> None:
    console.print("[bold]Where to look next[/]")
    if data_dir is not None:
        console.print(
            f"  Everything is kept in {data_dir}: run the same again, and it continues.", markup=False
        )
    elif own_engines:
        console.print("  --data-dir DIR      keeps what this run stored")
    console.print("  --transcript FILE   takes your own chat: JSON Lines, or a list of messages")
    console.print("  focal-data doctor   checks your own PostgreSQL and Redis")
    console.print("  README.md, docs/    how services use it: DataLayer, Tenant, transactions")
