"""What autogenerate sees beyond Alembic's own, and what a developer gets who changes a table."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects.postgresql import MONEY
from sqlalchemy.engine import make_url

from focal_data.errors import AccessError, UsageError
from focal_data.migration import runner
from focal_data.tables import metadata
from focal_data.tables.functions import Function
from tests.integration.migration.changes import ck, column, keyed, new_metadata, notes
from tests.integration.migration.conftest import REPOSITORY, Estate, NewEstate
from tests.integration.migration.project import Project, operations

ALL = "['SELECT', 'INSERT', 'UPDATE', 'DELETE']"

DRIFTS = {
    "policy dropped": ("DROP POLICY tenant_isolation ON rules", "op.create_tenant_policy('rules')"),
    "policy altered": (
        "ALTER POLICY tenant_isolation ON rules USING (true)",
        "op.create_tenant_policy('rules')",
    ),
    "policy for others": (
        "ALTER POLICY tenant_isolation ON rules TO PUBLIC",
        "op.create_tenant_policy('rules')",
    ),
    "security off": ("ALTER TABLE rules DISABLE ROW LEVEL SECURITY", "op.create_tenant_policy('rules')"),
    "security forced": ("ALTER TABLE rules FORCE ROW LEVEL SECURITY", "op.create_tenant_policy('rules')"),
    "keeper unknown": (
        "COMMENT ON POLICY tenant_isolation ON rules IS NULL",
        "op.create_tenant_policy('rules')",
    ),
    "grant too many": (
        "GRANT UPDATE, TRUNCATE ON audit_events TO {role}",
        "op.revoke_app('audit_events', ['UPDATE', 'TRUNCATE'])",
    ),
    "grant on a column": (
        "GRANT UPDATE (event_data) ON audit_events TO {role}",
        "op.revoke_app('audit_events', ['UPDATE'])",
    ),
    "grant missing": ("REVOKE DELETE ON rules FROM {role}", "op.grant_app('rules', ['DELETE'])"),
    "revision unreadable": ("REVOKE SELECT ON focal_data_version FROM {role}", "op.create_app_role()"),
    "storage": (
        "ALTER TABLE episodes ALTER embedding SET STORAGE EXTERNAL",
        "op.set_column_storage('episodes', 'embedding', 'PLAIN', existing='DEFAULT')",
    ),
    "storage of another": (
        "ALTER TABLE rules ALTER embedding SET STORAGE PLAIN",
        "op.set_column_storage('rules', 'embedding', 'DEFAULT', existing='PLAIN')",
    ),
    "parameter": (
        "ALTER TABLE rules SET (fillfactor = 50)",
        "op.set_storage_parameters('rules', {'fillfactor': None}, existing={'fillfactor': '50'})",
    ),
    "check dropped": (
        "ALTER TABLE agents DROP CONSTRAINT ck_agents_name_given",
        "op.create_check_constraint(op.f('ck_agents_name_given'), 'agents', \"name <> ''\")",
    ),
    "enumeration unchecked": (
        "ALTER TABLE templates DROP CONSTRAINT ck_templates_mode",
        "op.create_check_constraint(op.f('ck_templates_mode'), 'templates', \"mode IN ('suggest', 'exclusive', 'fallback')\")",
    ),
    "check added": (
        "ALTER TABLE agents ADD CONSTRAINT ck_mine CHECK (name <> 'x')",
        "op.drop_constraint(op.f('ck_mine'), 'agents', type_='check')",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("drift", DRIFTS)
async def test_what_drifted_is_seen(estate: Estate, drift: str) -> None:
    """Each change by hand is one operation, and nothing else."""
    statement, operation = DRIFTS[drift]
    await estate.as_admin(statement.format(role=estate.role))
    assert [operation] == await runner.check(estate.settings)


REPLACED = {
    "check narrowed": (
        (
            "ALTER TABLE templates DROP CONSTRAINT ck_templates_mode,"
            " ADD CONSTRAINT ck_templates_mode CHECK (mode IN ('suggest', 'exclusive'))"
        ),
        [
            "op.drop_constraint(op.f('ck_templates_mode'), 'templates', type_='check')",
            (
                "op.create_check_constraint(op.f('ck_templates_mode'), 'templates',"
                " \"mode IN ('suggest', 'exclusive', 'fallback')\")"
            ),
        ],
    ),
    "check in other words": (
        (
            "ALTER TABLE templates DROP CONSTRAINT ck_templates_mode, ADD CONSTRAINT ck_templates_mode"
            " CHECK (mode = ANY (ARRAY['suggest'::varchar::text, 'exclusive'::varchar::text, 'fallback'::varchar::text]))"
        ),
        [],
    ),
    "check not validated": (
        (
            "ALTER TABLE agents DROP CONSTRAINT ck_agents_name_given,"
            " ADD CONSTRAINT ck_agents_name_given CHECK (name <> '') NOT VALID"
        ),
        ["op.validate_constraint('agents', 'ck_agents_name_given')"],
    ),
    "foreign key not validated": (
        (
            "ALTER TABLE rules DROP CONSTRAINT fk_rules_agent_id, ADD CONSTRAINT fk_rules_agent_id"
            " FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, id) ON DELETE RESTRICT NOT VALID"
        ),
        ["op.validate_constraint('rules', 'fk_rules_agent_id')"],
    ),
    "index that a failure left": (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_templates_agent_id'::regclass",
        [
            "op.drop_index(op.f('ix_templates_agent_id'), table_name='templates')",
            "op.create_index(op.f('ix_templates_agent_id'), 'templates', ['tenant_id', 'agent_id'], unique=False)",
        ],
    ),
    "enumeration of others": ("CREATE TYPE theirs AS ENUM ('a')", []),
}


FUNCTIONS = {
    "dropped": ("DROP FUNCTION focal_match_episodes", ["create_function"]),
    "for everybody": ("GRANT EXECUTE ON FUNCTION focal_match_episodes TO PUBLIC", ["replace_function"]),
    "for nobody": ("REVOKE EXECUTE ON FUNCTION focal_match_episodes FROM {role}", ["replace_function"]),
    "as its caller": ("ALTER FUNCTION focal_match_episodes SECURITY INVOKER", ["replace_function"]),
    "volatile": ("ALTER FUNCTION focal_match_episodes VOLATILE", ["replace_function"]),
    "any search path": ("ALTER FUNCTION focal_match_episodes RESET search_path", ["replace_function"]),
    "generic plans": ("ALTER FUNCTION focal_match_episodes RESET plan_cache_mode", ["replace_function"]),
    "another cost": ("ALTER FUNCTION focal_match_episodes COST 1", ["replace_function"]),
    "keeper unknown": ("COMMENT ON FUNCTION focal_match_episodes IS NULL", ["replace_function"]),
    "left over": (
        (
            "CREATE FUNCTION old() RETURNS int LANGUAGE sql AS 'SELECT 1';"
            "COMMENT ON FUNCTION old IS 'focal_data_version'"
        ),
        ["drop_function"],
    ),
    "of others": ("CREATE FUNCTION theirs() RETURNS int LANGUAGE sql AS 'SELECT 1'", []),
}


@pytest.mark.slow
@pytest.mark.parametrize("drift", FUNCTIONS)
async def test_a_function_that_drifted_is_seen(estate: Estate, drift: str) -> None:
    """Whatever is otherwise about it is put right by one operation; those of others are left alone."""
    statement, names = FUNCTIONS[drift]
    await estate.as_admin(*statement.format(role=estate.role).split(";"))
    found = await runner.check(estate.settings)
    assert names == [re.match(r"op\.(\w+)", text)[1] for text in found]  # type: ignore[index]


@pytest.mark.slow
async def test_a_function_that_can_not_be_made_is_named(new_estate: NewEstate, tmp_path: Path) -> None:
    """What it names is missing: the developer is told which function."""
    project = Project(tmp_path / "migrations", await new_estate(), new_metadata())
    for kind in ("int", "no_such_type"):
        project.metadata = new_metadata()
        function = Function("counted", f"(n {kind}) RETURNS int LANGUAGE sql AS 'SELECT 1'")
        notes(info={"functions": (function,)})(project.metadata)
        if kind == "int":
            await project.generate("a")
            await project.upgrade()
    with pytest.raises(UsageError, match=r"function counted can't be made as it is declared \(42704\)"):
        await project.generate("b")


@pytest.mark.slow
@pytest.mark.parametrize("drift", REPLACED)
async def test_what_is_not_as_it_says_is_replaced(estate: Estate, drift: str) -> None:
    """What has the right name and is another thing is made anew; what only reads differently is left."""
    statement, operations = REPLACED[drift]
    await estate.as_admin(statement)
    assert operations == await runner.check(estate.settings)


@pytest.mark.slow
async def test_check_reports_what_drifted(estate: Estate) -> None:
    """``alembic check`` fails when a policy is missing."""
    await estate.as_admin("DROP POLICY tenant_isolation ON rules")
    code, _, errors = await estate.alembic("check")
    assert (True, True) == (code != 0, "create_tenant_policy" in errors)


async def test_tables_of_others_are_left_alone(estate: Estate) -> None:
    """The application's own tables in the same schema, its version table among them, are nothing to autogenerate."""
    await estate.as_admin(
        "CREATE TABLE alembic_version (version_num text)", "CREATE TABLE orders (id int PRIMARY KEY)"
    )
    assert [] == await runner.check(estate.settings)


