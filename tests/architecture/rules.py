"""Rules of the house that a parser can check; ``test_rules.py`` shows that each of them bites."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from tests.architecture.lints import Finding, Module, Rule


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


PACKAGES: Final = ("sa", "sqlalchemy", "sqlmodel")
BUILDERS: Final = {
    "delete",
    "except_",
    "exists",
    "insert",
    "intersect",
    "select",
    "text",
    "union",
    "union_all",
    "update",
}
RUNNERS: Final = {
    *("exec", "exec_driver_sql", "execute", "execute_many", "executemany"),
    *("fetch", "fetch_row", "fetchrow", "fetchval", "scalar", "scalars"),
}


def _builders(module: Module) -> Iterator[ast.Call]:
    """Calls of SQLAlchemy's statement builders, by whatever name they were imported."""
    names = module.imported(*PACKAGES)
    for call in module.calls():
        function = call.func
        if isinstance(function, ast.Name):
            builds = names.get(function.id) in BUILDERS
        else:
            builds = ast.unparse(function).partition(".")[0] in PACKAGES and _called(call) in BUILDERS
        if builds:
            yield call


def statements_elsewhere(module: Module) -> Iterator[Finding]:
    for call in _builders(module):
        yield call.lineno, f"{_called(call)}() builds a statement: that is a repository's work"
    for call in module.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in RUNNERS and call.args:
            yield call.lineno, f".{call.func.attr}(…) runs a statement: that is a repository's work"


TRANSACTION_CALLS: Final = {"begin", "begin_nested", "commit", "rollback"}
TRANSACTION_SQL: Final = re.compile(
    r"\s*(begin|commit|rollback|savepoint|start\s+transaction)\b"
    r"\s*($|;|transaction\b|work\b|to\s|and\s|isolation\b|read\b|\{)",
    re.IGNORECASE,
)


def transactions_elsewhere(module: Module) -> Iterator[Finding]:
    for call in module.calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in TRANSACTION_CALLS:
            yield call.lineno, f".{call.func.attr}(): only database/scope.py begins, commits and rolls back"
    for line, text in module.texts():
        if TRANSACTION_SQL.match(text):
            yield line, "SQL that begins or ends a transaction: only database/scope.py does"


def tenantless_repositories(module: Module) -> Iterator[Finding]:
    for node in module.nodes:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Repository"):
            bases = [ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases]
            if not any(base.endswith("Repository") for base in bases):
                yield node.lineno, f"{node.name} must grow from TenantRepository"


COMBINERS: Final = {"except_", "intersect", "union", "union_all"}
SCOPED: Final = {"_key", "nearest", "rows", "scoped"}
"""Calls that give a statement, or conditions, bound to the tenant."""


def unscoped_statements(module: Module) -> Iterator[Finding]:
    functions = [n for n in module.nodes if isinstance(n, ast.FunctionDef)]
    scoped = SCOPED | {f.name for f in functions if _is_scoped(f, SCOPED)}
    for call in _builders(module):
        if _called(call) not in COMBINERS and not _is_scoped(_enclosing(module.tree, call), scoped):
            yield call.lineno, f"{_called(call)}() without tenant_id: statements grow from the scoped one"


def _is_scoped(node: ast.AST, calls: set[str]) -> bool:
    """Whether the tenant is named in it, or one of ``calls`` is made."""
    for inner in ast.walk(node):
        names = {getattr(inner, field, None) for field in ("arg", "attr", "id", "value")}
        if "tenant_id" in names or (isinstance(inner, ast.Call) and _called(inner) in calls):
            return True
    return False


def _enclosing(tree: ast.Module, call: ast.Call) -> ast.AST:
    """The function that holds ``call``, or the statement of the module or class."""
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    holders: list[ast.stmt] = [n for n in functions if _holds(n, call)]
    bodies = [tree.body, *(n.body for n in ast.walk(tree) if isinstance(n, ast.ClassDef))]
    statements = [s for body in bodies for s in body if _holds(s, call)]
    return holders[0] if holders else statements[-1]


