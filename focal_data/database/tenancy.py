"""The second lock: the role that services run as, what it may do to each table, and the policy that binds it to one tenant.

Row-level security is enabled and not forced: the owner, who migrates, sees every row, and the application role sees those
of the tenant that its transaction names. Everything here is text for PostgreSQL, or reads what is in force there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from focal_data.database.translation import DRIVER_ERRORS, translated
from focal_data.errors import AccessError, SchemaError

if TYPE_CHECKING:
    from sqlalchemy import MetaData, Table

POLICY: Final = "tenant_isolation"
"""The name of the policy on every table."""

TENANT_SETTING: Final = "focal.tenant_id"
"""What a transaction sets to its tenant; empty after a commit, which is no tenant either."""

EXTENSION: Final = "vector"
MIN_EXTENSION: Final = (0, 7)
EXTENSION_MISSING: Final = (
    "pgvector is missing from this database: an administrator must run CREATE EXTENSION vector in it"
)
EXTENSION_VERSION: Final = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"

DEFAULT_GRANTS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
"""What the application may do to a table that doesn't say otherwise in ``info["grants"]``."""

_PREDICATE: Final = f"tenant_id = NULLIF(current_setting('{TENANT_SETTING}', true), '')::uuid"
_PREDICATE_READ_BACK: Final = (
    f"(tenant_id = (NULLIF(current_setting('{TENANT_SETTING}'::text, true), ''::text))::uuid)"
)


@dataclass(frozen=True, slots=True)
class Promise:
    """What a table should be like for the application role."""

    isolated: bool
    grants: frozenset[str]


def promised(table: Table) -> Promise:
    """A policy if it has a tenant, and the grants it names."""
    grants = table.info.get("grants", DEFAULT_GRANTS)
    return Promise("tenant_id" in table.columns, frozenset(grants))


def tenant_tables(metadata: MetaData) -> list[str]:
    """The names of the tables that have a tenant, sorted."""
    return sorted(table.name for table in metadata.tables.values() if promised(table).isolated)


@dataclass(frozen=True, slots=True)
class TableAccess:
    """What a table is like for the application role."""

    policy: bool
    """Whether it has a policy of our name, right or wrong."""
    isolated: bool
    """Whether that policy is the right one and in force."""
    keeper: str | None
    """The version table of the migrations that made the policy."""
    other_policies: tuple[str, ...]
    grants: frozenset[str]
    column_grants: frozenset[str]
    effective: frozenset[str]
    """Everything the role may do to it, by whatever way: also as a member, as PUBLIC or as an owner."""

    def flaws(self, promise: Promise) -> list[str]:
        """What is wrong with it, in words; empty when nothing is."""
        found = []
        if promise.isolated and not self.isolated:
            found.append("the tenant's policy is altered or not in force" if self.policy else "no policy")
        found += [f"an unknown policy, {name}" for name in self.other_policies]
        found += [f"no grant to {privilege}" for privilege in sorted(promise.grants - self.effective)]
        excess = (self.effective | self.column_grants) - promise.grants
        found += [f"a grant too many, to {privilege}" for privilege in sorted(excess)]
        return found


def access_query(role: str) -> str:
    """A row of what ``read_access`` tells for each table that the search path shows."""
    return f"""
        SELECT c.relname::text AS table_name, p.oid IS NOT NULL AS policy,
               c.relrowsecurity AND NOT c.relforcerowsecurity AND p.polpermissive AND p.polcmd = '*'
                 AND p.polroles = ARRAY[r.oid] AND pg_get_expr(p.polqual, c.oid) = {literal(_PREDICATE_READ_BACK)}
                 AND pg_get_expr(p.polwithcheck, c.oid) = {literal(_PREDICATE_READ_BACK)} AS isolated,
               obj_description(p.oid, 'pg_policy') AS keeper,
               ARRAY(SELECT polname::text FROM pg_policy
                      WHERE polrelid = c.oid AND polname <> {literal(POLICY)} ORDER BY 1) AS other_policies,
               ARRAY(SELECT DISTINCT privilege_type FROM aclexplode(c.relacl) WHERE grantee = r.oid) AS grants,
               ARRAY(SELECT DISTINCT privilege_type FROM pg_attribute, aclexplode(attacl)
                      WHERE attrelid = c.oid AND grantee = r.oid) AS column_grants,
               ARRAY(SELECT DISTINCT privilege_type FROM aclexplode(acldefault('r', c.relowner))
                      WHERE has_table_privilege(r.oid, c.oid, privilege_type)) AS effective
          FROM pg_class c
          LEFT JOIN pg_roles r ON r.rolname = {literal(role)}
          LEFT JOIN pg_policy p ON p.polrelid = c.oid AND p.polname = {literal(POLICY)}
         WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid)
           AND c.relnamespace <> 'pg_catalog'::regnamespace"""  # noqa: S608  (names are quoted here)


