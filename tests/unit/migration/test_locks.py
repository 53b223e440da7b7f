"""What the linter of migrations says of a statement."""

from __future__ import annotations

import pytest

from focal_data.migration.lock_rules import (
    ACCESS_EXCLUSIVE,
    EXCLUSIVE,
    SHARE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
)
from focal_data.migration.locks import Effect, effects, statements

HARMLESS = {
    "CREATE INDEX CONCURRENTLY ix ON notes (a)": SHARE_UPDATE_EXCLUSIVE,
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS ix ON notes (a)": SHARE_UPDATE_EXCLUSIVE,
    "DROP INDEX CONCURRENTLY IF EXISTS notes": SHARE_UPDATE_EXCLUSIVE,
    "ALTER TABLE notes VALIDATE CONSTRAINT ck": SHARE_UPDATE_EXCLUSIVE,
    "ALTER TABLE notes ADD CONSTRAINT ck CHECK (a > 0) NOT VALID": ACCESS_EXCLUSIVE,
    "ALTER TABLE notes ADD CONSTRAINT fk FOREIGN KEY(a) REFERENCES b (a) NOT VALID": SHARE_ROW_EXCLUSIVE,
    "ALTER TABLE notes ADD CONSTRAINT uq UNIQUE USING INDEX uq": ACCESS_EXCLUSIVE,
    "ALTER TABLE notes ADD COLUMN a TEXT": ACCESS_EXCLUSIVE,
    "ALTER TABLE notes ADD COLUMN a TEXT DEFAULT 'x' NOT NULL": ACCESS_EXCLUSIVE,
    "ALTER TABLE notes ALTER COLUMN a DROP NOT NULL": ACCESS_EXCLUSIVE,
    "CREATE INDEX IF NOT EXISTS ix ON ONLY notes (a)": SHARE,
    "CREATE POLICY p ON notes USING (true)": ACCESS_EXCLUSIVE,
    "CREATE INDEX CONCURRENTLY ON notes (a)": SHARE_UPDATE_EXCLUSIVE,
    "REINDEX TABLE CONCURRENTLY notes": SHARE_UPDATE_EXCLUSIVE,
    "REFRESH MATERIALIZED VIEW CONCURRENTLY notes": EXCLUSIVE,
    "ALTER TABLE notes SET (fillfactor = 70)": SHARE_UPDATE_EXCLUSIVE,
    "ALTER TABLE notes DETACH PARTITION n CONCURRENTLY": SHARE_UPDATE_EXCLUSIVE,
    "ALTER TABLE notes RENAME CONSTRAINT a TO b": ACCESS_EXCLUSIVE,
    "ALTER TABLE notes ADD COLUMN a TEXT DEFAULT 'UNIQUE, NOT NULL, random()'": ACCESS_EXCLUSIVE,
    "ALTER TABLE notes ADD CHECK (a > 0) NOT VALID": ACCESS_EXCLUSIVE,
}

