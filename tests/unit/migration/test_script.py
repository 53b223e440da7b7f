"""The script of statements that stands for an upgrade, for somebody else to run."""

from __future__ import annotations

import re

import pytest

from focal_data.migration import runner

SETTING = re.compile(
    r"^(?:SET lock_timeout = (?P<to>[^;]+)|RESET lock_timeout);$|^-- Running (?P<revision>.+)$", re.MULTILINE
)


@pytest.mark.parametrize("down", [False, True])
def test_every_revision_waits_briefly_for_its_locks(down: bool) -> None:
    """Those too that come after one that has waited as long as it takes, and has reset that to what the server has."""
    revisions = "head:base" if down else "base:head"
    script = runner.sql("postgresql://owner@127.0.0.1/any", revisions, down=down)
    limit, wrong = "", []
    for match in SETTING.finditer(script):
        if match["revision"] is None:
            limit = match["to"] or ""
        elif limit != "'5s'":
            wrong.append(match["revision"])
    assert "Running" in script
    assert [] == wrong