def access_of(rows: Iterable[Mapping[Any, Any]]) -> dict[str, TableAccess]:
    """The answer to ``access_query``, by the name of the table."""
    return {
        row["table_name"]: TableAccess(
            policy=row["policy"],
            isolated=bool(row["isolated"]),
            keeper=row["keeper"],
            other_policies=tuple(row["other_policies"]),
            grants=frozenset(row["grants"]),
            column_grants=frozenset(row["column_grants"]),
            effective=frozenset(row["effective"]),
        )
        for row in rows
    }


async def read_access(connection: asyncpg.Connection, role: str) -> dict[str, TableAccess]:
    """What every table that the search path shows is like for ``role``. Raises ``StoreConnectionError`` when it is lost."""
    try:
        return access_of(await connection.fetch(access_query(role)))
    except DRIVER_ERRORS as error:
        failure = translated(error)
    raise failure


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a connection is, and whether the policies bind it."""

    login: str
    role: str
    superuser: bool
    bypasses_policies: bool
    owns_tables: bool
    unbound_tables: tuple[str, ...]
    """Tables that show this role all their rows: it owns them, or they have no row-level security."""
    login_is_stronger: bool
    """The login itself is a superuser, bypasses policies or owns tables: ``RESET ROLE`` would set it free."""
    server_version: int
    """As PostgreSQL numbers it: 160014 is 16.14."""
    extension_version: str | None
    """Of pgvector; ``None`` when this database doesn't have it."""
    citus: bool
    """Whether this database has Citus, which passes a transaction's settings on to its workers only when told to."""

    @property
    def bound(self) -> bool:
        """Whether the policies bind every statement of this role."""
        return not (self.superuser or self.bypasses_policies or self.owns_tables or self.unbound_tables)


def identity_query(tables: Collection[str] = ()) -> str:
    """One row with the fields of ``Identity``."""
    names = ", ".join(map(literal, sorted(tables))) or "NULL"
    return f"""
        WITH ours AS (SELECT oid, relname::text AS name, relowner FROM pg_class c
                       WHERE relkind IN ('r', 'p') AND pg_table_is_visible(oid)
                         AND (relname IN ({names}) OR EXISTS (SELECT FROM pg_policy
                                WHERE polrelid = c.oid AND polname = {literal(POLICY)})))
        SELECT session_user::text AS login, current_user::text AS role, me.rolsuper AS superuser,
               me.rolbypassrls AS bypasses_policies,
               EXISTS (SELECT FROM ours WHERE pg_has_role(me.oid, relowner, 'USAGE')) AS owns_tables,
               ARRAY(SELECT name FROM ours WHERE NOT row_security_active(oid) ORDER BY 1) AS unbound_tables,
               login.rolsuper OR login.rolbypassrls
                 OR EXISTS (SELECT FROM ours WHERE pg_has_role(login.oid, relowner, 'MEMBER')) AS login_is_stronger,
               current_setting('server_version_num')::int AS server_version,
               ({EXTENSION_VERSION}) AS extension_version,
               EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') AS citus
          FROM pg_roles me, pg_roles login
         WHERE me.rolname = current_user AND login.rolname = session_user"""  # noqa: S608  (names are quoted here)


async def identity(connection: asyncpg.Connection, tables: Collection[str] = ()) -> Identity:
    """Who ``connection`` is, in one query. Raises ``StoreConnectionError`` when it is lost.

    ``tables`` are those with a tenant; without them it goes by the policies, and can't miss one that was dropped.
    """
    try:
        row = await connection.fetchrow(identity_query(tables))
        return Identity(**{**row, "unbound_tables": tuple(row["unbound_tables"])})
    except DRIVER_ERRORS as error:
        failure = translated(error)
    raise failure


def refuse_unbound(who: Identity) -> None:
    """Raise ``AccessError`` when the policies would not bind ``who``, or not on every table; it says what to do."""
    reason = _unbound_because(who)
    if reason:
        raise AccessError(f"row-level security would not bind this connection: {reason}")


def _unbound_because(who: Identity) -> str | None:
    advice = (
        "let services run as the application role (FOCAL_DATA_APP_ROLE), which must have no rights of its own"
    )
    if who.superuser:
        return f"{who.role} is a superuser; {advice}"
    if who.bypasses_policies:
        return f"{who.role} has BYPASSRLS; {advice}"
    if who.owns_tables:
        return f"{who.role} owns the tables; {advice}"
    if who.unbound_tables:
        return f"no policy is in force on {', '.join(who.unbound_tables)}; migrate, or restore them"
    return None


