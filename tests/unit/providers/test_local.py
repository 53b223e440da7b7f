"""The local model: real vectors, no network."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from focal_data.domain.embedding import Embedding
from focal_data.errors import InvalidDataError, UsageError
from focal_data.providers.embedding.local import MAX_CHARACTERS, LocalEmbeddingProvider

installed = pytest.mark.skipif(
    find_spec("wordllama") is None, reason="the extra `local` has no wheel for this Python"
)


@pytest.fixture
def provider() -> LocalEmbeddingProvider:
    """A provider that has not loaded its model."""
    return LocalEmbeddingProvider()


def cosine(one: Embedding, other: Embedding) -> float:
    """How near two meanings are."""
    norms = np.linalg.norm(one.vector) * np.linalg.norm(other.vector)
    return float(one.vector @ other.vector / norms)


@installed
async def test_near_meanings_have_near_vectors(provider: LocalEmbeddingProvider) -> None:
    """Nearer than those of another matter."""
    parcel, package, cat = await provider.embed_batch(
        ["Where is my parcel?", "My package has not arrived", "The cat sleeps"]
    )
    assert cosine(parcel, package) > cosine(parcel, cat) + 0.1


@installed
async def test_vectors_carry_the_model_and_its_dimensions(provider: LocalEmbeddingProvider) -> None:
    """As the provider says."""
    embedding = await provider.embed("hello")
    assert (provider.model_id, provider.dimensions) == (embedding.model, len(embedding))


@installed
async def test_the_order_is_kept(provider: LocalEmbeddingProvider) -> None:
    """A batch is what its texts are one by one."""
    texts = ["a sofa", "👍", "ein Zähler", "a" * 5000]
    together = await provider.embed_batch(texts)
    for text, embedding in zip(texts, together, strict=True):
        assert cosine(embedding, await provider.embed(text)) == pytest.approx(1)


@installed
async def test_of_a_long_text_the_beginning_counts(provider: LocalEmbeddingProvider) -> None:
    """So that one text can't take the memory of all."""
    long = "word " * MAX_CHARACTERS
    assert await provider.embed(long) == await provider.embed(long[:MAX_CHARACTERS])


async def test_no_texts_are_no_embeddings(provider: LocalEmbeddingProvider) -> None:
    """And load nothing."""
    assert [] == await provider.embed_batch([])


@pytest.mark.parametrize(
    ("texts", "field"),
    [
        (["a", ""], "texts[1]"),
        (["  \n"], "texts[0]"),
        (["a", "b", "\ud800"], "texts[2]"),
        ("abc", "texts"),
        ([1], "texts[0]"),
    ],
)
async def test_what_can_not_be_embedded_is_named(
    provider: LocalEmbeddingProvider, texts: list[str], field: str
) -> None:
    """By its place."""
    with pytest.raises(InvalidDataError) as caught:
        await provider.embed_batch(texts)
    assert field == caught.value.field


async def test_without_the_extra_its_name_is_told(
    provider: LocalEmbeddingProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the words that install it."""
    monkeypatch.setitem(sys.modules, "wordllama", None)
    with pytest.raises(UsageError, match=r"focal-data\[local\]"):
        await provider.embed("hello")


@pytest.mark.slow
@installed
def test_loading_leaves_the_programs_logging_alone() -> None:
    """The package would configure it for everybody."""
    script = (
        "import asyncio, logging; from focal_data.providers.embedding.local import LocalEmbeddingProvider;"
        "asyncio.run(LocalEmbeddingProvider().embed('hello'));"
        "root = logging.getLogger(); print(root.handlers, root.level)"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert f"[] {logging.WARNING}" == result.stdout.strip()
