"""The documentation runs, and no page and no block of it escapes."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, FenceError, blocks, pages, run_in_a_process

ANY_FENCE = re.compile(r"^[ \t>]*(```|~~~)[ \t]*\{?\.?(py|python)", re.MULTILINE | re.IGNORECASE)
"""The opening of a block that a reader takes for Python, however it is written."""

ELSEWHERE = {".git", ".venv", "build", "dist", "node_modules"}


def _with_python() -> list[Path]:
    return [page for page in pages() if list(blocks(page.read_text()))]


def _on_disk() -> set[Path]:
    """Every Markdown file in the repository, found by walking it."""
    found = set()
    for folder, inner, files in os.walk(ROOT):
        inner[:] = [name for name in inner if name not in ELSEWHERE and not name.endswith("_cache")]
        found |= {Path(folder, name) for name in files if name.lower().endswith((".md", ".markdown"))}
    return found


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=() if page.parent == ROOT else pytest.mark.slow) for page in _with_python()],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    """The blocks of a page run as they stand, one after the other."""
    result = run_in_a_process(page, tmp_path)
    assert 0 == result.returncode, result.stdout + result.stderr


def test_no_page_escapes() -> None:
    """The pages that are collected are all that there are."""
    assert _on_disk() == set(pages())
    assert ROOT / "README.md" in pages()


def test_no_block_escapes() -> None:
    """Each fence that looks like Python opens a block that runs, or one that says why it does not."""
    for page in pages():
        text = page.read_text()
        excused = len(re.findall(r"^```python not run: \S", text, re.MULTILINE))
        assert len(ANY_FENCE.findall(text)) == len(list(blocks(text))) + excused, page.name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# Title\n```python\nx = 1\n```\n", [Block("x = 1\n", 3)]),
        ("```python\nx = 1\n```\n\n```python\ny = 2\n```", [Block("x = 1\n", 2), Block("y = 2\n", 6)]),
        ("```python not run: it deletes everything\nx = 1\n```\n", []),
        ("```sql\nSELECT 1\n```\n", []),
    ],
)
def test_blocks_are_found_with_their_lines(text: str, expected: list[Block]) -> None:
    """A block is the Python between its fences, and knows where it stands."""
    assert expected == list(blocks(text))


@pytest.mark.parametrize("mark", ["skip", "not run:", "not run: "])
def test_a_block_is_left_out_for_a_reason_only(mark: str) -> None:
    """What stands behind ``python`` is a reason, or an error."""
    with pytest.raises(FenceError, match="line 1"):
        list(blocks(f"```python {mark}\nx = 1\n```\n"))


@pytest.mark.parametrize(
    "fence", ["```py\n", "~~~python\n", "  ```python\n", "> ```Python\n", "```{.python}\n"]
)
def test_other_spellings_would_be_noticed(fence: str) -> None:
    """A fence in a spelling that is not run is still seen as Python."""
    assert ANY_FENCE.match(fence)
    assert [] == list(blocks(f"{fence}x = 1\n```\n"))


def _page(folder: Path, *codes: str) -> Path:
    page = folder / "page.md"
    page.write_text("# Page\n\n" + "\n".join(f"```python\n{code}\n```\n" for code in codes))
    return page


def test_blocks_share_names_and_may_await(tmp_path: Path) -> None:
    """A later block sees what an earlier one made, and awaits in the same event loop."""
    page = _page(
        tmp_path,
        "import asyncio\nawait asyncio.sleep(0)\nfuture = asyncio.get_running_loop().create_future()",
        "future.set_result(1)\nassert 1 == await future\nprint('seen')",
    )
    result = run_in_a_process(page, tmp_path)
    assert (0, "seen\n") == (result.returncode, result.stdout), result.stderr


def test_a_failure_names_the_page_and_its_line(tmp_path: Path) -> None:
    """A block that fails, fails the page, and the traceback points into it."""
    result = run_in_a_process(_page(tmp_path, "x = 1", "raise SystemError"), tmp_path)
    assert 1 == result.returncode
    assert 'page.md", line 8' in result.stderr


def test_a_warning_fails_a_page(tmp_path: Path) -> None:
    """Documentation does not teach what warns."""
    result = run_in_a_process(
        _page(tmp_path, "import warnings\nwarnings.warn('old', DeprecationWarning)"), tmp_path
    )
    assert 1 == result.returncode