async def test_comparing_leaves_the_tables_as_they_are(estate: Estate) -> None:
    """A CHECK that is written into a revision is not added to the table's own a second time."""
    await estate.as_admin("ALTER TABLE templates DROP CONSTRAINT ck_templates_mode")
    await runner.check(estate.settings)
    names = [str(constraint.name) for constraint in metadata.tables["templates"].constraints]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.slow
async def test_tables_that_were_ours_are_dropped(estate: Estate) -> None:
    """A table that our migrations made, and that the metadata no longer has, goes; those that refer to it go first."""
    isolate = "ALTER TABLE {0} ENABLE ROW LEVEL SECURITY; CREATE POLICY tenant_isolation ON {0} USING (true);"
    keep = "COMMENT ON POLICY tenant_isolation ON {0} IS 'focal_data_version'"
    for table in (
        "a_parent (id int PRIMARY KEY)",
        "b_child (id int CONSTRAINT fk_child REFERENCES a_parent)",
    ):
        async with estate.connection(estate.owner) as connection:
            await connection.execute(f"CREATE TABLE {table}; {(isolate + keep).format(table.split()[0])}")
    assert ["op.drop_table('b_child')", "op.drop_table('a_parent')"] == await runner.check(estate.settings)


async def test_a_table_that_is_missing_is_made_whole(estate: Estate) -> None:
    """A table dropped by hand is made again, with its enumerations' checks, its policy and its grants."""
    await estate.as_admin("DROP TABLE templates")
    create, *rest = await runner.check(estate.settings)
    assert {"op.f('ck_templates_mode')", "op.f('ck_templates_scope')"} <= set(
        re.findall(r"op\.f\('ck_\w+'\)", create)
    )
    index = (
        "op.create_index(op.f('ix_templates_agent_id'), 'templates', ['tenant_id', 'agent_id'], unique=False)"
    )
    assert [index, "op.create_tenant_policy('templates')", f"op.grant_app('templates', {ALL})"] == rest


