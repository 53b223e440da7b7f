"""The deterministic fakes: they say what they were told to, and remember what they were asked."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import numpy as np
import pytest
from pydantic import BaseModel

from focal_data.domain.embedding import Embedding
from focal_data.domain.ideation import MessageRole
from focal_data.errors import InvalidDataError, RateLimitError, StructuredOutputError, UsageError
from focal_data.providers.embedding.fake import FakeEmbeddingProvider
from focal_data.providers.llm.exchange import FinishReason, Message
from focal_data.providers.llm.fake import FakeLLMProvider
from focal_data.telemetry import TransactionMark


class Answer(BaseModel):
    text: str


async def test_it_answers_as_it_was_told() -> None:
    """In order, and then with what it was asked."""
    fake = FakeLLMProvider("one", RateLimitError("busy"))
    first = await fake.generate("Hi there", system_prompt="Be kind")
    assert ("one", "fake-llm", FinishReason.STOP, "fake-1") == (
        first.content,
        first.model,
        first.finish_reason,
        first.request_id,
    )
    assert (4, 1, 5) == (first.usage.prompt_tokens, first.usage.completion_tokens, first.usage.total_tokens)
    with pytest.raises(RateLimitError):
        await fake.generate("Hi")
    assert "You said: Hi" == (await fake.generate("Hi")).content
    fake.then("two")
    assert "two" == (await fake.generate("Hi")).content


async def test_it_remembers_what_it_was_asked() -> None:
    """As a vendor would be asked."""
    fake = FakeLLMProvider()
    await fake.generate(
        [Message(role=MessageRole.SYSTEM, content="Be kind."), Message(role=MessageRole.USER, content="Hi")],
        system_prompt="You are Ada.",
        max_tokens=7,
        temperature=0.5,
        stop_sequences=["END"],
    )
    (call,) = fake.calls
    assert ["Hi"] == [message.content for message in call.messages]
    assert ("You are Ada.\n\nBe kind.", 7, 0.5, ("END",), None) == (
        call.system,
        call.max_tokens,
        call.temperature,
        call.stop_sequences,
        call.schema,
    )


async def test_it_streams_its_words() -> None:
    """And has the whole at the end."""
    async with FakeLLMProvider("one two").stream("Hi") as stream:
        assert ["one", " two"] == [piece async for piece in stream]
    assert "one two" == stream.response.content


async def test_it_answers_with_a_models_instance() -> None:
    """A structured call needs one, or JSON; what does not fit is asked for once more, as with a vendor."""
    fake = FakeLLMProvider(Answer(text="yes"), "no", '{"text": "well"}', "no", "no")
    for expected in ("yes", "well"):
        instance, _ = await fake.generate_structured("Hi", Answer)
        assert Answer(text=expected) == instance
    with pytest.raises(StructuredOutputError):
        await fake.generate_structured("Hi", Answer)
    assert 5 == len(fake.calls)
    with pytest.raises(UsageError, match="instance of the schema"):
        await fake.generate_structured("Hi", Answer)


async def test_it_is_a_provider_like_any_other() -> None:
    """It checks what it is asked, and is refused inside of a transaction."""
    fake = FakeLLMProvider()
    with pytest.raises(InvalidDataError):
        await fake.generate("")
    mark = TransactionMark()
    for call in (fake.generate("Hi"), fake.generate_structured("Hi", Answer)):
        with pytest.raises(UsageError, match="inside of a transaction"):
            await call
    await fake.aclose()
    mark.end()
    assert [] == fake.calls


def near(one: Embedding, other: Embedding) -> float:
    """How near two vectors are."""
    return float(one.vector @ other.vector)


async def test_fake_embeddings_share_what_their_texts_share() -> None:
    """Words, whatever their case and order."""
    fake = FakeEmbeddingProvider(256)
    parcel, same, near_it, far = await fake.embed_batch(
        ["where is my parcel", "My parcel, where IS?", "where is the parcel", "cats sleep"]
    )
    assert 1 == pytest.approx(near(parcel, same), abs=1e-5)
    assert near(parcel, near_it) > 0.5
    assert near(parcel, far) < 0.4
    assert (256, "fake-embedding", 1) == (len(parcel), parcel.model, len(fake.calls))
    assert 1 == pytest.approx(float(np.linalg.norm(far.vector)), abs=1e-5)


def test_fake_embeddings_are_the_same_in_every_process() -> None:
    """Nothing depends on the hash seed."""
    script = (
        "import asyncio; from focal_data.providers.embedding.fake import FakeEmbeddingProvider as F;"
        "print(asyncio.run(F(8).embed('hello')).to_bytes().hex())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    expected = asyncio.run(FakeEmbeddingProvider(8).embed("hello")).to_bytes().hex()
    assert [expected, expected] == runs


async def test_a_text_without_words_has_a_vector_too() -> None:
    """And an empty one is refused."""
    fake = FakeEmbeddingProvider()
    assert 64 == len(await fake.embed("?!"))
    with pytest.raises(InvalidDataError):
        await fake.embed("")
