"""What a lint is made of: a parsed module, a rule with its exceptions, an offence, and the waiver that excuses one.

A rule is waived in one place by ``# lint: allow <rule> because <reason>``, on the line or alone on the line above it.
A waiver without a reason, of a rule that does not exist, or of nothing, is an offence itself.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

Finding = tuple[int, str]


@dataclass(frozen=True)
class Module:
    """One source file; ``path`` is relative to the package, with slashes."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """The whole tree, walked once: a dozen rules ask for it."""
        return list(ast.walk(self.tree))

    @cached_property
    def docstrings(self) -> set[int]:
        owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        bodies = [node.body for node in self.nodes if isinstance(node, owners)]
        alone = [
            s.value for body in bodies for s in body if isinstance(s, ast.Expr)
        ]  # attributes have them too
        return {id(value) for value in alone if isinstance(value, ast.Constant)}

    def calls(self) -> Iterator[ast.Call]:
        return (node for node in self.nodes if isinstance(node, ast.Call))

    def texts(self) -> Iterator[tuple[int, str]]:
        """Every text with its line, docstrings left out; of an f-string the fixed parts, joined by ``{}``."""
        joined = [node for node in self.nodes if isinstance(node, ast.JoinedStr)]
        elsewhere = self.docstrings | {id(part) for node in joined for part in node.values}
        yield from ((node.lineno, _fixed_text(node)) for node in joined)
        for node in self.nodes:
            if isinstance(node, ast.Constant) and id(node) not in elsewhere:
                if isinstance(node.value, str):
                    yield node.lineno, node.value
                elif isinstance(node.value, bytes):
                    yield node.lineno, node.value.decode("latin-1")

    def imported(self, *packages: str) -> dict[str, str]:
        """The local names of what is imported from ``packages``, with the names they have there."""
        found: dict[str, str] = {}
        for node in self.nodes:
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in packages:
                found |= {alias.asname or alias.name: alias.name for alias in node.names}
        return found


@dataclass(frozen=True)
class Rule:
    """``check`` runs on modules under ``only`` and not on those under ``exceptions``, which are listed by name."""

    name: str
    check: Callable[[Module], Iterator[Finding]]
    only: tuple[str, ...] = ("",)
    exceptions: tuple[str, ...] = ()

    def applies(self, path: str) -> bool:
        return path.startswith(self.only) and not (self.exceptions and path.startswith(self.exceptions))


@dataclass(frozen=True, order=True)
class Offence:
    """Where a rule is broken, and how."""

    path: str
    line: int
    rule: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.reason}"


def _fixed_text(node: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)


_WAIVER: Final = re.compile(r"#\s*lint:\s*allow\b\s*(?P<rule>[\w-]*)\s*(because\s+(?P<reason>\S.*))?")


@dataclass(frozen=True)
class _Waiver:
    line: int
    rule: str
    reason: str | None
    alone: bool

    def covers(self, offence: Offence) -> bool:
        return offence.rule == self.rule and offence.line == self.line + self.alone


def _waivers(module: Module) -> Iterator[_Waiver]:
    if not _WAIVER.search(module.source):  # reading it as tokens is slow
        return
    for token in tokenize.generate_tokens(io.StringIO(module.source).readline):
        found = _WAIVER.search(token.string) if token.type == tokenize.COMMENT else None
        if found:
            alone = not token.line[: token.start[1]].strip()
            yield _Waiver(token.start[0], found["rule"], found["reason"], alone)


def offences(module: Module, rules: tuple[Rule, ...]) -> list[Offence]:
    """What breaks a rule in ``module`` and is not waived, and the waivers that don't hold; in order of lines."""
    rules_here = [rule for rule in rules if rule.applies(module.path)]
    found = {
        Offence(module.path, line, rule.name, why) for rule in rules_here for line, why in rule.check(module)
    }
    left = set(found)
    for waiver in _waivers(module):
        covered = {offence for offence in found if waiver.covers(offence)}
        if waiver.reason is None:
            left.add(Offence(module.path, waiver.line, "waiver", "say why: `# lint: allow <rule> because …`"))
        elif not covered:
            left.add(
                Offence(module.path, waiver.line, "waiver", f"nothing here breaks {waiver.rule or 'a rule'}")
            )
        else:
            left -= covered
    return sorted(left)
