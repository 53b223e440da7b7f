"""A call: what is sent, and what is made of the answer."""

from __future__ import annotations

from typing import Any

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from focal_data.domain.ideation import MessageRole
from focal_data.errors import (
    ContentFilterError,
    InvalidDataError,
    SettingsError,
    UsageError,
)
from focal_data.providers.llm.anthropic import AnthropicProvider
from focal_data.providers.llm.base import LLMProvider
from focal_data.providers.llm.exchange import FinishReason, Message, Usage
from focal_data.providers.llm.openai import OpenAIProvider
from focal_data.settings import Settings
from focal_data.testing.provider_server import Fail, ProviderServer, Refuse, Say
from tests.integration.providers.conftest import QUICK, Make

USER, ASSISTANT, SYSTEM = MessageRole.USER, MessageRole.ASSISTANT, MessageRole.SYSTEM


def is_anthropic(provider: LLMProvider) -> bool:
    """Whether the test runs for Anthropic."""
    return isinstance(provider, AnthropicProvider)


def sent_system(server: ProviderServer) -> object:
    """The system's words in the last request."""
    body = server.requests[-1].body
    leading = [m["content"] for m in body["messages"] if m["role"] == "system"]
    return body.get("system") or (leading[0] if leading else None)


async def test_an_answer_is_whole(llm: LLMProvider, server: ProviderServer) -> None:
    """Text, model, tokens with those that were cached, why it ended, and the request's id."""
    server.then(Say("Hello there", cached_tokens=7))
    answer = await llm.generate("12345678")
    assert ("Hello there", llm.model_id, FinishReason.STOP) == (
        answer.content,
        answer.model,
        answer.finish_reason,
    )
    assert Usage(prompt_tokens=9, completion_tokens=3, total_tokens=12, cached_tokens=7) == answer.usage
    assert "req_000001" == answer.request_id
    assert answer.latency > 0
    assert isinstance(answer.raw_response, dict)
    assert llm.model_id == answer.raw_response["model"]


async def test_what_is_asked_is_sent(llm: LLMProvider, server: ProviderServer) -> None:
    """And nothing that was not."""
    await llm.generate("Hi")
    common = {"model": llm.model_id, "messages": [{"role": "user", "content": "Hi"}]}
    bound = "max_tokens" if is_anthropic(llm) else "max_completion_tokens"
    assert {**common, bound: 1024} == server.requests[0].body


async def test_messages_system_prompt_and_stop_sequences_are_sent(
    llm: LLMProvider, server: ProviderServer
) -> None:
    """Messages of the system that lead join its prompt."""
    said = [(SYSTEM, "Be kind."), (USER, "Hi"), (ASSISTANT, "Hello"), (USER, "Bye")]
    messages = [Message(role=role, content=content) for role, content in said]
    await llm.generate(messages, system_prompt="You are Ada.", max_tokens=5, stop_sequences=["END"])
    body = server.requests[0].body
    assert "You are Ada.\n\nBe kind." == sent_system(server)
    assert ["Hi", "Hello", "Bye"] == [m["content"] for m in body["messages"] if m["role"] != "system"]
    assert ["END"] == (body["stop_sequences"] if is_anthropic(llm) else body["stop"])


@pytest.mark.parametrize(
    ("anthropic", "openai", "taken"),
    [
        ("claude-haiku-5-5", "gpt-6-luna", False),
        ("claude-opus-4-7", "o4-mini", False),
        ("claude-sonnet-5-5", "gpt-5.5", False),
        ("claude-haiku-4-5", "gpt-4o", True),
        ("claude-opus-4-6", "gpt-4.1-mini", True),
        ("claude-sonnet-4-6", "gpt-3.5-turbo", True),
    ],
)
async def test_temperature_is_sent_only_where_it_is_taken(
    make: Make, server: ProviderServer, anthropic: str, openai: str, taken: bool
) -> None:
    """Later models answer it with an error."""
    llm = make(anthropic if is_anthropic(make()) else openai)
    await llm.generate("Hi", temperature=0.5)
    assert taken == ("temperature" in server.requests[0].body)


async def test_what_a_model_takes_can_be_said(make: Make, server: ProviderServer) -> None:
    """Of a model that is not known here."""
    await make("my-own", takes_temperature=True).generate("Hi", temperature=0.0)
    assert 0.0 == server.requests[0].body["temperature"]


@pytest.mark.parametrize(
    ("anthropic", "openai", "expected"),
    [
        ("end_turn", "stop", FinishReason.STOP),
        ("stop_sequence", "stop", FinishReason.STOP),
        ("max_tokens", "length", FinishReason.LENGTH),
        ("model_context_window_exceeded", "length", FinishReason.LENGTH),
        ("tool_use", "tool_calls", FinishReason.TOOL_USE),
        ("pause_turn", "a new one", FinishReason.OTHER),
    ],
)
async def test_finish_reasons_have_one_vocabulary(
    llm: LLMProvider, server: ProviderServer, anthropic: str, openai: str, expected: FinishReason
) -> None:
    """Whatever the vendor calls it."""
    server.then(Say("x", finish=anthropic if is_anthropic(llm) else openai))
    assert expected == (await llm.generate("Hi")).finish_reason