def enable_policy(table: str, role: str, keeper: str) -> tuple[str, ...]:
    """Bind ``role`` to its tenant in ``table``, whatever policy of ours was there before."""
    name = quoted(table)
    return (
        f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
        f"DROP POLICY IF EXISTS {POLICY} ON {name}",
        f"CREATE POLICY {POLICY} ON {name} TO {quoted(role)} USING ({_PREDICATE}) WITH CHECK ({_PREDICATE})",
        f"COMMENT ON POLICY {POLICY} ON {name} IS {literal(keeper)}",
    )


def disable_policy(table: str) -> tuple[str, ...]:
    """Take the policy away, and row-level security with it."""
    name = quoted(table)
    return (
        f"DROP POLICY IF EXISTS {POLICY} ON {name}",
        f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY",
    )


def grant(table: str, privileges: Sequence[str], role: str) -> str:
    """Allow ``role`` to do ``privileges`` to ``table``."""
    return f"GRANT {', '.join(privileges)} ON {quoted(table)} TO {quoted(role)}"


def revoke(table: str, privileges: Sequence[str], role: str) -> str:
    """Forbid it again, for single columns too."""
    return f"REVOKE {', '.join(privileges)} ON {quoted(table)} FROM {quoted(role)}"


def create_role(role: str) -> str:
    """Make ``role`` unless it exists, and let it use the schema. Another database's migration may make or drop it meanwhile."""
    return f"""
        DO $$ BEGIN
          LOOP
            BEGIN
              IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role)}) THEN
                {role_statement(role)};
              END IF;
              EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), {literal(role)});
              EXIT;
            EXCEPTION WHEN duplicate_object OR unique_violation OR undefined_object THEN
              NULL;  -- another one was faster: look again
            END;
          END LOOP;
        END $$"""


def role_query(role: str) -> str:
    """Whether ``role`` may use the schema; null when there is no such role."""
    usable = (
        "SELECT bool_or(has_schema_privilege(oid, current_schema(), 'USAGE')) FROM pg_roles WHERE rolname = "
    )
    return usable + literal(role)


def role_statement(role: str) -> str:
    """What an administrator runs where the owner may not create roles."""
    return f"CREATE ROLE {quoted(role)} NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION"


def grant_role(role: str, login: str | None = None) -> str:
    """Let ``login`` (``None``: who runs this) become ``role`` by SET ROLE, inheriting nothing. A warning when it may not."""
    member = "current_user" if login is None else literal(login)
    return f"""
        DO $$ BEGIN
          IF EXISTS (SELECT FROM pg_roles WHERE rolname = {member} AND NOT pg_has_role(oid, {literal(role)}, 'SET')) THEN
            EXECUTE format('GRANT %I TO %I WITH SET TRUE, INHERIT FALSE', {literal(role)}, {member});
          END IF;
        EXCEPTION WHEN insufficient_privilege THEN
          RAISE WARNING 'an administrator must run: GRANT % TO % WITH SET TRUE, INHERIT FALSE',
                        quote_ident({literal(role)}), quote_ident({member});
        END $$"""


def drop_role(role: str) -> str:
    """Take the schema from ``role`` and remove it, unless something in any database needs it or it is not ours to drop."""
    return f"""
        DO $$ BEGIN
          IF EXISTS (SELECT FROM pg_class, aclexplode(relacl), pg_roles r WHERE relnamespace = current_schema()::regnamespace
                      AND grantee = r.oid AND r.rolname = {literal(role)}) THEN
            RETURN;
          END IF;
          EXECUTE format('REVOKE USAGE ON SCHEMA %I FROM %I', current_schema(), {literal(role)});
          BEGIN
            DROP ROLE {quoted(role)};
          EXCEPTION WHEN dependent_objects_still_exist OR insufficient_privilege THEN
            NULL;
          END;
        EXCEPTION WHEN undefined_object THEN
          NULL;  -- another one was faster
        END $$"""  # noqa: S608  (names are quoted here)


def create_extension() -> str:
    """pgvector, where it is missing. It is not a trusted extension: only a superuser may."""
    return f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}"


def refuse_extension(version: str | None) -> None:
    """Raise ``SchemaError`` when pgvector's ``version`` is none or too old; it says what an administrator must run."""
    if version is None:
        raise SchemaError(EXTENSION_MISSING)
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_EXTENSION:
        raise SchemaError(
            f"pgvector {version} has no half vectors: an administrator must run ALTER EXTENSION vector UPDATE"
        )


def quoted(name: str) -> str:
    """``name`` as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as a string."""
    return "'" + text.replace("'", "''") + "'"
