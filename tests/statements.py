"""The rules for statements that make the schema fit to be sharded by tenant, read off SQLAlchemy's expression.

``watched`` looks at every statement that a repository builds, as long as the tests run; what a test module builds, to see what
becomes of it, is its own affair.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import CTE, BindParameter, Delete, FromClause, Insert, Join, Select, Subquery, Table, Update
from sqlalchemy.dialects.postgresql.dml import OnConflictDoUpdate
from sqlalchemy.sql import Executable, operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, ClauseElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import Alias, Lateral

from focal_data.database.statement import Statement

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


def _built_by() -> str:
    """The name of the module that calls ``Statement``."""
    name: str = sys._getframe(2).f_globals["__name__"]
    return name.rpartition(".")[2]


@contextmanager
def watched() -> Iterator[None]:
    """Every statement that is built is looked at; one that breaks a rule is an ``AssertionError`` where it is built."""
    build = Statement.__init__

    def built(self: Statement, clause: Executable) -> None:
        build(self, clause)
        if _built_by().startswith("test_"):
            return
        if found := sorted(set(offences(clause))):
            raise AssertionError(f"{'; '.join(found)}: {self.sql}")

    Statement.__init__ = built  # type: ignore[method-assign]
    try:
        yield
    finally:
        Statement.__init__ = build  # type: ignore[method-assign]
