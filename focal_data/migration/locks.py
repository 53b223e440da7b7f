"""What the statements of a migration lock, which of them write a table anew, and which should be written otherwise.

It reads SQL as Alembic prints it (``alembic upgrade … --sql``), so it judges what would run, whoever wrote the revision; of a
DO block what stands in it, and not what it makes up.
The locks are those of PostgreSQL 16: manual, 13.3.1 and ALTER TABLE.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from focal_data.migration.lock_rules import (
    ACCESS_EXCLUSIVE,
    NAME,
    RULES,
    SHARE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
)

__all__ = [
    "ACCESS_EXCLUSIVE",
    "MAX_NAME",
    "SHARE",
    "SHARE_ROW_EXCLUSIVE",
    "SHARE_UPDATE_EXCLUSIVE",
    "Effect",
    "effects",
    "statements",
]

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
_ALTER: Final = re.compile(rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?(?:ONLY\s+)?{NAME}\s+", re.IGNORECASE)
_SEVERAL: Final = re.compile(
    r"(?:DROP\s+(?:TABLE|INDEX(?:\s+CONCURRENTLY)?|SCHEMA)(?:\s+IF\s+EXISTS)?|TRUNCATE(?:\s+TABLE)?|LOCK(?:\s+TABLE)?)\s+",
    re.IGNORECASE,
)
"""What has a list of tables behind it, of which each is locked."""
_BLOCK: Final = re.compile(r"DO\s+(?:LANGUAGE\s+\w+\s+)?(\$\w*\$)(?P<body>.*)\1", re.IGNORECASE | re.DOTALL)
_INNER: Final = re.compile(r"\b(?:BEGIN|THEN|ELSE|LOOP)\b|;", re.IGNORECASE)
_TEXT: Final = re.compile(r"'(?:[^']|'')*'")
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
    """Of a statement that does several things, or does it to several tables, each as a statement of its own."""
    if block := _BLOCK.match(statement):
        yield statement
        for part in _INNER.split(_TEXT.sub("''", block["body"])):
            yield from _commands(part.strip())
        return
    match = _ALTER.match(statement) or _SEVERAL.match(statement)
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
    plain = _TEXT.sub("''", statement)
    for rule in RULES:
        match = rule.pattern.match(plain)
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
    parts: list[str] = re.findall(r'"(?:[^"]|"")+"|[^".]+', name)
    return (parts or [name])[-1].strip('"();,')
