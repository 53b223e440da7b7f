"""The package keeps the rules of ``rules.py``, and each rule bites on a bad example of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.lints import Module, offences
from tests.architecture.rules import FORBIDDEN_SQL, KEY_PREFIXES, RULES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "focal_data"
FUTURE = "from __future__ import annotations\n"

BAD = [
    ("statements-elsewhere", "cli/x.py", "from sqlmodel import select\nselect(1)"),
    ("statements-elsewhere", "cli/x.py", "from sqlalchemy import text as raw\nraw('SELECT 1')"),
    ("statements-elsewhere", "cli/x.py", "import sqlalchemy as sa\nsa.delete(table)"),
    ("statements-elsewhere", "unit_of_work.py", "async def f(tx): await tx.execute('SELECT 1')"),
    ("statements-elsewhere", "cli/x.py", "async def f(c, sql): return await c.fetchval(sql)"),
    ("transactions-elsewhere", "repositories/x.py", "async def f(c): await c.commit()"),
    ("transactions-elsewhere", "repositories/x.py", "async def f(c):\n  async with c.begin(): ..."),
    ("transactions-elsewhere", "database/engine.py", "async def f(c): await c.execute('ROLLBACK')"),
    ("transactions-elsewhere", "database/engine.py", "SQL = f'BEGIN;SET LOCAL x = {y}'"),
    (
        "transactions-elsewhere",
        "database/engine.py",
        "SQL = 'start transaction isolation level serializable'",
    ),
    ("tenantless-repository", "repositories/x.py", "class NoteRepository: ..."),
    ("tenantless-repository", "cli/x.py", "class NoteRepository(Generic[T]): ..."),
    ("unscoped-statement", "repositories/x.py", "from sqlalchemy import select\nALL = select(table)"),
    (
        "unscoped-statement",
        "repositories/x.py",
        "from sqlalchemy import select\nrows = select(t).cte('nearest')",
    ),
    (
        "unscoped-statement",
        "repositories/x.py",
        "from sqlalchemy import select\nclass R(BaseRepository):\n  def f(self): return select(table)",
    ),
    ("keys-elsewhere", "redis/session.py", "key = 'focal:x'"),
    ("keys-elsewhere", "cli/x.py", "key = f'ideation:session:{id}'"),
    ("keys-composed", "redis/session.py", "key = f'{prefix}:{tenant}'"),
    ("keys-composed", "redis/session.py", "key = f's:{{{tenant}:{session}}}:hot'"),
    ("keys-composed", "redis/session.py", "key = ':'.join(parts)"),
    ("keys-composed", "redis/session.py", "key = b'%b:%b' % (a, b)"),
    ("keys-composed", "redis/session.py", "key = tenant + b':' + session"),
    ("keys-elsewhere", "redis/session.py", "key = b'focal:x'"),
    ("forbidden-sql", "database/x.py", "SQL = \"SELECT set_config('a', 'b', true)\""),
    ("forbidden-sql", "repositories/x.py", "from sqlalchemy import func\nfunc.set_config('a', 'b')"),
    ("forbidden-sql", "migration/x.py", "SQL = 'CREATE OR REPLACE TRIGGER t BEFORE UPDATE'"),
    ("forbidden-sql", "repositories/x.py", "SQL = 'SELECT $1::text::vector'"),
    ("forbidden-sql", "repositories/x.py", "SQL = 'SELECT $1::text :: halfvec(3)'"),
    ("forbidden-sql", "repositories/x.py", "SQL = f'ON CONFLICT {x}\\nDO UPDATE\\nSET updated_at = now()'"),
    ("forbidden-sql", "repositories/x.py", "SQL = 'on conflict do update set t = CURRENT_TIMESTAMP'"),
    ("forbidden-sql", "repositories/x.py", "insert(t).on_conflict_do_update(set_={'at': func.now()})"),
    ("print", "repositories/x.py", "print(1)"),
    ("swallowed-exception", "x.py", "try: f()\nexcept Exception: pass"),
    ("swallowed-exception", "x.py", "try: f()\nexcept: ..."),
    (
        "swallowed-exception",
        "x.py",
        "for i in x:\n  try: f()\n  except (ValueError, BaseException): continue",
    ),
    ("swallowed-exception", "x.py", "with contextlib.suppress(Exception): f()"),
    ("postponed-annotations", "tables/x.py", "from __future__ import annotations"),
    ("eager-annotations", "domain/x.py", "x = 1"),
    ("work-at-the-door", "__init__.py", "from focal_data.errors import FocalDataError"),
    ("work-at-the-door", "__init__.py", "logger = get_logger()"),
    ("work-at-the-door", "__init__.py", "names = sorted(read('names'))"),
    ("work-at-the-door", "__init__.py", "import os"),
    (
        "work-at-the-door",
        "__init__.py",
        "if TYPE_CHECKING:\n  from a import A\nelse:\n  from focal_data.a import A",
    ),
    ("through-the-door", "domain/x.py", "from focal_data import DataLayer"),
    ("through-the-door", "domain/x.py", "import focal_data"),
]

GOOD = [
    (
        "__init__.py",
        "MODULES = dict(sorted((name, m) for m, names in NAMES.items() for name in names.split()))",
    ),
    ("repositories/x.py", "from sqlalchemy import union_all\nBOTH = union_all(*arms)"),
    ("alembic/versions/x.py", "import sqlalchemy as sa\nop.f(server_default=sa.text('0'))"),
    (
        "repositories/x.py",
        "from sqlalchemy import select\ndef _own(): return c.tenant_id == 1\nOWN = select(t).where(_own())",
    ),
    ("repositories/x.py", "from focal_data.domain import base\nimport focal_data.errors"),
    ("repositories/x.py", "from sqlalchemy import select\nOWN = select(t).where(t.c.tenant_id == tenant)"),
    ("repositories/x.py", "class NoteRepository(TenantRepository[NoteTable, Note]): ..."),
    ("database/scope.py", "async def f(c): await c.execute('COMMIT')"),
    ("unit_of_work.py", "async def f(store, note): await store.delete(note); await store.update(note)"),
    ("redis/session.py", "async def f(pipeline): await pipeline.execute()"),
    ("redis/session.py", "raise E(f'{key}: corrupt')"),
    ("redis/keys.py", "def f(tenant): return f'focal:{tenant}'"),
    ("repositories/x.py", "SQL = 'INSERT … VALUES (now()) ON CONFLICT DO UPDATE SET at = EXCLUDED.at'"),
    ("repositories/x.py", "'''No set_config(, and no trigger.'''\n" + FUTURE),
    ("cli/x.py", "print(1)"),
    ("x.py", "try: f()\nexcept Exception: raise"),
    ("x.py", "try: f()\nexcept KeyError: pass"),
    ("tables/x.py", "x: int = 1"),
    ("domain/__init__.py", '"""Nothing but a docstring."""'),
    (
        "__init__.py",
        "from typing import TYPE_CHECKING\n__all__ = ['A']\nif TYPE_CHECKING:\n  from a import A",
    ),
]


def _found(path: str, source: str) -> set[str]:
    return {offence.rule for offence in offences(Module(path, source), RULES)}


@pytest.mark.parametrize(("rule", "path", "source"), BAD)
def test_a_bad_example_is_found(rule: str, path: str, source: str) -> None:
    """Every rule finds the bad examples of its kind."""
    assert rule in _found(path, source)


@pytest.mark.parametrize(("path", "source"), GOOD)
def test_a_good_example_passes(path: str, source: str) -> None:
    """What the house does is no offence."""
    future = "" if path.startswith("tables/") or "__future__" in source else FUTURE
    assert set() == _found(path, source if source.startswith('"""') else future + source)