def _holds(statement: ast.stmt, call: ast.Call) -> bool:
    near = statement.lineno <= call.lineno <= (statement.end_lineno or 0)
    return near and any(inner is call for inner in ast.walk(statement))


KEY_PREFIXES: Final = ("focal:", "ideation:")
FORMAT: Final = re.compile(r"%[abdrs]")
KEY_SHAPE: Final = re.compile(r"[\w{}-]*:[\w{}:-]*")


def keys_elsewhere(module: Module) -> Iterator[Finding]:
    for line, text in module.texts():
        if text.startswith(KEY_PREFIXES):
            yield line, "a Redis key: every key name is made in redis/keys.py"


def keys_composed(module: Module) -> Iterator[Finding]:
    for line, text in module.texts():
        pattern = FORMAT.sub("{}", text)
        if "{}" in pattern and KEY_SHAPE.fullmatch(pattern):
            yield line, "text in the shape of a key: every key name is made in redis/keys.py"
    for node in module.nodes:
        joins = isinstance(node, ast.Attribute) and node.attr == "join" and _is_colon(node.value)
        adds = (
            isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add) and _is_colon(node.left, node.right)
        )
        if joins or adds:
            yield (
                getattr(node, "lineno", 0),
                "a colon between parts makes a key: every key name is made in redis/keys.py",
            )


def _is_colon(*nodes: ast.AST) -> bool:
    return any(isinstance(node, ast.Constant) and node.value in (":", b":") for node in nodes)


FORBIDDEN_SQL: Final = (
    (
        re.compile(r"\bset_config\s*\(", re.IGNORECASE),
        "set_config() is not sent to a distributed server's workers: use SET LOCAL",
    ),
    (
        re.compile(r"\bcreate\s+(or\s+replace\s+)?(constraint\s+)?trigger\b", re.IGNORECASE),
        "a trigger can't be distributed",
    ),
    (
        re.compile(r"::\s*text\s*::\s*(half)?vec(tor)?\b", re.IGNORECASE),
        "a vector through text: bind it directly",
    ),
    (
        re.compile(
            r"\bdo\s+update\b.*\b(now\s*\(|(current|clock|statement|transaction)_timestamp\b)",
            re.IGNORECASE | re.DOTALL,
        ),
        "a clock behind DO UPDATE: take it from EXCLUDED",
    ),
)
CLOCKS: Final = {
    "clock_timestamp",
    "current_timestamp",
    "now",
    "statement_timestamp",
    "transaction_timestamp",
}


def forbidden_sql(module: Module) -> Iterator[Finding]:
    for line, text in module.texts():
        yield from ((line, reason) for pattern, reason in FORBIDDEN_SQL if pattern.search(text))
    for call in module.calls():
        if ast.unparse(call.func).endswith("func.set_config"):
            yield call.lineno, FORBIDDEN_SQL[0][1]
        if _called(call) == "on_conflict_do_update" and CLOCKS & {_called(c) for c in _calls_in(call)}:
            yield call.lineno, FORBIDDEN_SQL[3][1]


def _calls_in(call: ast.Call) -> Iterator[ast.Call]:
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    return (node for argument in arguments for node in ast.walk(argument) if isinstance(node, ast.Call))


def prints(module: Module) -> Iterator[Finding]:
    for call in module.calls():
        if isinstance(call.func, ast.Name) and call.func.id == "print":
            yield call.lineno, "only the command line prints"


BROAD: Final = {"BaseException", "Exception"}


def swallowed_exceptions(module: Module) -> Iterator[Finding]:
    for node in module.nodes:
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type) and _is_idle_body(node.body):
            yield node.lineno, "every exception is swallowed: name those that may be, or let them pass"
    for call in module.calls():
        if _called(call) == "suppress" and any(_is_broad(argument) for argument in call.args):
            yield call.lineno, "every exception is swallowed: name those that may be, or let them pass"


