"""Functions of the database: how they are made and dropped, and what autogenerate sees of them.

One that exists and the one that a table declares are compared by making the second as a temporary one, like tables
(``definitions``). Ours to drop are those whose comment names the version table of these migrations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import dedent
from typing import Final, Self

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection, RowMapping, Table
from sqlalchemy.exc import DBAPIError

from focal_data.database.tenancy import literal, quoted
from focal_data.errors import UsageError
from focal_data.migration.connection import beneath
from focal_data.migration.definitions import undone
from focal_data.migration.operations import FocalOperation, Subject
from focal_data.tables.functions import Execute, Function, functions

SCHEMA: Final = "{schema}"

_FUNCTIONS: Final = """
    SELECT proname::text AS name, pronamespace = pg_my_temp_schema() AS temporary,
           replace(substr(pg_get_functiondef(p.oid),
               length(format('CREATE OR REPLACE FUNCTION %I.%I',
                 CASE WHEN pronamespace = pg_my_temp_schema() THEN 'pg_temp' ELSE nspname END, proname)) + 1),
             quote_ident(current_schema()) || '.', '{schema}.') AS definition,
           obj_description(p.oid, 'pg_proc') AS keeper,
           ARRAY(SELECT coalesce(rolname, '') FROM aclexplode(coalesce(proacl, acldefault('f', proowner)))
                   LEFT JOIN pg_roles r ON r.oid = grantee WHERE privilege_type = 'EXECUTE') AS executors
      FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace
     WHERE prokind = 'f' AND pronamespace IN (current_schema()::regnamespace, pg_my_temp_schema())"""


@dataclass(frozen=True, slots=True)
class _Existing:
    """One as it is."""

    function: Function
    keeper: str | None


@Operations.register_operation("create_function", "run")
@dataclass
class CreateFunctionOp(FocalOperation):
    """A function that may be called by services, by everybody or by nobody: ``execute``."""

    name = "create_function"
    function: str
    definition: str
    execute: Execute = field(default="services", kw_only=True)

    @classmethod
    def of(cls, function: Function) -> Self:
        return cls(function.name, normal(function.definition), execute=function.execute)

    @classmethod
    def run(
        cls, operations: Operations, function: str, definition: str, *, execute: Execute = "services"
    ) -> None:
        operations.invoke(cls(function, normal(definition), execute=execute))

    def statements(self, subject: Subject) -> Iterable[str]:
        return _made("CREATE FUNCTION", self, subject)

    def inverse(self) -> MigrateOperation:
        return DropFunctionOp(self.function, was=self)


@Operations.register_operation("replace_function", "run")
@dataclass
class ReplaceFunctionOp(CreateFunctionOp):
    """A function in place of ``was``, which has the same arguments and the same result."""

    name = "replace_function"
    was: Function | None = field(default=None, kw_only=True, repr=False)

    def statements(self, subject: Subject) -> Iterable[str]:
        return _made("CREATE OR REPLACE FUNCTION", self, subject)

    def inverse(self) -> MigrateOperation:
        assert self.was is not None
        before = Function(self.function, self.definition, self.execute)
        return ReplaceFunctionOp(
            self.was.name, normal(self.was.definition), execute=self.was.execute, was=before
        )


@Operations.register_operation("drop_function", "run")
@dataclass
class DropFunctionOp(FocalOperation):
    """Away with a function; there is one of its name."""

    name = "drop_function"
    function: str
    was: CreateFunctionOp | None = field(default=None, kw_only=True, repr=False)

    @classmethod
    def run(cls, operations: Operations, function: str) -> None:
        operations.invoke(cls(function))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [f"DROP FUNCTION {quoted(self.function)}"]

    def inverse(self) -> MigrateOperation:
        assert self.was is not None
        return self.was


def normal(definition: str) -> str:
    """``definition`` without what only indents it: a revision has it further to the right than a table."""
    return dedent(definition).strip()


def _made(verb: str, op: CreateFunctionOp, subject: Subject) -> Iterator[str]:
    name, role = quoted(op.function), quoted(subject.role)
    create = f"{verb} {SCHEMA}.{name} {op.definition}"
    yield f"DO {_QUOTE} BEGIN EXECUTE replace({literal(create)}, '{SCHEMA}', quote_ident(current_schema())); END {_QUOTE}"
    yield f"REVOKE EXECUTE ON FUNCTION {name} FROM PUBLIC, {role}"
    if op.execute != "nobody":
        yield f"GRANT EXECUTE ON FUNCTION {name} TO {role if op.execute == 'services' else 'PUBLIC'}"
    yield f"COMMENT ON FUNCTION {name} IS {literal(subject.keeper)}"


_QUOTE: Final = "$focal_data_function$"


@renderers.dispatch_for(CreateFunctionOp)
def _render_creation(context: AutogenContext, op: CreateFunctionOp) -> str:
    prefix = context.opts["alembic_module_prefix"]
    return f"{prefix}{op.name}({op.function!r}, {_block(op.definition)}, execute={op.execute!r})"


@renderers.dispatch_for(DropFunctionOp)
def _render_drop(context: AutogenContext, op: DropFunctionOp) -> str:
    return f"{context.opts['alembic_module_prefix']}drop_function({op.function!r})"


def _block(text: str) -> str:
    """``text`` between three quotes, as long as that leaves it what it is, for Alembic indents what it writes."""
    lines = text.splitlines()
    plain = all(line == line.rstrip() and line.isprintable() for line in lines)
    if "\\" in text or '"""' in text or not plain or "\n".join(lines) != text:
        return repr(text)
    return f'"""\n{text}\n"""'


