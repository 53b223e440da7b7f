"""The documentation's Python: which pages have any, their blocks, and how a page is run.

Every block fenced as ``python`` runs, one after the other in one namespace and one event loop, in a process for each page;
``await`` is allowed at the top level. ``python not run: <reason>`` behind the fence leaves a block out, and says why.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import subprocess
import sys
from ast import PyCF_ALLOW_TOP_LEVEL_AWAIT
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
_FENCE: Final = re.compile(r"^```python(?P<mark> [^\n]*)?\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN: Final = re.compile(r" not run: \S.*")


class FenceError(Exception):
    """Something stands behind ``python`` that is no reason for not running the block."""


@dataclass(frozen=True)
class Block:
    """Python between two fences; ``line`` is that of its first line in the page."""

    code: str
    line: int


def pages() -> list[Path]:
    """The pages of the documentation: those at the root, all in docs/, and those that lie beside what they explain."""
    beside = [*ROOT.glob("benchmarks/*.md"), *ROOT.glob("examples/*.md")]
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *beside])


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a page that are run, in their order. Raises ``FenceError``."""
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("code")) + 1
        if found["mark"] is None:
            yield Block(found["code"], line)
        elif not _NOT_RUN.fullmatch(found["mark"]):
            raise FenceError(
                f"line {line - 1}: {found['mark'].strip()!r} is no reason; write `python not run: <reason>`"
            )


def run_in_a_process(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks of ``page`` in ``folder``, without settings from outside, warnings being errors."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("FOCAL_DATA_", "POSTGRES_", "IDEATION_"))
    }
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-W", "error", __file__, str(page)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def _run(name: str, text: str) -> None:
    """Run each block: as a coroutine where it awaits at the top, and as a script where it doesn't."""
    names: dict[str, Any] = {"__name__": "__main__"}
    with asyncio.Runner() as runner:
        for block in blocks(text):
            source = "\n" * (block.line - 1) + block.code  # a traceback shows the page's own line
            code = compile(source, name, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            if code.co_flags & inspect.CO_COROUTINE:
                runner.run(eval(code, names))  # noqa: S307
            else:
                exec(code, names)  # noqa: S102


if __name__ == "__main__":
    _run(sys.argv[1], Path(sys.argv[1]).read_text())