async def test_a_table_that_can_not_be_made_is_named(new_estate: NewEstate, tmp_path: Path) -> None:
    """What it names is missing: the developer is told which table, and not shown a driver's traceback."""
    project = Project(tmp_path / "migrations", await new_estate(), new_metadata())
    notes()(project.metadata)
    await project.generate("a")
    await project.upgrade()
    project.metadata = new_metadata()
    notes(ck("no_such_function(title)", "impossible"))(project.metadata)
    with pytest.raises(UsageError, match=r"table notes can't be made as it is declared \(42883\)"):
        await project.generate("b")
    await project.estate.as_admin(
        f"REVOKE TEMPORARY ON DATABASE {make_url(project.estate.admin_url).database} FROM PUBLIC",
        f"ALTER DATABASE {make_url(project.estate.admin_url).database} OWNER TO CURRENT_USER",
    )
    with pytest.raises(AccessError, match="right to make temporary tables"):
        await project.generate("b")


async def test_a_primary_key_that_others_lean_on_has_a_remark(new_estate: NewEstate, tmp_path: Path) -> None:
    """A foreign key of a table that is not of these migrations is named, and not dropped."""
    project = Project(tmp_path / "migrations", await new_estate(), new_metadata())
    keyed("tenant_id", "id")(project.metadata)
    await project.generate("a")
    await project.upgrade()
    async with project.estate.connection(project.estate.owner) as owner:
        await owner.execute(
            "CREATE TABLE theirs (t uuid, p uuid, CONSTRAINT fk FOREIGN KEY (t, p) REFERENCES pages)"
        )
    project.metadata = new_metadata()
    keyed("id", "tenant_id")(project.metadata)
    (text,) = await project.generate("b")
    assert ["remove_primary_key", "add_primary_key"] == operations([text])
    remark, _, rest = text.partition("op.remove_primary_key")
    assert remark.endswith(
        "# Fails until foreign keys are dropped that these migrations don't know: theirs.fk\n    "
    )
    assert "# Builds its index, and nobody can use the table meanwhile." in rest