async def test_a_refusal_is_an_error_with_its_category(llm: LLMProvider, server: ProviderServer) -> None:
    """And asked for once: the model has answered."""
    server.then(Refuse("bio"))
    with pytest.raises(ContentFilterError) as caught:
        await llm.generate("Hi")
    assert ("bio" if is_anthropic(llm) else "refusal") == caught.value.category
    assert "req_000001" == caught.value.request_id
    assert 1 == len(server.requests)


async def test_a_filter_is_an_error_with_its_category(server: ProviderServer, settings: Settings) -> None:
    """In OpenAI's answers and in its errors."""
    async with OpenAIProvider(settings=settings, base_url=server.openai_url, policy=QUICK) as llm:
        server.then(Refuse(finish="content_filter"), Fail(400, code="content_policy_violation"))
        for category in ("content_filter", "content_policy_violation"):
            with pytest.raises(ContentFilterError) as caught:
                await llm.generate("Hi")
            assert category == caught.value.category


@pytest.mark.parametrize(
    ("prompt", "options", "field"),
    [
        ("", {}, "prompt"),
        (" \n", {}, "prompt"),
        ("\ud800", {}, "prompt"),
        ([], {}, "prompt"),
        (7, {}, "prompt"),
        (["Hi"], {}, "prompt[0]"),
        ([Message(role=SYSTEM, content="Be kind.")], {}, "prompt"),
        ([Message(role=USER, content="Hi"), Message(role=SYSTEM, content="Be kind.")], {}, "prompt"),
        ("Hi", {"max_tokens": 0}, "max_tokens"),
        ("Hi", {"temperature": 2.1}, "temperature"),
        ("Hi", {"temperature": -0.1}, "temperature"),
        ("Hi", {"stop_sequences": "END"}, "stop_sequences"),
        ("Hi", {"stop_sequences": ["END", ""]}, "stop_sequences[1]"),
        ("Hi", {"system_prompt": "\ud800"}, "system_prompt"),
    ],
)
async def test_what_is_wrong_is_named_before_anything_is_sent(
    llm: LLMProvider, server: ProviderServer, prompt: Any, options: dict[str, Any], field: str
) -> None:
    """The argument, not its value."""
    with pytest.raises(InvalidDataError) as caught:
        await llm.generate(prompt, **options)
    assert field == caught.value.field
    assert [] == server.requests


async def test_what_only_one_api_refuses_is_named_too(server: ProviderServer, settings: Settings) -> None:
    """Anthropic's temperatures end at 1, OpenAI's stop sequences at four."""
    async with AnthropicProvider("claude-opus-4-6", settings=settings, base_url=server.anthropic_url) as one:
        with pytest.raises(InvalidDataError, match="temperature"):
            await one.generate("Hi", temperature=1.5)
    async with OpenAIProvider(settings=settings, base_url=server.openai_url) as other:
        with pytest.raises(InvalidDataError, match="stop_sequences"):
            await other.generate("Hi", stop_sequences=list("abcde"))
    assert [] == server.requests


@pytest.mark.parametrize(("kind", "name"), [(AnthropicProvider, "ANTHROPIC"), (OpenAIProvider, "OPENAI")])
def test_a_missing_key_is_named(kind: type[AnthropicProvider | OpenAIProvider], name: str) -> None:
    """Both of its names, before any call."""
    with pytest.raises(SettingsError, match=rf"^FOCAL_DATA_{name}_API_KEY: .* {name}_API_KEY$") as caught:
        kind(settings=Settings.of())
    assert f"FOCAL_DATA_{name}_API_KEY" == caught.value.variable


async def test_a_client_that_is_passed_in_is_used_and_left_open(server: ProviderServer) -> None:
    """With its own key and address; its own retries don't multiply ours."""
    url, other = server.anthropic_url, server.openai_url
    theirs = AsyncAnthropic(api_key="test-key", base_url=url, max_retries=7)
    ours = AsyncOpenAI(api_key="test-key", base_url=other, max_retries=7)
    async with theirs, ours:
        for provider in (
            AnthropicProvider(client=theirs, policy=QUICK),
            OpenAIProvider(client=ours, policy=QUICK),
        ):
            server.requests.clear()
            server.then(Fail(500), Fail(500))
            await provider.generate("Hi")
            assert 3 == len(server.requests)
            await provider.aclose()
            assert "You said: Hi" == (await provider.generate("Hi")).content


async def test_a_provider_that_is_closed_leaves_no_connection(make: Make, server: ProviderServer) -> None:
    """The client that it made goes with it."""
    async with make() as llm:
        await llm.generate("Hi")
        assert 1 == server.open_connections
    await server.until_closed()


async def test_errors_of_use_pass_as_they_are(llm: LLMProvider, server: ProviderServer) -> None:
    """A response before the stream's end, a stream entered twice or read outside of its block."""
    stream = llm.stream("Hi")
    with pytest.raises(UsageError, match="inside of its block"):
        await anext(stream)
    async with stream:
        with pytest.raises(UsageError, match="has not ended"):
            _ = stream.response
    with pytest.raises(UsageError, match="entered once"):
        await stream.__aenter__()
