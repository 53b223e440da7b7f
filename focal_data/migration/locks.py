"""What the statements of a migration lock, which of them write a table anew, and which should be written otherwise.

It reads SQL as Alembic prints it (``alembic upgrade … --sql``), so it judges what would run, whoever wrote the revision.
The locks are those of PostgreSQL 16: manual, 13.3.1 and ALTER TABLE.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

ACCESS_EXCLUSIVE, SHARE, SHARE_ROW_EXCLUSIVE = "ACCESS EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE"
SHARE_UPDATE_EXCLUSIVE: Final = "SHARE UPDATE EXCLUSIVE"
"""Of all these the one that lets everybody read and write."""

MAX_NAME: Final = 54


@dataclass(frozen=True, slots=True)
class Effect:
    """What one statement does to a table that was there before."""

    revision: str
    table: str
    lock: str
    rewrites: bool
    """Whether it writes every row anew, or may have to: a change of type does unless PostgreSQL knows better."""
    warning: str | None
    """What should be written otherwise on a live system; ``None`` where nothing should."""
    statement: str
    """Its beginning."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Statements like ``pattern``, whose group ``table`` is locked, except those like ``unless``."""

    pattern: re.Pattern[str]
    lock: str
    rewrites: bool = False
    warning: str | None = None


def _rule(pattern: str, lock: str, *, rewrites: bool = False, warning: str | None = None) -> _Rule:
    name = r'(?P<table>"(?:[^"]|"")+"|[\w.]+)'
    text = pattern.replace("<table>", name).replace("<name>", name.replace("?P<table>", "?:"))
    return _Rule(re.compile(text.replace(" ", r"\s+"), re.IGNORECASE | re.DOTALL), lock, rewrites, warning)


_RULES: Final = (  # the first that matches
    _rule("CREATE (UNIQUE )?INDEX CONCURRENTLY .*? ON (ONLY )?<table>", SHARE_UPDATE_EXCLUSIVE),
    _rule("CREATE (UNIQUE )?INDEX .*? ON ONLY <table>", SHARE),  # of a partitioned table: of nothing
    _rule(
        "CREATE (UNIQUE )?INDEX .*? ON <table>",
        SHARE,
        warning="builds an index while nobody can write: CONCURRENTLY, in a revision of its own",
    ),
    _rule("DROP INDEX CONCURRENTLY (IF EXISTS )?<table>", SHARE_UPDATE_EXCLUSIVE),
    _rule("DROP INDEX (IF EXISTS )?<table>", ACCESS_EXCLUSIVE),
    _rule("DROP TABLE (IF EXISTS )?<table>", ACCESS_EXCLUSIVE, warning="drops a table: its rows are lost"),
    _rule("ALTER TABLE <table> VALIDATE", SHARE_UPDATE_EXCLUSIVE),
    _rule("ALTER TABLE <table> ADD CONSTRAINT .*FOREIGN KEY.*NOT VALID", SHARE_ROW_EXCLUSIVE),
    _rule(
        "ALTER TABLE <table> ADD (CONSTRAINT .*)?FOREIGN KEY",
        SHARE_ROW_EXCLUSIVE,
        warning="looks at every row while nobody can write: NOT VALID, then VALIDATE CONSTRAINT in a later revision",
    ),
    _rule("ALTER TABLE <table> ADD CONSTRAINT .*CHECK.*NOT VALID", ACCESS_EXCLUSIVE),
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
        "ALTER TABLE <table> ADD (COLUMN )?<name> .*"
        r"(GENERATED ALWAYS AS|SERIAL|AS IDENTITY|gen_random_uuid\(|random\(|clock_timestamp\(|nextval\()",
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning="writes every row anew: a column without it, filled in batches",
    ),
    _rule(
        "ALTER TABLE <table> ADD COLUMN (?!.*DEFAULT).*NOT NULL",
        ACCESS_EXCLUSIVE,
        warning="fails when there are rows: give it a default, or fill it first",
    ),
    _rule(
        "ALTER TABLE <table> DROP (COLUMN )(IF EXISTS )?<name>",
        ACCESS_EXCLUSIVE,
        warning="drops a column: the release before must not use it any more",
    ),
    _rule(
        "ALTER TABLE <table> ALTER (COLUMN )?<name> (SET DATA )?TYPE",
        ACCESS_EXCLUSIVE,
        rewrites=True,
        warning="may write every row anew: a new column, filled in batches, unless the type is only widened",
    ),
    _rule("ALTER TABLE <table>", ACCESS_EXCLUSIVE),
    _rule("(CREATE|ALTER|DROP) POLICY .*? ON <table>", ACCESS_EXCLUSIVE),
    _rule("In batches: (UPDATE|DELETE FROM|INSERT INTO) <table>", "ROW EXCLUSIVE"),
    _rule(
        "(UPDATE|DELETE FROM|INSERT INTO) <table>",
        "ROW EXCLUSIVE",
        warning="changes rows: in batches of their own, not in a migration",
    ),
)

_ALWAYS_WRONG: Final = (
    (re.compile(r"CREATE\s+(OR\s+REPLACE\s+)?(CONSTRAINT\s+)?TRIGGER", re.IGNORECASE), "makes a trigger"),
    (
        re.compile(r"set_config\s*\(", re.IGNORECASE),
        "calls set_config, which is not sent to the workers: SET LOCAL",
    ),
    (
        re.compile(r"ON\s+DELETE\s+SET\s+(NULL|DEFAULT)", re.IGNORECASE),
        "a foreign key that sets NULL: CASCADE or RESTRICT",
    ),
    (re.compile(r"ON\s+UPDATE\s+(CASCADE|SET)", re.IGNORECASE), "a foreign key with ON UPDATE"),
    (
        re.compile(rf'(?:CONSTRAINT|INDEX|TABLE)\s+"?\w{{{MAX_NAME + 1},}}', re.IGNORECASE),
        f"a name of more than {MAX_NAME} characters",
    ),
)
"""What the rules of the house forbid in any table, new or not."""

