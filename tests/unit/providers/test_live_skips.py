"""Without keys the live tests skip, cleanly, and say how they run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIVE = "tests/integration/providers/test_live.py"


@pytest.mark.slow
def test_live_tests_skip_without_keys() -> None:
    """None fails, and each message names the variable."""
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    command = [sys.executable, "-m", "pytest", "-n0", "-rs", "-p", "no:cacheprovider", LIVE]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    assert 0 == result.returncode, result.stdout
    assert "3 skipped" in result.stdout
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        assert f"set {name} to run it" in result.stdout
