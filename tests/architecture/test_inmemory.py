"""What memory declares of its kinds is what the tables of PostgreSQL have, name by name."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import ForeignKeyConstraint, Table, UniqueConstraint

import focal_data.inmemory
from focal_data.inmemory.repository import InMemoryRepository, Unique
from focal_data.tables import metadata

for _module in pkgutil.iter_modules(focal_data.inmemory.__path__, f"{focal_data.inmemory.__name__}."):
    import_module(_module.name)

OURS = {
    name: kind
    for name, kind in InMemoryRepository.kinds.items()
    if kind.__module__.startswith(focal_data.inmemory.__name__)
}
ELSEWHERE = {
    "audit_heads": "where each chain ends, which the tables' chain alone needs",
    "entity_history": "kept with the versions that it follows",
    "relationship_history": "kept with the versions that it follows",
    "ideation_maturity": "kept with the session that it hangs on, as one value",
    "ideation_messages": "kept with the session that it hangs on, as one value",
    "ideation_prd_drafts": "kept with the session that it hangs on, as one value",
    "ideation_requirements": "kept with the session that it hangs on, as one value",
    "ideation_sessions": "kept by its stores, with all that hangs on it, as one value",
    "ideation_user_stories": "kept with the session that it hangs on, as one value",
    "staged_embeddings": "where the owner re-embeds, at the tables alone",
}
"""The tables without a kind of their own in memory, and why."""
KINDS = [pytest.param(name, id=name) for name in sorted(OURS)]
CONDITION = re.compile(r"(\w+) IS (NOT )?NULL")

Key = tuple[str, tuple[str, ...], str]


def _keys(table: Table) -> Iterator[Key]:
    """Name, columns without the tenant, and condition of everything that is unique but the primary key."""
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield str(constraint.name), _own(constraint.columns), ""
    for index in table.indexes:
        if index.unique:
            where = index.dialect_options["postgresql"]["where"]
            yield str(index.name), _own(index.columns), "" if where is None else str(where)


def _own(columns: Any) -> tuple[str, ...]:
    return tuple(column.name for column in columns if column.name != "tenant_id")


def _unique(kind: str, name: str) -> Unique:
    (found,) = (unique for unique in OURS[kind].unique if unique.name == name)
    return found


CONDITIONS = [
    pytest.param(kind, key, id=key[0]) for kind in sorted(OURS) for key in _keys(metadata.tables[kind])
]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unique_is_what_the_table_says(kind: str) -> None:
    """Every unique constraint and index, by name and columns, and no other."""
    declared = {(unique.name, unique.fields) for unique in OURS[kind].unique}
    assert {(name, columns) for name, columns, _ in _keys(metadata.tables[kind])} == declared


@pytest.mark.parametrize(("kind", "key"), CONDITIONS)
def test_a_key_is_unique_among_the_rows_of_its_index(kind: str, key: Key) -> None:
    """A condition on a column holds for the same values; without one, every row is among them."""
    name, columns, where = key
    unique, given = _unique(kind, name), dict.fromkeys(columns, "x")
    if not where:
        assert unique.key(SimpleNamespace(**given, deleted_at="x", valid_to="x")) is not None
        return
    condition = CONDITION.fullmatch(where)
    assert condition is not None, f"{where} is of a kind that this test can't compare"
    column, wants_value = condition[1], bool(condition[2])
    for value in (None, "x"):
        entity = SimpleNamespace(**{**given, column: value})
        assert ((value is not None) == wants_value) == (unique.key(entity) is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_referred_to_is_what_the_table_says(kind: str) -> None:
    """Every foreign key: its name, field, parent, and whether parts go with the whole."""
    foreign_keys = [
        constraint
        for constraint in metadata.tables[kind].constraints
        if isinstance(constraint, ForeignKeyConstraint)
    ]
    there = {
        (key.name, *_own(key.columns), key.referred_table.name, key.ondelete == "CASCADE")
        for key in foreign_keys
    }
    declared = {(parent.name, parent.field, parent.kind, parent.cascade) for parent in OURS[kind].parents}
    assert there == declared


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_parent_is_named_by_its_class(kind: str) -> None:
    """As in every error: the name of the domain class."""
    for parent in OURS[kind].parents:
        assert OURS[parent.kind].domain.__name__ == parent.entity


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_a_column(kind: str) -> None:
    """What memory keeps of a kind, its table keeps too."""
    columns = {column.name for column in metadata.tables[kind].columns}
    assert set() == OURS[kind].domain.model_fields.keys() - columns


def test_every_table_is_kept_in_memory() -> None:
    """But those that are named above, with the reason."""
    assert metadata.tables.keys() == OURS.keys() | ELSEWHERE.keys()
    assert set() == OURS.keys() & ELSEWHERE.keys()