def test_every_rule_has_a_bad_example() -> None:
    """A rule without a bad example would be a rule that nobody saw bite."""
    assert {rule.name for rule in RULES} == {name for name, _, _ in BAD}


def _sources() -> list[Module]:
    package = [Module(p.relative_to(PACKAGE).as_posix(), p.read_text()) for p in PACKAGE.rglob("*.py")]
    revisions = [Module(p.relative_to(ROOT).as_posix(), p.read_text()) for p in ROOT.glob("alembic/**/*.py")]
    return package + revisions


def test_the_package_keeps_the_rules() -> None:
    """Nothing in the package or in a revision breaks a rule without saying why."""
    assert [] == [str(offence) for module in _sources() for offence in offences(module, RULES)]


def test_scripts_take_their_keys_from_outside() -> None:
    """A Lua script names no key of its own: the keys are given to it."""
    scripts = [p for p in PACKAGE.rglob("*.lua") if any(prefix in p.read_text() for prefix in KEY_PREFIXES)]
    assert [] == scripts


def test_sql_files_keep_the_rules() -> None:
    """What is forbidden in a string is forbidden in a file as well."""
    texts = {
        p: p.read_text()
        for p in (*PACKAGE.rglob("*.sql"), *PACKAGE.rglob("*.mako"), *ROOT.glob("alembic/*.mako"))
    }
    broken = [
        p.name for p, text in texts.items() if any(pattern.search(text) for pattern, _ in FORBIDDEN_SQL)
    ]
    assert [] == broken


@pytest.mark.parametrize(
    "source",
    [
        "print(1)  # lint: allow print because the user asked",
        "# lint: allow print because the user asked\nprint(1)",
    ],
)
def test_a_waiver_with_a_reason_excuses_its_line(source: str) -> None:
    """A waiver on the line, or alone above it, excuses that rule there."""
    assert set() == _found("x.py", FUTURE + source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("print(1)  # lint: allow print", {"print", "waiver"}),
        ("print(1)  # lint: allow print because ", {"print", "waiver"}),
        ("print(1)  # lint: allow keys-elsewhere because of this", {"print", "waiver"}),
        ("x = 1  # lint: allow print because it once did", {"waiver"}),
        ("print(1)\nprint(2)  # lint: allow print because of this", {"print"}),
        ("x = '# lint: allow print because of this'; print(1)", {"print"}),
    ],
)
def test_a_waiver_that_does_not_hold_is_an_offence(source: str, expected: set[str]) -> None:
    """A waiver needs a reason and an offence, and excuses nothing else."""
    assert expected == _found("x.py", FUTURE + source)
