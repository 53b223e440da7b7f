"""What single statements lock, by their form; ``locks`` reads scripts with it. The locks are those of PostgreSQL 16."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

ACCESS_EXCLUSIVE, EXCLUSIVE, SHARE, SHARE_ROW_EXCLUSIVE = (
    "ACCESS EXCLUSIVE",
    "EXCLUSIVE",
    "SHARE",
    "SHARE ROW EXCLUSIVE",
)
ROW_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE = "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"
"""Of all these the two that let everybody read and write."""

_IDENTIFIER: Final = r'(?:"(?:[^"]|"")+"|\w+)'
NAME: Final = rf"{_IDENTIFIER}(?:\.{_IDENTIFIER})?"
"""Of a table, with its schema or without."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Statements like ``pattern``, whose group ``table`` is locked."""

    pattern: re.Pattern[str]
    lock: str
    rewrites: bool = False
    warning: str | None = None


def _rule(pattern: str, lock: str, *, rewrites: bool = False, warning: str | None = None) -> Rule:
    text = pattern.replace("ALTER TABLE <table>", "ALTER TABLE (IF EXISTS )?(ONLY )?<table>")
    text = text.replace(" ", r"\s+").replace("<table>", f"(?P<table>{NAME})").replace("<name>", NAME)
    return Rule(re.compile(text, re.IGNORECASE | re.DOTALL), lock, rewrites, warning)


_COLUMN: Final = "ALTER TABLE <table> ADD (COLUMN )?(IF NOT EXISTS )?(?!CONSTRAINT\\b)<name> "
_CHANGED: Final = "changes rows: in batches of their own, not in a migration"
_BUILT: Final = "builds an index while nobody can write: CONCURRENTLY, in a revision of its own"
_MOVED: Final = (
    "writes every row anew while nobody can read: outside a migration, when nobody needs the table"
)
_VOLATILE: Final = (
    r"(GENERATED ALWAYS AS|SERIAL|AS IDENTITY|uuid\w*\(|random\w*\(|clock_timestamp\(|timeofday\(|nextval\()"
)