HARMFUL = {
    "CREATE INDEX ix ON notes (a)": (SHARE, "CONCURRENTLY"),
    "ALTER TABLE notes ADD CONSTRAINT ck CHECK (a > 0)": (ACCESS_EXCLUSIVE, "NOT VALID"),
    "ALTER TABLE notes ADD CONSTRAINT fk FOREIGN KEY(a) REFERENCES b (a)": (SHARE_ROW_EXCLUSIVE, "NOT VALID"),
    "ALTER TABLE notes ADD CONSTRAINT uq UNIQUE (a)": (ACCESS_EXCLUSIVE, "USING INDEX"),
    "ALTER TABLE notes ADD COLUMN a TEXT NOT NULL": (ACCESS_EXCLUSIVE, "fails when there are rows"),
    "ALTER TABLE notes ALTER COLUMN a SET NOT NULL": (ACCESS_EXCLUSIVE, "set_not_null"),
    "ALTER TABLE notes DROP COLUMN a": (ACCESS_EXCLUSIVE, "drops a column"),
    "DROP TABLE notes": (ACCESS_EXCLUSIVE, "rows are lost"),
    "UPDATE notes SET a = 1": ("ROW EXCLUSIVE", "batches"),
    "UPDATE ONLY notes SET a = 1": ("ROW EXCLUSIVE", "batches"),
    "WITH b AS (SELECT 1 FOR UPDATE) DELETE FROM notes": ("ROW EXCLUSIVE", "batches"),
    "MERGE INTO notes USING b ON true WHEN MATCHED THEN DELETE": ("ROW EXCLUSIVE", "batches"),
    "COPY notes (a) FROM '/b'": ("ROW EXCLUSIVE", "batches"),
    "DO $$ BEGIN IF true THEN UPDATE notes SET a = 'x; y'; END IF; END $$": ("ROW EXCLUSIVE", "batches"),
    "CREATE INDEX ON notes (a)": (SHARE, "CONCURRENTLY"),
    "REINDEX (VERBOSE) TABLE notes": (SHARE, "CONCURRENTLY"),
    "ALTER TABLE IF EXISTS ONLY notes DROP a": (ACCESS_EXCLUSIVE, "drops a column"),
    "ALTER TABLE notes ADD a TEXT NOT NULL": (ACCESS_EXCLUSIVE, "fails when there are rows"),
    "ALTER TABLE notes ADD COLUMN a TEXT DEFAULT 'x' CHECK (a <> '')": (ACCESS_EXCLUSIVE, "by itself"),
    "ALTER TABLE notes ADD COLUMN a TEXT UNIQUE": (ACCESS_EXCLUSIVE, "by itself"),
    "ALTER TABLE notes ADD CONSTRAINT ex EXCLUDE USING gist (a WITH &&)": (
        ACCESS_EXCLUSIVE,
        "builds an index",
    ),
    "ALTER TABLE notes RENAME COLUMN a TO b": (ACCESS_EXCLUSIVE, "renames"),
    "ALTER TABLE notes ATTACH PARTITION n FOR VALUES IN (1)": (SHARE_UPDATE_EXCLUSIVE, "every row"),
    "TRUNCATE others, ONLY notes CASCADE": (ACCESS_EXCLUSIVE, "rows are lost"),
    "DROP TABLE others, notes": (ACCESS_EXCLUSIVE, "rows are lost"),
    "LOCK TABLE notes IN SHARE MODE": (ACCESS_EXCLUSIVE, "end of the transaction"),
}

REWRITING = [
    "ALTER TABLE notes ALTER COLUMN a TYPE BIGINT",
    "ALTER TABLE notes ADD COLUMN a INTEGER GENERATED ALWAYS AS (b + 1) STORED",
    "ALTER TABLE notes ADD COLUMN a UUID DEFAULT gen_random_uuid()",
    "ALTER TABLE notes ADD COLUMN a SERIAL",
    "ALTER TABLE notes ADD COLUMN a UUID DEFAULT uuidv7()",
    'ALTER TABLE "public"."notes" ALTER COLUMN a SET DATA TYPE BIGINT',
    "ALTER TABLE notes SET TABLESPACE fast",
    "ALTER TABLE notes SET LOGGED",
    "ALTER INDEX notes SET TABLESPACE fast",
    "CLUSTER notes USING ix",
    "VACUUM FULL notes",
    "VACUUM (VERBOSE, FULL) notes",
    "REFRESH MATERIALIZED VIEW notes",
    "DO $$ BEGIN ALTER TYPE notes RENAME TO \"notes__old\"; CREATE TYPE notes AS ENUM ('a'); END $$",
]

FORBIDDEN = {
    "CREATE TRIGGER t BEFORE INSERT ON notes": "trigger",
    "SELECT set_config('a', 'b', true)": "set_config",
    "ALTER TABLE notes ADD CONSTRAINT fk FOREIGN KEY(a) REFERENCES b (a) ON DELETE SET NULL NOT VALID": "SET|sets NULL",
    f"CREATE TABLE {'x' * 55} (a INT)": "54 characters",
}


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_holds_nobody_up_is_not_warned_of(statement: str) -> None:
    """It takes a lock, briefly or one that lets others work."""
    (found,) = _of_notes(statement)
    assert ("notes", HARMLESS[statement], False, None) == (
        found.table,
        found.lock,
        found.rewrites,
        found.warning,
    )


@pytest.mark.parametrize("statement", HARMFUL)
def test_what_holds_others_up_is_warned_of(statement: str) -> None:
    """With what to write instead, on a table that was there before."""
    lock, word = HARMFUL[statement]
    (found,) = _of_notes(statement)
    assert ("notes", lock) == (found.table, found.lock)
    assert word in (found.warning or "")
    assert [] == [
        effect for effect in effects(f"CREATE TABLE notes (a INT);\n{statement};") if effect.table == "notes"
    ]