@pytest.mark.slow
async def test_what_fails_while_there_are_rows_has_a_remark(new_estate: NewEstate, tmp_path: Path) -> None:
    """A vector of another dimension, and a column that must not be NULL and whose type has no nothing."""
    project = Project(tmp_path / "migrations", await new_estate(), new_metadata())
    notes(column("v", VECTOR(3)))(project.metadata)
    await project.generate("a")
    await project.upgrade()
    project.metadata = new_metadata()
    notes(column("v", VECTOR(5)), column("price", MONEY, nullable=False))(project.metadata)
    (text,) = await project.generate("b")
    up = text.partition("def upgrade")[2].partition("def downgrade")[0]
    assert ["add_column", "alter_column"] == operations([text])
    before_add, _, rest = up.partition("op.add_column")
    assert "# Fails when there are rows, which need a value: give it a default." in before_add
    assert "# Fails while there are rows: one size is not made of another." in rest


@pytest.mark.slow
async def test_another_role_gets_policies_and_grants(estate: Estate) -> None:
    """When the setting names another role, every table is to be opened to that one."""
    found = await runner.check(estate.settings.model_copy(update={"app_role": "another_role"}))
    assert "op.create_app_role()" == found[0]
    assert ["op.create_tenant_policy('agents')", f"op.grant_app('agents', {ALL})"] == [
        op for op in found if "agents" in op
    ]