def function_changes(
    connection: Connection, tables: Sequence[Table], subject: Subject
) -> Iterator[MigrateOperation]:
    """What it takes to have the functions of ``tables``, and no other one that these migrations have made."""
    wanted = {function.name: function for table in tables for function in functions(table)}
    existing = _read(connection, subject.role)
    for name, function in wanted.items():
        if name not in existing:
            yield CreateFunctionOp.of(function)
        else:
            yield from _changed(connection, existing[name], function, subject)
    for name, found in existing.items():
        if name not in wanted and found.keeper == subject.keeper:
            yield _drop(found)


def _changed(
    connection: Connection, found: _Existing, function: Function, subject: Subject
) -> Iterator[MigrateOperation]:
    printed = _printed(connection, function)
    if found == _Existing(Function(function.name, printed, function.execute), subject.keeper):
        return
    new = CreateFunctionOp.of(function)
    if _replaceable(connection, found.function, function):
        yield ReplaceFunctionOp(new.function, new.definition, execute=new.execute, was=found.function)
    else:
        yield from (_drop(found), new)


def _drop(found: _Existing) -> DropFunctionOp:
    return DropFunctionOp(found.function.name, was=CreateFunctionOp.of(found.function))


def _read(connection: Connection, role: str, *, temporary: bool = False) -> dict[str, _Existing]:
    rows = connection.exec_driver_sql(_FUNCTIONS).mappings()
    return {row["name"]: _existing(row, role) for row in rows if row["temporary"] is temporary}


def _existing(row: RowMapping, role: str) -> _Existing:
    executors = row["executors"]
    execute: Execute = "everybody" if "" in executors else "services" if role in executors else "nobody"
    return _Existing(Function(row["name"], row["definition"], execute), row["keeper"])


def _printed(connection: Connection, function: Function) -> str:
    """As PostgreSQL prints it when it has read it."""
    try:
        with undone(connection):
            _make_temporary(connection, function)
            return _read(connection, "", temporary=True)[function.name].function.definition
    except DBAPIError as error:
        failure = _unmade(function.name, getattr(beneath(error), "sqlstate", ""))
    raise failure


def _unmade(name: str, code: str) -> UsageError:
    return UsageError(
        f"function {name} can't be made as it is declared ({code}): a type or table that it names must be in the database"
        " first, and it must be PostgreSQL's"
    )


def _replaceable(connection: Connection, one: Function, other: Function) -> bool:
    """Whether each can take the other's place: neither its arguments nor its result say otherwise. Found by doing it."""
    return all(_replaces(connection, *pair) for pair in ((one, other), (other, one)))


def _replaces(connection: Connection, old: Function, new: Function) -> bool:
    try:
        with undone(connection):
            _make_temporary(connection, old)
            _make_temporary(connection, new)
            made = "SELECT count(*) FROM pg_proc WHERE pronamespace = pg_my_temp_schema() AND proname = "
            return connection.exec_driver_sql(made + literal(new.name)).scalar() == 1
    except DBAPIError:
        return False


def _make_temporary(connection: Connection, function: Function) -> None:
    schema = connection.exec_driver_sql("SELECT quote_ident(current_schema())").scalar_one()
    definition = normal(function.definition).replace(SCHEMA, schema)
    connection.exec_driver_sql("SET LOCAL check_function_bodies = off")
    connection.exec_driver_sql(f"CREATE OR REPLACE FUNCTION pg_temp.{quoted(function.name)} {definition}")
