"""What the documentation refers to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^(`{3,}|~{3,}).*?^\1|(?<!`)(`+)(?!`).*?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)|^\[[^]]+\]: +(\S+)", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:")


def links(text: str) -> list[str]:
    """Where the links of a page lead, those in code and to other sites left out."""
    found = (one or other for one, other in LINK.findall(CODE.sub("", text)))
    return [link for link in found if not ELSEWHERE.match(link)]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in links(page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            found.append(link)
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file or a folder of the repository, and to a heading where it names one."""
    assert [] == broken(page)


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    """Whether the file or the heading is missing; other sites and code are nobody's business."""
    page = tmp_path / "page.md"
    page.write_text(
        '# Of `a`, and b\n[1](#of-a-and-b) [2](page.md "title") [3](no.md) [4](page.md#no)\n'
        "[5](https://example.com) `[6](no)`\n```\n[7](no)\n```\n\n[8]: <no>\n[9]: gone.md\n"
    )
    assert ["no.md", "page.md#no", "<no>", "gone.md"] == broken(page)


def test_each_decision_has_a_number_of_its_own() -> None:
    """One after the other, and the same in the name and in the title."""
    records = sorted(ROOT.glob("docs/decisions/*.md"))
    assert [f"{n:04}" for n in range(1, len(records) + 1)] == [record.name[:4] for record in records]
    assert [r.name[:4] for r in records] == [r.read_text()[2:6] for r in records]


def test_every_decision_that_is_referred_to_is_there() -> None:
    """Also by its number alone, in code."""
    known = {record.name[:4] for record in ROOT.glob("docs/decisions/*.md")}
    sources = [*pages(), *ROOT.glob("focal_data/**/*.py"), *ROOT.glob("tests/**/*.py")]
    named = {n for path in sources for n in re.findall(r"decisions?(?:/| record )(\d{4})", path.read_text())}
    assert set() == named - known
    assert len(named) > 3
