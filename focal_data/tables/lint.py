"""The rules that keep a schema ready to be sharded by tenant, and safe to store into.

Use it in a test of your own tables: ``assert [] == violations(metadata)``.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from pgvector.sqlalchemy import HALFVEC, SPARSEVEC, VECTOR
from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Enum,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from focal_data.tables.shape import (
    KEYS,
    called,
    columns_of,
    constraints,
    everything_named,
    foreign_keys,
    indexes,
    name_of,
    option,
    ordered,
    relation_names,
    searchable,
    server_default,
    sql_type,
    stored,
    target_of,
)

MAX_NAME: Final = 54
"""Of a table, constraint or index: PostgreSQL keeps 63 characters, and a shard's suffix takes 9 of them."""

_TENANT: Final = "tenant_id"
_ACTIONS: Final = ("CASCADE", "RESTRICT")

Findings = Iterator[str]
Rule = Callable[[Table], Findings]


def violations(metadata: MetaData) -> list[str]:
    """What is wrong with the tables of ``metadata``, as ``"table: rule: what and where"``, ordered by table.

    The rules are ``RULES``; none of them needs a database.
    """
    return [
        f"{table.name}: {name}: {finding}"
        for table in sorted(metadata.tables.values(), key=lambda table: table.name)
        for name, rule in RULES.items()
        for finding in rule(table)
    ]


def _tenant_column(table: Table) -> Findings:
    column = table.columns.get(_TENANT)
    if column is None:
        yield f"it has no column {_TENANT}"
    elif column.nullable or not isinstance(stored(column.type), Uuid):
        yield f"{_TENANT} must be a UUID that is not null"


def _tenant_first(table: Table) -> Findings:
    if not table.primary_key.columns:
        yield "it has no primary key"
    for constraint in constraints(table, *KEYS):
        if constraint.columns and constraint.columns.keys()[0] != _TENANT:
            yield f"{called(constraint)} does not start with {_TENANT}"
    for index in indexes(table):
        if ordered(index) and columns_of(index)[0] != _TENANT:
            yield f"{called(index)} does not start with {_TENANT}"


def _tenant_in_foreign_key(table: Table) -> Findings:
    for key in foreign_keys(table):
        if key.columns.keys()[0] != _TENANT:
            yield f"{called(key)} does not start with {_TENANT}"
        if key.elements[0].target_fullname.rpartition(".")[2] != _TENANT:
            yield f"{called(key)} does not lead to a {_TENANT} first"


def _foreign_key_action(table: Table) -> Findings:
    for key in foreign_keys(table):
        if (key.ondelete or "").upper() not in _ACTIONS:
            yield f"{called(key)} must have ON DELETE {' or '.join(_ACTIONS)}"
        if key.onupdate:
            yield f"{called(key)} must not have ON UPDATE"


def _foreign_key_type(table: Table) -> Findings:
    for key in foreign_keys(table):
        for element in key.elements:
            target = target_of(element.target_fullname, table.metadata)
            if target is not None and sql_type(element.parent) != sql_type(target):
                yield (
                    f"{called(key)}: {element.parent.name} is {sql_type(element.parent)},"
                    f" {element.target_fullname} is {sql_type(target)}"
                )


def _foreign_key_index(table: Table) -> Findings:
    for key in foreign_keys(table):
        columns = key.columns.keys()
        if not any(found[: len(columns)] == columns for found in searchable(table, columns[-1])):
            yield f"{called(key)} has no index behind it: a deletion at its other end would read every row"


def _record_reference(table: Table) -> Findings:
    """What is never changed (audit, history) refers to nothing: it stays, whatever becomes of what it names."""
    grants = table.info.get("grants", ("UPDATE",))
    changes = "UPDATE" in grants or "INSERT" not in grants  # what services don't write is no record of theirs
    if changes and "superseded_at" not in table.columns:
        return
    for key in foreign_keys(table):
        yield f"{called(key)} must not be there: a record of the past refers to no other table"


def _named(table: Table) -> Findings:
    for item in everything_named(table):
        if name_of(item) is None:
            yield f"{called(item)} has no name"


def _name_length(table: Table) -> Findings:
    for name in _names(table) | {table.name}:
        if len(name) > MAX_NAME:
            yield f"{name} is longer than {MAX_NAME} characters"


