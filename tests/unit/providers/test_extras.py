"""The vendors' SDKs are extras: without them everything imports, and says what to install."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from focal_data.errors import UsageError
from focal_data.providers.embedding.openai import OpenAIEmbeddingProvider
from focal_data.providers.llm.anthropic import AnthropicProvider
from focal_data.providers.llm.openai import OpenAIProvider

ROOT = Path(__file__).parents[3]
VENDORS = ("anthropic", "openai", "httpx2", "wordllama")


@pytest.mark.parametrize(
    ("provider", "extra"),
    [(AnthropicProvider, "anthropic"), (OpenAIProvider, "openai"), (OpenAIEmbeddingProvider, "openai")],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, provider: type[AnthropicProvider], extra: str
) -> None:
    """In the words that install it."""
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(UsageError, match=rf'pip install "focal-data\[{extra}\]"'):
        provider()


@pytest.mark.slow
def test_providers_import_without_any_sdk() -> None:
    """Every module of theirs, and of the server that tests them."""
    folders = [ROOT / "focal_data/providers", ROOT / "focal_data/testing/provider_server"]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    lines = [f"import {module.removesuffix('.__init__')}" for module in modules]
    script = f"import sys\nfor name in {VENDORS!r}: sys.modules[name] = None\n" + "\n".join(lines)
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (0, "") == (result.returncode, result.stderr)
    assert len(modules) > 15