RULES: Final = (  # the first that matches
    _rule("CREATE (UNIQUE )?INDEX CONCURRENTLY (.*? )?ON (ONLY )?<table>", SHARE_UPDATE_EXCLUSIVE),
    _rule("CREATE (UNIQUE )?INDEX (.*? )?ON ONLY <table>", SHARE),  # of a partitioned table: of nothing
    _rule("CREATE (UNIQUE )?INDEX (.*? )?ON <table>", SHARE, warning=_BUILT),
    _rule("DROP INDEX CONCURRENTLY (IF EXISTS )?<table>", SHARE_UPDATE_EXCLUSIVE),
    _rule("DROP INDEX (IF EXISTS )?<table>", ACCESS_EXCLUSIVE),
    _rule("DROP TABLE (IF EXISTS )?<table>", ACCESS_EXCLUSIVE, warning="drops a table: its rows are lost"),
    _rule("DROP SCHEMA (IF EXISTS )?<table>", ACCESS_EXCLUSIVE, warning="drops a schema, with all in it"),
    _rule("REINDEX .*CONCURRENTLY <table>", SHARE_UPDATE_EXCLUSIVE),
    _rule(
        r"REINDEX (\([^)]*\) )?(TABLE|INDEX|SCHEMA|DATABASE|SYSTEM) <table>",
        SHARE,
        warning="builds indexes while nobody can write: REINDEX … CONCURRENTLY",
    ),
    _rule("ALTER INDEX (IF EXISTS )?<table> SET TABLESPACE", ACCESS_EXCLUSIVE, rewrites=True, warning=_MOVED),
    _rule(
        "TRUNCATE (TABLE )?(ONLY )?<table>",
        ACCESS_EXCLUSIVE,
        warning="empties a table: its rows are lost, also on the way down",
    ),
    _rule(
        "LOCK (TABLE )?(ONLY )?<table>",
        ACCESS_EXCLUSIVE,
        warning="holds a table to the end of the transaction: leave that to the statements that need it",
    ),
    _rule(r"CLUSTER (\([^)]*\) )?(VERBOSE )?<table>", ACCESS_EXCLUSIVE, rewrites=True, warning=_MOVED),
    _rule(
        r"VACUUM (FULL|\([^)]*\bFULL\b[^)]*\)) ((VERBOSE|ANALYZE|FREEZE) )*<table>",
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning=_MOVED,
    ),
    _rule("REFRESH MATERIALIZED VIEW CONCURRENTLY <table>", EXCLUSIVE),
    _rule(
        "REFRESH MATERIALIZED VIEW <table>",
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning="makes it anew while nobody can read: CONCURRENTLY, outside a migration",
    ),
    _rule(
        'ALTER TYPE <table> RENAME TO "?[^;]*__old"?$',
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning="makes an enumeration anew: every table with a column of it is written anew",
    ),
    _rule("ALTER TABLE <table> VALIDATE", SHARE_UPDATE_EXCLUSIVE),
    _rule("ALTER TABLE <table> ADD CONSTRAINT .*FOREIGN KEY.*NOT VALID", SHARE_ROW_EXCLUSIVE),
    _rule(
        "ALTER TABLE <table> ADD (CONSTRAINT .*)?FOREIGN KEY",
        SHARE_ROW_EXCLUSIVE,
        warning="looks at every row while nobody can write: NOT VALID, then VALIDATE CONSTRAINT in a later revision",
    ),
    _rule("ALTER TABLE <table> ADD (CONSTRAINT <name> )?CHECK.*NOT VALID", ACCESS_EXCLUSIVE),
    _rule(
        "ALTER TABLE <table> ADD (CONSTRAINT .*)?CHECK",
        ACCESS_EXCLUSIVE,
        warning="looks at every row while nobody can read: NOT VALID, then VALIDATE CONSTRAINT in a later revision",
    ),
    _rule("ALTER TABLE <table> ADD CONSTRAINT .*USING INDEX", ACCESS_EXCLUSIVE),
    _rule(
        "ALTER TABLE <table> ADD (CONSTRAINT .*)?(UNIQUE|PRIMARY KEY)",
        ACCESS_EXCLUSIVE,
        warning="builds an index while nobody can read: a unique index CONCURRENTLY, then ADD CONSTRAINT … USING INDEX",
    ),
    _rule(
        "ALTER TABLE <table> ADD (CONSTRAINT .*)?EXCLUDE",
        ACCESS_EXCLUSIVE,
        warning="builds an index while nobody can read: when nobody needs the table",
    ),
    _rule(
        f"{_COLUMN}.*{_VOLATILE}",
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning="writes every row anew: a column without it, filled in batches",
    ),
    _rule(
        rf"{_COLUMN}.*\b(UNIQUE|PRIMARY KEY|CHECK|REFERENCES)\b",
        ACCESS_EXCLUSIVE,
        warning="looks at every row while nobody can read: the column first, the constraint by itself",
    ),
    _rule(
        f"{_COLUMN}(?!.*DEFAULT).*NOT NULL",
        ACCESS_EXCLUSIVE,
        warning="fails when there are rows: give it a default, or fill it first",
    ),
    _rule(
        r"ALTER TABLE <table> DROP (COLUMN )?(IF EXISTS )?(?!CONSTRAINT\b)<name>",
        ACCESS_EXCLUSIVE,
        warning="drops a column: the release before must not use it any more",
    ),
    _rule(
        "ALTER TABLE <table> ALTER (COLUMN )?<name> (SET DATA )?TYPE",
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning="may write every row anew: a new column, filled in batches, unless the type is only widened",
    ),
    _rule(
        "ALTER TABLE <table> SET (TABLESPACE|LOGGED|UNLOGGED|ACCESS METHOD)",
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning=_MOVED,
    ),
    _rule(
        r"ALTER TABLE <table> RENAME (?!CONSTRAINT\b)",
        ACCESS_EXCLUSIVE,
        warning="renames what the release before still calls by its old name",
    ),
    _rule(
        "ALTER TABLE <table> ATTACH PARTITION",
        SHARE_UPDATE_EXCLUSIVE,
        warning="looks at every row of the partition, unless a CHECK that is validated has proven them",
    ),
    _rule("ALTER TABLE <table> DETACH PARTITION .*CONCURRENTLY", SHARE_UPDATE_EXCLUSIVE),
    _rule(r"ALTER TABLE <table> (RE)?SET \(", SHARE_UPDATE_EXCLUSIVE),
    _rule("ALTER TABLE <table> ALTER (COLUMN )?<name> SET STATISTICS", SHARE_UPDATE_EXCLUSIVE),
    _rule("ALTER TABLE <table>", ACCESS_EXCLUSIVE),
    _rule("(CREATE|ALTER|DROP) POLICY .*? ON <table>", ACCESS_EXCLUSIVE),
    _rule("In batches: (UPDATE|DELETE FROM|INSERT INTO) <table>", ROW_EXCLUSIVE),
    _rule(
        r"(WITH .*(?<!FOR\s))?\b(UPDATE|DELETE FROM|INSERT INTO|MERGE INTO) (ONLY )?<table>",
        ROW_EXCLUSIVE,
        warning=_CHANGED,
    ),
    _rule(r"COPY <table> (\(.*\) )?FROM", ROW_EXCLUSIVE, warning=_CHANGED),
)
