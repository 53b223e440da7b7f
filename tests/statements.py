"""The rules for statements that make the schema fit to be sharded by tenant, read off SQLAlchemy's expression.

``watched`` looks at every statement that a repository builds, and at every text that the package gives to the driver and that
is none of these, as long as the tests run; what a test module builds or sends, to see what becomes of it, is its own affair.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import asyncpg
import pytest
from sqlalchemy import CTE, BindParameter, Delete, FromClause, Insert, Join, Select, Subquery, Table, Update
from sqlalchemy.dialects.postgresql.dml import OnConflictDoUpdate
from sqlalchemy.sql import Executable, operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, ClauseElement, TextClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Alias, Lateral

from focal_data.database.statement import Statement
from focal_data.database.tenancy import tenant_tables
from focal_data.tables import metadata

TENANT: Final = "tenant_id"
_CHANGING: Final = {"now", "current_timestamp", "clock_timestamp", "statement_timestamp", "random"}

Seen = dict[tuple[int, frozenset[int]], ClauseElement]
"""By their ids, which are theirs as long as they are kept."""


def offences(clause: Executable) -> Iterator[str]:
    """What in ``clause`` breaks a rule: a table not narrowed to the tenant, a setting by function, an upsert by a clock."""
    yield from _offences(clause, frozenset(), {})  # type: ignore[arg-type]


def _offences(node: ClauseElement, around: frozenset[int], seen: Seen) -> Iterator[str]:
    """Of ``node`` and all within, ``around`` being the tables of the statements that it may be correlated to.

    What is ``seen`` there already is passed over: in a recursive statement the same parts are met again and again.
    """
    if (place := (id(node), around)) in seen:
        return
    seen[place] = node
    if isinstance(node, Select):
        froms = _references(node.get_final_froms())
        own = [source for source in froms if hash(source) not in around] or froms
        yield from _unscoped(own, _conditions(node))
        around |= {hash(source) for source in froms}
    elif isinstance(node, Update | Delete):
        yield from _unscoped([node.table], list(node._where_criteria))
        around |= {hash(node.table)}
    elif isinstance(node, Insert):
        yield from _moving(node)
    elif isinstance(node, FunctionElement) and getattr(node, "name", "") == "set_config":
        yield "set_config() does not reach the workers: SET LOCAL does"
    elif isinstance(node, CTE | Subquery):
        around = frozenset()
    for child in node.get_children():
        if isinstance(child, ClauseElement):
            yield from _offences(child, around, seen)


def _references(froms: Any) -> list[FromClause]:
    found: list[FromClause] = []
    for source in froms:
        found += _references((source.left, source.right)) if isinstance(source, Join) else [source]
    return found


def _conditions(select: Select[Any]) -> list[ClauseElement]:
    joined = [
        join.onclause
        for source in select.get_final_froms()
        for join in visitors.iterate(source)
        if isinstance(join, Join) and join.onclause is not None
    ]
    return [*select._where_criteria, *joined]


def _unscoped(references: list[FromClause], conditions: list[Any]) -> Iterator[str]:
    scoped = {hash(source) for condition in conditions for source in _narrowed(condition)}
    for source in references:
        table = source.element if isinstance(source, Alias) and not isinstance(source, Lateral) else source
        if isinstance(table, Table) and TENANT in table.c and hash(source) not in scoped:
            yield f"{table.name} is not narrowed to the tenant"


def _narrowed(condition: ClauseElement) -> Iterator[FromClause]:
    for node in visitors.iterate(condition):
        if isinstance(node, BinaryExpression) and node.operator is operators.eq:
            sides = (node.left, node.right)
            if any(isinstance(side, BindParameter) and side.key == TENANT for side in sides):
                yield from (side.table for side in sides if getattr(side, "name", None) == TENANT)


def _moving(insert: Insert) -> Iterator[str]:
    upsert = getattr(insert, "_post_values_clause", None)
    if not isinstance(upsert, OnConflictDoUpdate):
        return
    for value in dict(upsert.update_values_to_set).values():
        for node in visitors.iterate(value) if isinstance(value, ClauseElement) else ():
            if getattr(node, "name", None) in _CHANGING and isinstance(node, FunctionElement):
                yield f"{node.name}() in an upsert"


_TABLES: Final = re.compile(r"\b(?:FROM|JOIN|UPDATE|INTO|USING)\s+(?:ONLY\s+)?\"?(\w+)\"?", re.IGNORECASE)
_NARROWED: Final = re.compile(rf"\b{TENANT}\s*=\s*[$:(']|\({TENANT}\b", re.IGNORECASE)
"""Compared with a value, or the first of the columns that are inserted."""
_OWNERS: Final = (
    "focal_data.migration.",
    "focal_data.operations.",
    "focal_data.testing.",
    "focal_data.cli.demo.",
)
"""Where a text is about all tenants, on the owner's connection, or a test's, or shows that a service sees nothing of them."""


def text_offences(text: str) -> Iterator[str]:
    """The same of a text, as far as it can be told: whether a table of tenants is named, and no tenant is."""
    if "set_config(" in text:
        yield "set_config() does not reach the workers: SET LOCAL does"
    named = set(_TABLES.findall(text)) & set(tenant_tables(metadata))
    if named and not _NARROWED.search(text):
        yield f"{', '.join(sorted(named))} is not narrowed to the tenant"


def _module(depth: int) -> str:
    """The name of the module that has called, whatever of the driver lies between."""
    frame = sys._getframe(depth)
    while frame.f_back is not None and str(frame.f_globals["__name__"]).startswith("asyncpg"):
        frame = frame.f_back
    return str(frame.f_globals["__name__"])


class _Watch:
    """What has been looked at, by its text; what owners send of their own is let through."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def build(self, statement: Statement, clause: Executable, module: str) -> None:
        if not module.rpartition(".")[2].startswith("test_"):
            owners = isinstance(clause, TextClause) and module.startswith(_OWNERS)
            found = text_offences(statement.sql) if isinstance(clause, TextClause) else offences(clause)
            if not owners and (told := sorted(set(found))):
                raise AssertionError(f"{'; '.join(told)}: {statement.sql}")
        self._known.add(statement.sql)

    def send(self, text: str, module: str) -> None:
        if text in self._known or not module.startswith("focal_data.") or module.startswith(_OWNERS):
            return
        found = sorted(text_offences(text))
        if found and text not in _built_before():
            raise AssertionError(f"{'; '.join(found)}: {text}")
        self._known.add(text)