def _is_broad(kind: ast.expr | None) -> bool:
    members = kind.elts if isinstance(kind, ast.Tuple) else [kind]
    return any(member is None or getattr(member, "id", "") in BROAD for member in members)


def _is_idle_body(body: list[ast.stmt]) -> bool:
    return all(isinstance(s, ast.Pass | ast.Continue | ast.Expr) and not _has_call(s) for s in body)


def _has_call(node: ast.AST) -> bool:
    return any(isinstance(inner, ast.Call) for inner in ast.walk(node))


def _postpones_annotations(module: Module) -> bool:
    return any(isinstance(n, ast.ImportFrom) and n.module == "__future__" for n in module.tree.body)


def postponed_annotations(module: Module) -> Iterator[Finding]:
    if _postpones_annotations(module):
        yield 1, "sqlmodel reads a table's annotations when the class is made: no postponed annotations here"


def eager_annotations(module: Module) -> Iterator[Finding]:
    only_docstring = len(module.tree.body) <= len(module.docstrings) <= 1
    if not only_docstring and not _postpones_annotations(module):
        yield 1, "`from __future__ import annotations` is missing"


def ways_through_the_door(module: Module) -> Iterator[Finding]:
    for node in module.nodes:
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if "focal_data" in (*names, getattr(node, "module", None)):
            yield (
                getattr(node, "lineno", 0),
                "inside the house, import a module by its own path, not through the door",
            )


def work_at_the_door(module: Module) -> Iterator[Finding]:
    for statement in module.tree.body:
        if not _is_idle(statement):
            yield statement.lineno, "the door only names what it loads on first use"


_ARRANGING: Final = {"dict", "items", "list", "sorted", "split"}
"""What the door may call to make an index of its table of names."""


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        calls = (inner for inner in ast.walk(statement) if isinstance(inner, ast.Call))
        return set(map(_called, calls)) <= _ARRANGING
    if isinstance(statement, ast.If):
        imports = all(isinstance(inner, ast.ImportFrom) for inner in statement.body)
        return (
            ast.unparse(statement.test) == "TYPE_CHECKING"
            and imports
            and all(map(_is_idle, statement.orelse))
        )
    if isinstance(statement, ast.ImportFrom):
        return statement.module in ("__future__", "importlib", "typing")
    if isinstance(statement, ast.FunctionDef):
        return statement.name in ("__dir__", "__getattr__")
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


RULES: Final = (
    Rule(
        "statements-elsewhere",
        statements_elsewhere,
        exceptions=(
            "repositories/",
            "database/",
            "migration/",
            "operations/",
            "tables/",
            "testing/databases.py",
            "testing/factories/rows.py",
            "testing/rollback.py",
            "alembic/",
        ),
    ),
    Rule(
        "transactions-elsewhere",
        transactions_elsewhere,
        exceptions=(
            "database/scope.py",
            "migration/definitions.py",
            "migration/environment.py",
            "migration/runner.py",
            "operations/",
            "testing/rollback.py",
        ),
    ),
    Rule(
        "tenantless-repository",
        tenantless_repositories,
        exceptions=("repositories/ground.py", "inmemory/repository.py"),
    ),
    Rule(
        "unscoped-statement",
        unscoped_statements,
        only=("repositories/",),
        exceptions=("repositories/base.py",),
    ),
    Rule("keys-elsewhere", keys_elsewhere, exceptions=("redis/keys.py",)),
    Rule("keys-composed", keys_composed, only=("redis/",), exceptions=("redis/keys.py",)),
    Rule("forbidden-sql", forbidden_sql),
    Rule("print", prints, exceptions=("cli/",)),
    Rule("swallowed-exception", swallowed_exceptions),
    Rule("postponed-annotations", postponed_annotations, only=("tables/",)),
    Rule("eager-annotations", eager_annotations, exceptions=("tables/", "alembic/")),
    Rule("through-the-door", ways_through_the_door, exceptions=("alembic/",)),
    Rule("work-at-the-door", work_at_the_door, only=("__init__.py",)),
)