COLUMNS = """    nickname: str | None = Field(default=None, max_length=100)
    default_scope: Scope = Field(sa_type=string_enum(Scope, "default_scope"), sa_column_kwargs={"server_default": "global"})
"""
TABLE = '''

from sqlalchemy import Index as _Index


class NoteTable(WriteOnceEmbeddingMixin, TenantTable, table=True):
    """Notes."""

    __tablename__ = "notes"
    __table_args__ = (
        refers_to("agents", "agent_id", ondelete="CASCADE"),
        index("agent_id"),
        whole_embedding(),
        _Index(
            "ix_notes_embedding",
            "embedding",
            postgresql_using="hnsw",
            postgresql_with={"m": 8, "ef_construction": 32},
            postgresql_ops={"embedding": "halfvec_cosine_ops"},
        ),
        {"info": {"grants": ("SELECT", "INSERT"), "storage_parameters": {"fillfactor": 70}}},
    )

    agent_id: UUID
    text: str = Field(sa_type=Text)
'''


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the package and its migrations, to develop in."""
    shutil.copytree(
        REPOSITORY / "focal_data", tmp_path / "focal_data", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(
        REPOSITORY / "alembic", tmp_path / "alembic", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(REPOSITORY / "alembic.ini", tmp_path)
    return tmp_path


def _edit(file: Path, before: str, after: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert 1 == text.count(before)
    file.write_text(text.replace(before, after), encoding="utf-8")


async def _alembic(estate: Estate, project: Path, *arguments: str) -> str:
    code, output, errors = await estate.alembic(*arguments, cwd=project)
    assert 0 == code, errors
    return output


CONFIG, MEMORY = "focal_data/tables/config.py", "focal_data/tables/memory.py"


def _add_columns_and_a_table(project: Path) -> None:
    line = "    default_model: str | None = Field(default=None, max_length=255)\n"
    _edit(project / CONFIG, line, line + COLUMNS)
    with (project / MEMORY).open("a", encoding="utf-8") as file:
        file.write(TABLE)


def _take_them_out(project: Path) -> None:
    for file in (CONFIG, MEMORY):
        shutil.copy(REPOSITORY / file, project / file)


async def _generated(estate: Estate, project: Path, name: str) -> tuple[list[str], list[str]]:
    """The operations of the new revisions, on the way up, and of the main one on the way down."""
    await _alembic(estate, project, "revision", "--autogenerate", "-m", name)
    texts = [
        file.read_text(encoding="utf-8") for file in (project / "alembic/versions").glob(f"*_{name}*.py")
    ]
    main = max(texts, key=len)
    return operations(sorted(texts, key=len, reverse=True)), operations([main], way="down")


@pytest.mark.slow
async def test_a_developer_gets_a_revision_that_runs(new_estate: NewEstate, project: Path) -> None:
    """Two new columns and a table with a vector and an HNSW index: up, nothing left to generate, down, and up again."""
    estate = await new_estate()
    await _alembic(estate, project, "upgrade", "head")
    before = await estate.catalogue()
    head = (await runner.status(estate.settings)).current or ""
    await estate.as_admin(AN_AGENT)

    _add_columns_and_a_table(project)
    assert (ADDED, REMOVED) == await _generated(estate, project, "notes")
    await _alembic(estate, project, "upgrade", "head")
    await _alembic(estate, project, "check")
    after = await estate.catalogue()
    assert [HNSW] == [index for index in after["indexes"] if "hnsw" in index]
    await _alembic(estate, project, "downgrade", head)
    assert before == await estate.catalogue()
    await _alembic(estate, project, "upgrade", "head")
    assert _unnumbered(after) == _unnumbered(await estate.catalogue())


@pytest.mark.slow
async def test_a_developer_who_drops_a_table_can_go_back(new_estate: NewEstate, project: Path) -> None:
    """A dropped table comes back on the way down with its policy, grants, storage and index."""
    estate = await new_estate()
    _add_columns_and_a_table(project)
    await _alembic(estate, project, "upgrade", "head")
    await _generated(estate, project, "notes")
    await _alembic(estate, project, "upgrade", "head")
    with_notes = await estate.catalogue()

    _take_them_out(project)
    await _generated(estate, project, "no_notes")
    await _alembic(estate, project, "upgrade", "head")
    await _alembic(estate, project, "check")
    assert [] == [relation for relation in (await estate.catalogue())["relations"] if "notes" in relation]
    await _alembic(estate, project, "downgrade", "-1")
    back = await estate.catalogue()
    assert _unnumbered(with_notes) == _unnumbered(back)


AN_AGENT = """INSERT INTO agents (tenant_id, id, revision, created_at, updated_at, name, enabled, current_version, settings)
    VALUES (gen_random_uuid(), gen_random_uuid(), 1, now(), now(), 'Ada', true, 1, '{}')"""
HNSW = (
    "CREATE INDEX ix_notes_embedding ON public.notes USING hnsw (embedding halfvec_cosine_ops)"
    " WITH (m='8', ef_construction='32')"
)
ADDED = [
    *("create_table", "create_index", "create_index"),
    *("add_column", "add_column", "create_check_constraint"),
    *("create_tenant_policy", "grant_app", "set_storage_parameters", "set_column_storage"),
    "validate_constraint",
]
REMOVED = [
    *("drop_constraint", "drop_column", "drop_column"),
    *("drop_index", "drop_index", "drop_table"),
]


def _unnumbered(catalogue: dict[str, list[str]]) -> dict[str, list[str]]:
    """Without the order of columns: PostgreSQL adds one that comes back at the end."""
    columns = sorted(re.sub(r"^(\w+) \d+ ", r"\1 ", column) for column in catalogue["columns"])
    return catalogue | {"columns": columns}
