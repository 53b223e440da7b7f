"""The rules for statements bite; ``tests/conftest.py`` has them look at whatever the tests make a repository build."""

from __future__ import annotations

import pytest
from sqlalchemy import Executable, bindparam, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from focal_data.data_layer import PostgresDataLayer
from focal_data.database.statement import Statement
from focal_data.tables.config import AgentTable, RuleTable
from tests.statements import offences, text_offences

AGENTS, RULES = AgentTable.__table__, RuleTable.__table__  # type: ignore[attr-defined]
TENANT = bindparam("tenant_id")
OTHER = AGENTS.alias("other")
MINE = AGENTS.c.tenant_id == TENANT

BREACHES: dict[str, tuple[Executable, str]] = {
    "a table without the tenant": (select(AGENTS.c.id), "agents is not narrowed to the tenant"),
    "the second table of a join": (
        select(AGENTS.c.id).join(RULES, RULES.c.agent_id == AGENTS.c.id).where(MINE),
        "rules is not narrowed to the tenant",
    ),
    "one arm of two": (
        select(AGENTS.c.id).where(MINE).union(select(OTHER.c.id)),
        "agents is not narrowed to the tenant",
    ),
    "an alias of a table that is": (
        select(AGENTS.c.id, OTHER.c.id).where(MINE),
        "agents is not narrowed to the tenant",
    ),
    "within a condition": (
        select(AGENTS.c.id).where(MINE, exists().where(RULES.c.agent_id == AGENTS.c.id)),
        "rules is not narrowed to the tenant",
    ),
    "an update": (update(AGENTS).values(name="x"), "agents is not narrowed to the tenant"),
    "a deletion": (delete(AGENTS).where(AGENTS.c.name == "x"), "agents is not narrowed to the tenant"),
    "a setting": (
        select(func.set_config("a", "b", True)),
        "set_config() does not reach the workers: SET LOCAL does",
    ),
    "an upsert by the server's clock": (
        insert(AGENTS).on_conflict_do_update(index_elements=["id"], set_={"updated_at": func.now()}),
        "now() in an upsert",
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_a_breach_is_found(name: str) -> None:
    """Each breach is told in its words, once."""
    clause, told = BREACHES[name]
    assert [told] == list(offences(clause))


@pytest.mark.parametrize(
    "clause",
    [
        select(AGENTS.c.id).where(MINE),
        select(AGENTS.c.id).where(
            MINE, exists().where(RULES.c.tenant_id == TENANT, RULES.c.agent_id == AGENTS.c.id)
        ),
        update(AGENTS).where(MINE).values(name="x"),
    ],
)
def test_what_keeps_the_rules_is_let_through(clause: Executable) -> None:
    """A statement that names the tenant for each of its tables has no offence, correlated conditions included."""
    assert [] == list(offences(clause))


def test_a_repositorys_statement_is_looked_at() -> None:
    """One that breaks a rule fails where it is built, in every test."""
    module = {
        "__name__": "focal_data.repositories.elsewhere",
        "Statement": Statement,
        "clause": select(AGENTS.c.id),
    }
    with pytest.raises(AssertionError, match="agents is not narrowed"):
        eval("Statement(clause)", module)  # noqa: S307  (as if a repository had built it)


def test_a_test_may_build_what_it_likes() -> None:
    """What breaks a rule on purpose is built by a test module itself."""
    assert Statement(select(AGENTS.c.id)).reads


TEXTS = {
    "SELECT count(*) FROM agents": "agents is not narrowed to the tenant",
    'DELETE FROM ONLY "rules" WHERE id = $1': "rules is not narrowed to the tenant",
    "SELECT set_config('a', 'b', true)": "set_config() does not reach the workers: SET LOCAL does",
}


@pytest.mark.parametrize("sql", TEXTS)
def test_a_text_is_looked_at_as_well(sql: str) -> None:
    """What a repository writes by hand is told in the same words."""
    module = {
        "__name__": "focal_data.repositories.elsewhere",
        "Statement": Statement,
        "clause": text(sql),
    }
    assert [TEXTS[sql]] == list(text_offences(sql))
    with pytest.raises(AssertionError, match=TEXTS[sql].partition("(")[0]):
        eval("Statement(clause)", module)  # noqa: S307  (as if a repository had built it)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM agents WHERE tenant_id = $1",
        "INSERT INTO agents (tenant_id, id) VALUES ($1, $2)",
        "SELECT relname FROM pg_class",
    ],
)
def test_a_text_that_names_the_tenant_is_let_through(sql: str) -> None:
    """And one that is about no table of tenants."""
    assert [] == list(text_offences(sql))


async def test_what_is_sent_is_looked_at(focal_data_layer: PostgresDataLayer) -> None:
    """A text that goes to the driver beside all repositories fails where it is sent; a test's own is its affair."""
    sql = "SELECT count(*) FROM agents -- beside"
    module = {"__name__": "focal_data.repositories.elsewhere", "sql": sql}
    connection = await focal_data_layer.database.lease()
    try:
        assert 0 <= await connection.fetchval(sql)
        with pytest.raises(AssertionError, match="agents is not narrowed"):
            await eval("connection.fetchval(sql)", {**module, "connection": connection})  # noqa: S307
    finally:
        focal_data_layer.database.give_back(connection, clean=True)