def _name_taken(table: Table) -> Findings:
    within = Counter(name_of(item) for item in everything_named(table))
    across = Counter(name for other in table.metadata.tables.values() for name in relation_names(other))
    for name in sorted(_names(table) | {table.name}):
        if within[name] > 1 or (name in relation_names(table) and across[name] > 1):
            yield f"{name} is the name of more than one constraint, index or table"


def _names(table: Table) -> set[str]:
    return {name for item in everything_named(table) if (name := name_of(item))}


def _no_sequence(table: Table) -> Findings:
    for column in table.columns:
        if column.identity is not None:
            yield f"{column.name} is an identity column"
        elif isinstance(column.default, Sequence) or "nextval" in server_default(column):
            yield f"{column.name} takes its value from a sequence"
        elif table.autoincrement_column is column:
            yield f"{column.name} would become SERIAL"


def _string_enum(table: Table) -> Findings:
    for column, kind in _columns(table, Enum):
        if kind.native_enum:
            yield f"{column.name} is a native enumeration, whose values can't be taken back"
        elif not kind.create_constraint:
            yield f"{column.name} is an enumeration without a CHECK"
        elif kind.enum_class is not None and kind.enums != [member.value for member in kind.enum_class]:
            yield f"{column.name} stores the names of its enumeration, not the values"


def _time_zone(table: Table) -> Findings:
    for column, kind in _columns(table, DateTime):
        if not kind.timezone:
            yield f"{column.name} is a timestamp without a time zone"


def _json_null(table: Table) -> Findings:
    for column, kind in _columns(table, JSON):
        if not isinstance(kind, JSONB) or not kind.none_as_null:
            yield f"{column.name} must be JSONB(none_as_null=True), or None becomes JSON's null"


def _whole_vector(table: Table) -> Findings:
    for column, kind in _columns(table, VECTOR, HALFVEC, SPARSEVEC):
        if kind.dim is None:
            yield f"{column.name} is a vector without a width"
        for beside in (f"{column.name}_model", f"{column.name}_dimensions"):
            if beside not in table.columns:
                yield f"{column.name} is a vector without {beside} beside it"


def _columns(table: Table, *kinds: type[TypeEngine[Any]]) -> list[tuple[Column[Any], Any]]:
    found = ((column, stored(column.type)) for column in table.columns)
    return [(column, kind) for column, kind in found if isinstance(kind, kinds)]


def _soft_delete_unique(table: Table) -> Findings:
    if "deleted_at" not in table.columns:
        return
    for constraint in constraints(table, UniqueConstraint):
        yield f"{called(constraint)} holds for deleted rows too: it must be an index WHERE deleted_at IS NULL"
    for index in indexes(table):
        if index.unique and "deleted_at IS NULL" not in option(index, "where"):
            yield f"{called(index)} holds for deleted rows too: it must have WHERE deleted_at IS NULL"


def _redundant_index(table: Table) -> Findings:
    keys = [
        constraint.columns.keys() for constraint in constraints(table, PrimaryKeyConstraint, UniqueConstraint)
    ]
    plain = [i for i in indexes(table) if ordered(i) and not i.unique and not option(i, "include")]
    for index in plain:
        columns, where = columns_of(index), option(index, "where")
        others = [columns_of(o) for o in plain if o is not index and option(o, "where") in ("", where)]
        if any(other[: len(columns)] == columns for other in keys + others):
            yield f"{called(index)} is the beginning of another index"


RULES: Final[dict[str, Rule]] = {
    "tenant-column": _tenant_column,
    "tenant-first": _tenant_first,
    "tenant-in-foreign-key": _tenant_in_foreign_key,
    "foreign-key-action": _foreign_key_action,
    "foreign-key-type": _foreign_key_type,
    "foreign-key-index": _foreign_key_index,
    "record-reference": _record_reference,
    "named": _named,
    "name-length": _name_length,
    "name-taken": _name_taken,
    "no-sequence": _no_sequence,
    "string-enum": _string_enum,
    "time-zone": _time_zone,
    "json-null": _json_null,
    "whole-vector": _whole_vector,
    "soft-delete-unique": _soft_delete_unique,
    "redundant-index": _redundant_index,
}
"""What is checked, by name."""
