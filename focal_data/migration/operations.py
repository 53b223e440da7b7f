"""What a revision may do besides Alembic's own: the extension, the role, policies, grants and storage.

Revisions don't name the role: it belongs to the cluster, and its name is a setting of whoever runs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations, ops
from alembic.runtime.migration import MigrationContext
from sqlalchemy.exc import DBAPIError

from focal_data.database import tenancy
from focal_data.errors import AccessError, DriverError, FocalDataError, SchemaError
from focal_data.migration.connection import beneath
from focal_data.migration.place import Services
from focal_data.settings import Settings

Parameters = Mapping[str, str | None]

FORBIDDEN = "42501"
UNAVAILABLE = "0A000"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the statements of an operation are about."""

    role: str
    login: str | None
    """The service's login, which may take the role."""
    keeper: str
    """The version table of these migrations: what they make, they may drop."""

    @classmethod
    def of(cls, context: MigrationContext) -> Self:
        """As ``env.py`` configured it, or else by the settings."""
        services = context.opts.get("services") or Services.of(Settings.load())
        return cls(services.role, services.login, context.version_table)


class FocalOperation(MigrateOperation):
    """An operation of ours: a dataclass of what is written between the parentheses of ``op.<name>(…)``."""

    name: ClassVar[str]
    comes_with_table = False
    """Whether its table or column is made in the same revision, so that undoing it takes nothing."""

    def statements(self, subject: Subject) -> Iterable[str]:
        raise NotImplementedError

    def inverse(self) -> MigrateOperation:
        raise NotImplementedError

    def refusals(self, subject: Subject) -> Mapping[str, FocalDataError]:
        """What to tell the user, by SQLSTATE."""
        return {}

    def with_table(self) -> Self:
        self.comes_with_table = True
        return self

    def reverse(self) -> MigrateOperation:
        return Implied(self) if self.comes_with_table else self.inverse()

    def to_diff_tuple(self) -> tuple[object, ...]:
        return (self.name, *(getattr(self, item.name) for item in fields(self)))  # type: ignore[arg-type]


class Implied(ops.ModifyTableOps):
    """Nothing to do: the table comes or goes with all it has. To reverse that takes ``undo``."""

    def __init__(self, undo: MigrateOperation) -> None:
        super().__init__("", [])
        self.undo = undo

    def reverse(self) -> Any:
        return self.undo


class Restored(Implied):
    """The same of a column, which is there again before what it has is put right."""


@Operations.implementation_for(FocalOperation)
def _execute(operations: Operations, operation: FocalOperation) -> None:
    subject = Subject.of(operations.migration_context)
    with _explained(operation.refusals(subject)):
        for statement in operation.statements(subject):
            operations.execute(escaped(statement))


def escaped(statement: str) -> str:
    """What Alembic would take for a parameter, a colon and a word, is none."""
    return statement.replace(":", "\\:")


@contextmanager
def _explained(refusals: Mapping[str, FocalDataError]) -> Iterator[None]:
    try:
        yield
        return
    except DBAPIError as error:
        refused = beneath(error)
        code = getattr(refused, "sqlstate", "")
        if code not in refusals:
            raise
        failure = refusals[code]
        failure.__cause__ = DriverError.of(refused, code=code)
    raise failure


@renderers.dispatch_for(FocalOperation)
def _render(context: AutogenContext, operation: FocalOperation) -> str:
    prefix = context.opts["alembic_module_prefix"]
    arguments = [
        f"{item.name}={value!r}" if item.kw_only else repr(value)
        for item in fields(operation)  # type: ignore[arg-type]
        for value in [getattr(operation, item.name)]
        if not item.kw_only or value != item.default
    ]
    return f"{prefix}{operation.name}({', '.join(arguments)})"


@Operations.register_operation("create_vector_extension", "run")
@dataclass
class CreateVectorExtensionOp(FocalOperation):
    """pgvector where it is missing. It is left in place on the way down: others may use it."""

    name = "create_vector_extension"

    @classmethod
    def run(cls, operations: Operations) -> None:
        operations.invoke(cls())
        if not operations.migration_context.as_sql:
            tenancy.refuse_extension(
                operations.get_bind().exec_driver_sql(tenancy.EXTENSION_VERSION).scalar()
            )

    def statements(self, subject: Subject) -> Iterable[str]:
        return [tenancy.create_extension()]

    def refusals(self, subject: Subject) -> Mapping[str, FocalDataError]:
        return {
            FORBIDDEN: SchemaError(tenancy.EXTENSION_MISSING),
            UNAVAILABLE: SchemaError(
                "pgvector is not installed on this PostgreSQL server: install it, 0.7 or later"
            ),
        }

    def inverse(self) -> MigrateOperation:
        return Implied(self)


@Operations.register_operation("create_app_role", "run")
@dataclass
class CreateAppRoleOp(FocalOperation):
    """The role that services run as, where it is missing, and who may take it."""

    name = "create_app_role"

    @classmethod
    def run(cls, operations: Operations) -> None:
        operations.invoke(cls())

    def statements(self, subject: Subject) -> Iterable[str]:
        yield tenancy.create_role(subject.role)
        yield tenancy.grant_role(subject.role)
        if subject.login is not None:
            yield tenancy.grant_role(subject.role, subject.login)
        yield tenancy.grant(subject.keeper, ["SELECT"], subject.role)

    def refusals(self, subject: Subject) -> Mapping[str, FocalDataError]:
        statement = tenancy.role_statement(subject.role)
        return {
            FORBIDDEN: AccessError(f"this login may not create a role: an administrator must run {statement}")
        }

    def inverse(self) -> MigrateOperation:
        return DropAppRoleOp()