@pytest.mark.parametrize("statement", REWRITING)
def test_what_writes_every_row_is_told(statement: str) -> None:
    """A change of type may, and what is computed for every row does."""
    (found,) = effects(statement + ";")
    assert ("notes", True, True) == (found.table, found.rewrites, found.warning is not None)


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_what_the_house_forbids_is_told_of_new_tables_too(statement: str) -> None:
    """Triggers, set_config(), SET NULL and long names."""
    tables = "CREATE TABLE notes (a INT);\nCREATE TABLE b (a INT);\n"
    warnings = [effect.warning or "" for effect in effects(f"{tables}{statement};")]
    assert [True] == [
        any(word in warning for word in FORBIDDEN[statement].split("|")) for warning in warnings
    ]


def _of_notes(statement: str) -> list[Effect]:
    return [effect for effect in effects(statement + ";") if effect.table == "notes"]


def test_what_is_referred_to_is_locked_as_well() -> None:
    """A foreign key, added or of a new table, locks the other table too; not one that the script makes."""
    script = """
        CREATE TABLE lines (a INT, CONSTRAINT fk FOREIGN KEY(a) REFERENCES "notes" (a), FOREIGN KEY(a) REFERENCES lines (a));
        ALTER TABLE lines ADD CONSTRAINT fk2 FOREIGN KEY(a) REFERENCES others (a) NOT VALID;"""
    told = [("notes", SHARE_ROW_EXCLUSIVE), ("others", SHARE_ROW_EXCLUSIVE)]
    assert told == [(effect.table, effect.lock) for effect in effects(script)]


def test_each_thing_that_a_statement_does_is_told() -> None:
    """Of an ALTER TABLE that does several; a comma within parentheses or a text parts nothing."""
    (drop, check, numeric) = effects(
        "ALTER TABLE notes DROP CONSTRAINT ck, ADD CONSTRAINT ck CHECK (a IN (1, 2) AND b <> 'x, y'),"
        ' ALTER COLUMN "a, b" TYPE NUMERIC(8, 2);'
    )
    assert (None, True, True) == (drop.warning, "NOT VALID" in (check.warning or ""), numeric.rewrites)


def test_what_is_done_in_batches_is_told() -> None:
    """A script has no way to say it but a comment."""
    (found,) = effects("-- In batches: UPDATE notes SET a = 1\nSELECT 1;")
    assert ("notes", "ROW EXCLUSIVE", None) == (found.table, found.lock, found.warning)


def test_an_index_is_told_by_its_table() -> None:
    """One that is dropped and made again; of one of another script only its name is known."""
    script = "DROP INDEX CONCURRENTLY ix; CREATE INDEX CONCURRENTLY ix ON notes (a); DROP INDEX iy;"
    assert ["notes", "notes", "iy"] == [effect.table for effect in effects(script)]
    assert ["iy"] == [effect.table for effect in effects("CREATE TABLE notes (a INT);" + script)]


def test_not_null_that_a_check_has_proven_is_brief() -> None:
    """PostgreSQL trusts the CHECK, and looks at no row."""
    script = """
        ALTER TABLE "notes" ADD CONSTRAINT ck CHECK ("a" IS NOT NULL) NOT VALID;
        ALTER TABLE "notes" VALIDATE CONSTRAINT ck;
        ALTER TABLE "notes" ALTER COLUMN "a" SET NOT NULL;"""
    assert [None] * 3 == [effect.warning for effect in effects(script)]


def test_statements_are_told_apart() -> None:
    """Semicolons in texts, comments and bodies end nothing; each belongs to the revision above it."""
    script = """BEGIN;
-- Running upgrade  -> 0001
-- a; comment
INSERT INTO a VALUES ('x;y', "b;c");
DO $$ BEGIN PERFORM 1; END $$;
-- Running upgrade 0001 -> 0002
DROP TABLE a;
"""
    assert [
        ("", "BEGIN"),
        ("0001", "INSERT INTO a VALUES ('x;y', \"b;c\")"),
        ("0001", "DO $$ BEGIN PERFORM 1; END $$"),
        ("0002", "DROP TABLE a"),
    ] == list(statements(script))