_SET_NOT_NULL: Final = re.compile(
    r"ALTER\s+TABLE\s+(?P<table>\S+)\s+ALTER\s+(?:COLUMN\s+)?(?P<column>\S+)\s+SET\s+NOT\s+NULL",
    re.IGNORECASE,
)
_PROVEN: Final = re.compile(
    r"ALTER\s+TABLE\s+(?P<table>\S+)\s+ADD\s+CONSTRAINT.*CHECK\s*\(\(*(?P<column>\S+)\s+IS\s+NOT\s+NULL\)",
    re.IGNORECASE | re.DOTALL,
)
_ALTER: Final = re.compile(r"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?\S+\s+", re.IGNORECASE)
_REFERRED: Final = re.compile(r"\sREFERENCES\s+([^\s(,]+)", re.IGNORECASE)
_BATCHED: Final = re.compile(r"^-- (In batches: (?:UPDATE|DELETE FROM|INSERT INTO) .*)", re.MULTILINE)
"""What a revision says in a script of what it does otherwise: rows changed in batches that are committed one by one."""
_MADE: Final = re.compile(r"CREATE\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?P<table>\S+)", re.IGNORECASE)
_INDEX: Final = re.compile(
    r"CREATE\s+(?:UNIQUE\s+)?INDEX\s+(?:CONCURRENTLY\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?P<index>\S+)\s+ON\s+"
    r"(?:ONLY\s+)?(?P<table>[^\s(]+)",
    re.IGNORECASE,
)
_REVISION: Final = re.compile(r"^-- Running (?:up|down)grade\s+(\S*)\s*-> (\S*)", re.MULTILINE)
_TOKEN: Final = re.compile(
    r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|;|[^;'\"$-]+|.", re.DOTALL
)


def effects(script: str, *, ours: str = "") -> list[Effect]:
    """What ``script`` does to tables that it doesn't make itself, in order; the version table ``ours`` is left out.

    An index that is dropped is told by its table where the script has made it or makes it again, or else by its own name.
    """
    every = list(statements(_BATCHED.sub(r"\1;", script)))
    indexes = {
        _bare(match["index"]): _bare(match["table"]) for _, text in every if (match := _INDEX.match(text))
    }
    made = {ours} - {""}
    proven: set[tuple[str, str]] = set()
    found: list[Effect] = []
    for revision, statement in every:
        if match := _MADE.match(statement):
            made.add(_bare(match["table"]))
        if match := _PROVEN.match(statement):
            proven.add((_bare(match["table"]), _bare(match["column"])))
        for command in _commands(statement):
            told = _effects(revision, command, lambda key: key in proven)
            placed = (replace(effect, table=indexes.get(effect.table, effect.table)) for effect in told)
            found += (effect for effect in placed if effect.table not in made)
        found += _on_referred(revision, statement, made)
    return found


def _on_referred(revision: str, statement: str, made: set[str]) -> Iterator[Effect]:
    """A foreign key locks the table that it refers to as well, for a moment."""
    if _MADE.match(statement) or _ALTER.match(statement):
        for table in sorted({_bare(name) for name in _REFERRED.findall(statement)} - made):
            yield Effect(revision, table, SHARE_ROW_EXCLUSIVE, False, None, _beginning(statement))


def _commands(statement: str) -> Iterator[str]:
    """Of an ALTER TABLE that does several things, each as a statement of its own."""
    match = _ALTER.match(statement)
    if match is None:
        yield statement
        return
    depth, parts = 0, [""]
    for token in _TOKEN.finditer(statement[match.end() :]):
        for text in re.split(r"([(),])", token[0]) if token[0][0] not in "$'\"" else [token[0]]:
            depth += (text == "(") - (text == ")")
            if text == "," and depth == 0:
                parts.append("")
            else:
                parts[-1] += text
    yield from (f"{match[0]}{part.strip()}" for part in parts)


def _effects(revision: str, statement: str, is_proven: Callable[[tuple[str, str]], bool]) -> Iterator[Effect]:
    beginning = _beginning(statement)
    for pattern, wrong in _ALWAYS_WRONG:
        if pattern.search(statement):
            yield Effect(revision, "", "", False, wrong, beginning)
    for rule in _RULES:
        match = rule.pattern.match(statement)
        if match is None:
            continue
        warning = rule.warning or _unproven(statement, is_proven)
        yield Effect(revision, _bare(match["table"]), rule.lock, rule.rewrites, warning, beginning)
        return


def _beginning(statement: str) -> str:
    return " ".join(statement.split())[:120]


def _unproven(statement: str, is_proven: Callable[[tuple[str, str]], bool]) -> str | None:
    match = _SET_NOT_NULL.match(statement)
    if match is None or is_proven((_bare(match["table"]), _bare(match["column"]))):
        return None
    return "looks at every row while nobody can read: op.set_not_null, outside a transaction"


def statements(script: str) -> Iterator[tuple[str, str]]:
    """Each statement with the revision it belongs to, without comments."""
    revision, parts = "", []
    for token in _TOKEN.finditer(script):
        text = token[0]
        if match := _REVISION.match(text):
            revision = match[2] or match[1]
        if text.startswith("--"):
            continue
        if text != ";":
            parts.append(text)
        elif statement := "".join(parts).strip():
            yield revision, statement
            parts = []
        else:
            parts = []


def _bare(name: str) -> str:
    return name.rpartition(".")[2].strip('"();,')