@Operations.register_operation("drop_app_role", "run")
@dataclass
class DropAppRoleOp(FocalOperation):
    """Away with the role, if nothing in any database of the cluster needs it."""

    name = "drop_app_role"

    @classmethod
    def run(cls, operations: Operations) -> None:
        operations.invoke(cls())

    def statements(self, subject: Subject) -> Iterable[str]:
        yield tenancy.revoke(subject.keeper, ["SELECT"], subject.role)
        yield tenancy.drop_role(subject.role)

    def inverse(self) -> MigrateOperation:
        return CreateAppRoleOp()


@Operations.register_operation("create_tenant_policy", "run")
@dataclass
class CreateTenantPolicyOp(FocalOperation):
    """Bind the application role to one tenant's rows of ``table``."""

    name = "create_tenant_policy"
    table: str

    @classmethod
    def run(cls, operations: Operations, table: str) -> None:
        operations.invoke(cls(table))

    def statements(self, subject: Subject) -> Iterable[str]:
        return tenancy.enable_policy(self.table, subject.role, subject.keeper)

    def inverse(self) -> MigrateOperation:
        return DropTenantPolicyOp(self.table)


@Operations.register_operation("drop_tenant_policy", "run")
@dataclass
class DropTenantPolicyOp(FocalOperation):
    """Let everybody who may read ``table`` see every tenant's rows."""

    name = "drop_tenant_policy"
    table: str

    @classmethod
    def run(cls, operations: Operations, table: str) -> None:
        operations.invoke(cls(table))

    def statements(self, subject: Subject) -> Iterable[str]:
        return tenancy.disable_policy(self.table)

    def inverse(self) -> MigrateOperation:
        return CreateTenantPolicyOp(self.table)


@Operations.register_operation("grant_app", "run")
@dataclass
class GrantAppOp(FocalOperation):
    """Allow the application role to do ``privileges`` to ``table``."""

    name = "grant_app"
    table: str
    privileges: list[str]

    @classmethod
    def run(cls, operations: Operations, table: str, privileges: Sequence[str]) -> None:
        operations.invoke(cls(table, list(privileges)))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [tenancy.grant(self.table, self.privileges, subject.role)]

    def inverse(self) -> MigrateOperation:
        return RevokeAppOp(self.table, self.privileges)


@Operations.register_operation("revoke_app", "run")
@dataclass
class RevokeAppOp(FocalOperation):
    """Forbid it again, for single columns too."""

    name = "revoke_app"
    table: str
    privileges: list[str]

    @classmethod
    def run(cls, operations: Operations, table: str, privileges: Sequence[str]) -> None:
        operations.invoke(cls(table, list(privileges)))

    def statements(self, subject: Subject) -> Iterable[str]:
        return [tenancy.revoke(self.table, self.privileges, subject.role)]

    def inverse(self) -> MigrateOperation:
        return GrantAppOp(self.table, self.privileges)


@Operations.register_operation("set_column_storage", "run")
@dataclass
class SetColumnStorageOp(FocalOperation):
    """Where values of ``column`` are kept that are stored from now on: PLAIN, EXTERNAL, EXTENDED, MAIN or DEFAULT."""

    name = "set_column_storage"
    table: str
    column: str
    storage: str
    existing: str = field(kw_only=True)

    @classmethod
    def run(
        cls, operations: Operations, table: str, column: str, storage: str, *, existing: str = "DEFAULT"
    ) -> None:
        operations.invoke(cls(table, column, storage, existing=existing))

    def statements(self, subject: Subject) -> Iterable[str]:
        table, column = tenancy.quoted(self.table), tenancy.quoted(self.column)
        return [f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {self.storage}"]

    def inverse(self) -> MigrateOperation:
        return SetColumnStorageOp(self.table, self.column, self.existing, existing=self.storage)


@Operations.register_operation("set_storage_parameters", "run")
@dataclass
class SetStorageParametersOp(FocalOperation):
    """The storage parameters of ``table``, for what is stored from now on; ``None`` is PostgreSQL's default."""

    name = "set_storage_parameters"
    table: str
    parameters: Parameters
    existing: Parameters = field(kw_only=True)

    @classmethod
    def run(cls, operations: Operations, table: str, parameters: Parameters, *, existing: Parameters) -> None:
        operations.invoke(cls(table, parameters, existing=existing))

    def statements(self, subject: Subject) -> Iterable[str]:
        table = tenancy.quoted(self.table)
        given = [f"{name} = {value}" for name, value in self.parameters.items() if value is not None]
        reset = [name for name, value in self.parameters.items() if value is None]
        if given:
            yield f"ALTER TABLE {table} SET ({', '.join(given)})"
        if reset:
            yield f"ALTER TABLE {table} RESET ({', '.join(reset)})"

    def inverse(self) -> MigrateOperation:
        return SetStorageParametersOp(self.table, self.existing, existing=self.parameters)