def _built_before() -> set[str]:
    """The texts of owners' and tests' statements that were built when their module was imported, before anybody watched."""
    modules = [
        module
        for name, module in list(sys.modules.items())
        if name.startswith(_OWNERS) or name.rpartition(".")[2].startswith("test_")
    ]
    return {text for module in modules for value in vars(module).values() for text in _texts(value)}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Statement):
        yield value.sql
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))


_SENDERS: Final = (
    "execute",
    "executemany",
    "fetch",
    "fetchmany",
    "fetchrow",
    "fetchval",
    "prepare",
    "cursor",
)


@contextmanager
def watched() -> Iterator[None]:
    """Every statement is looked at where it is built or sent; one that breaks a rule is an ``AssertionError`` there."""
    watch, build = _Watch(), Statement.__init__
    send = {name: getattr(asyncpg.Connection, name) for name in _SENDERS}

    def built(self: Statement, clause: Executable) -> None:
        build(self, clause)
        watch.build(self, clause, _module(2))

    def sender(name: str) -> Callable[..., Any]:
        def sent(self: asyncpg.Connection, text: str, *arguments: Any, **options: Any) -> Any:
            watch.send(text, _module(2))
            return send[name](self, text, *arguments, **options)

        return sent

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Statement, "__init__", built)
        for name in _SENDERS:
            patch.setattr(asyncpg.Connection, name, sender(name))
        yield
