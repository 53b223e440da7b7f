"""What goes wrong on the way: which of it is tried again, how often, and what it is told as."""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import replace

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from focal_data.errors import (
    AuthenticationError,
    ModelError,
    ProviderConnectionError,
    ProviderError,
    RateLimitError,
)
from focal_data.providers.llm.base import LLMProvider
from focal_data.testing.provider_server import Behaviour, Fail, Garble, Hang, ProviderServer, Reset, Say
from tests.integration.providers.conftest import QUICK, Make

RETRIED: dict[int, type[ProviderError]] = {
    408: ProviderConnectionError,
    409: ProviderConnectionError,
    429: RateLimitError,
    500: ProviderConnectionError,
    501: ProviderConnectionError,
    502: ProviderConnectionError,
    503: ProviderConnectionError,
    504: ProviderConnectionError,
    529: ProviderConnectionError,
}
FINAL: dict[int, type[ProviderError]] = {
    400: ProviderError,
    401: AuthenticationError,
    402: AuthenticationError,
    403: AuthenticationError,
    404: ModelError,
    412: ProviderError,
    413: ProviderError,
    418: ProviderError,
    422: ProviderError,
    431: ProviderError,
    499: ProviderError,
}
SECRET = "xyzzy-2f6c"


@pytest.mark.parametrize("status", RETRIED)
async def test_a_status_that_may_pass_is_tried_again(
    llm: LLMProvider, server: ProviderServer, status: int
) -> None:
    """Twice, and no more."""
    server.then(Fail(status), Fail(status))
    assert "You said: Hi" == (await llm.generate("Hi")).content
    assert 3 == len(server.requests)
    server.requests.clear()
    server.then(*[Fail(status)] * 3)
    with pytest.raises(RETRIED[status]) as caught:
        await llm.generate("Hi")
    assert RETRIED[status] is type(caught.value)
    assert (3, status, "req_000006") == (len(server.requests), caught.value.status, caught.value.request_id)


@pytest.mark.parametrize("status", FINAL)
async def test_a_status_that_stays_is_not(llm: LLMProvider, server: ProviderServer, status: int) -> None:
    """One request."""
    server.then(Fail(status))
    with pytest.raises(FINAL[status]) as caught:
        await llm.generate("Hi")
    assert FINAL[status] is type(caught.value)
    assert (1, status, "req_000001") == (len(server.requests), caught.value.status, caught.value.request_id)


async def test_a_wrong_key_is_told(make: Make, server: ProviderServer) -> None:
    """By the API itself."""
    server.key = "another"
    with pytest.raises(AuthenticationError):
        await make().generate("Hi")


@pytest.mark.parametrize("sent", [0, 10, 200])
async def test_a_connection_that_is_lost_is_tried_again(
    llm: LLMProvider, server: ProviderServer, sent: int
) -> None:
    """Before the answer, in its head and in its body; the error has the id that we sent."""
    server.then(Reset(sent), Reset(sent))
    assert "You said: Hi" == (await llm.generate("Hi")).content
    server.requests.clear()
    server.then(*[Reset(sent)] * 3)
    with pytest.raises(ProviderConnectionError) as caught:
        await llm.generate("Hi")
    ids = {request.headers["x-client-request-id"] for request in server.requests}
    assert (3, {caught.value.request_id}) == (len(server.requests), ids)


async def test_a_server_that_is_not_there_is_told(make: Make, server: ProviderServer) -> None:
    """As a connection error."""
    llm = make()
    await server.__aexit__(None, None, None)
    with pytest.raises(ProviderConnectionError):
        await llm.generate("Hi")


@pytest.mark.parametrize(
    "garble",
    [
        Garble(),
        Garble(b"{", "application/json"),
        Garble(b"null"),
        Garble(b"[]"),
        Garble(b""),
        Garble(b"\xff\xfe"),
        Garble(b"<html>", "text/html"),
        Garble(b'{"model": "m", "content": 1, "choices": []}'),
        Garble(b'{"model": "m", "content": [{}], "choices": [{}], "usage": {}}'),
    ],
)
async def test_a_reply_that_is_none_is_told_at_once(
    llm: LLMProvider, server: ProviderServer, garble: Garble
) -> None:
    """With its id, and not asked for again: the request was answered, and paid for."""
    server.then(garble)
    with pytest.raises(ProviderError, match="could not be read") as caught:
        await llm.generate("Hi")
    assert (1, "req_000001") == (len(server.requests), caught.value.request_id)


async def test_the_wait_that_the_provider_asks_for_is_the_one_that_is_made(
    make: Make, server: ProviderServer
) -> None:
    """Our own would not fit in the time."""
    llm = make(policy=replace(QUICK, base_delay=1000, max_delay=1000))
    server.then(Fail(429, retry_after=0))
    assert "You said: Hi" == (await llm.generate("Hi")).content


@pytest.mark.parametrize("retry_after", [90, "90.0", "Fri, 31 Dec 2100 23:59:59 GMT"])
async def test_a_wait_that_does_not_fit_is_told_instead(
    llm: LLMProvider, server: ProviderServer, retry_after: float | str
) -> None:
    """At once, with how long it would be."""
    server.then(Fail(429, retry_after=retry_after))
    with pytest.raises(RateLimitError) as caught:
        await llm.generate("Hi")
    assert caught.value.retry_after is not None
    assert caught.value.retry_after >= 90
    assert 1 == len(server.requests)


@pytest.mark.parametrize("nonsense", ["soon", "-1", "nan", "inf"])
async def test_a_wait_that_is_none_is_ours(llm: LLMProvider, server: ProviderServer, nonsense: str) -> None:
    """A header is only text."""
    server.then(Fail(429, retry_after=nonsense))
    assert "You said: Hi" == (await llm.generate("Hi")).content


async def test_a_call_ends_with_its_time(make: Make, server: ProviderServer) -> None:
    """However many tries it would have; connections that hang are closed."""
    llm = make(policy=replace(QUICK, max_retries=1000, timeout=0.05, time_budget=0.2))
    server.then(*[Hang()] * 1000)
    with pytest.raises(ProviderConnectionError, match="in time") as caught:
        await asyncio.wait_for(llm.generate("Hi"), 30)
    assert server.requests[0].headers["x-client-request-id"] == caught.value.request_id
    assert len(server.requests) < 10
    await server.until_closed()


async def test_a_caller_who_has_no_time_left_is_not_a_failure(
    llm: LLMProvider, server: ProviderServer
) -> None:
    """Cancelling passes through, asks nothing again and leaves no connection."""
    server.then(Hang())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await llm.generate("Hi")
    assert 1 == len(server.requests)
    await server.until_closed()


@pytest.mark.slow
async def test_500_calls_at_once(llm: LLMProvider, server: ProviderServer) -> None:
    """All of them are answered, each with its own, and no connection stays behind."""
    prompts = [f"number {number}" for number in range(500)]
    answers = await asyncio.gather(*(llm.generate(prompt) for prompt in prompts))
    assert [f"You said: {prompt}" for prompt in prompts] == [answer.content for answer in answers]
    await llm.aclose()
    await server.until_closed()


def everything_told(error: BaseException) -> str:
    """All that an error says, with its causes and contexts."""
    parts = ["".join(traceback.format_exception(error))]
    seen: list[BaseException] = []
    ahead: list[BaseException | None] = [error]
    while ahead:
        one = ahead.pop()
        if one is not None and one not in seen:
            seen.append(one)
            parts += [str(one), repr(one), repr(one.args), repr(vars(one))]
            ahead += [one.__cause__, one.__context__]
    return "\n".join(parts)


FAILURES: tuple[Behaviour, ...] = (
    *(Fail(status, text=SECRET, type=SECRET, code=SECRET) for status in (400, 401, 404, 429, 500)),
    Garble(f'{{"{SECRET}": "{SECRET}"}}'.encode()),
    Garble(SECRET.encode()),
    Reset(150),
)
IN_A_STREAM: tuple[Behaviour, ...] = (
    Say(f"{SECRET} two", pieces=1, then=Reset()),
    Say(f"{SECRET} two", pieces=1, then=Fail(529, text=SECRET, type=SECRET)),
    Say(f"{SECRET} two", pieces=1, then=Garble(SECRET.encode())),
)


def name_of(value: object) -> str:
    """The name of a case."""
    return f"streamed-{value}" if isinstance(value, bool) else type(value).__name__


@pytest.mark.parametrize(
    ("behaviour", "streamed"),
    [*((b, False) for b in FAILURES), *((b, True) for b in (*FAILURES, *IN_A_STREAM))],
    ids=name_of,
)
async def test_no_error_tells_what_was_said(
    make: Make, server: ProviderServer, behaviour: Behaviour, streamed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the prompt, not the reply, not the key; nor does our log, nor a cause or a context."""
    caplog.set_level(logging.DEBUG)
    llm = make()
    server.then(*[behaviour] * 3)
    with pytest.raises(ProviderError) as caught:
        if streamed:
            async with llm.stream(SECRET, system_prompt=SECRET) as stream:
                assert [piece async for piece in stream]
        else:
            await llm.generate(SECRET, system_prompt=SECRET)
    told = everything_told(caught.value)
    assert SECRET not in told
    assert "test-key" not in told
    ours = [record for record in caplog.records if record.name == "focal_data"]
    assert ours
    assert not any(SECRET in f"{record.getMessage()} {vars(record)}" for record in ours)
    assert not any("test-key" in f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "test-key" not in repr(llm)


async def test_no_span_tells_what_was_said(
    llm: LLMProvider, server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the SDKs trace by themselves has no key, no prompt and no reply."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    server.then(Say(SECRET), Fail(400, text=SECRET))
    await llm.generate(SECRET, system_prompt=SECRET)
    with pytest.raises(ProviderError):
        await llm.generate(SECRET)
    spans = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert (llm.vendor == "anthropic") == bool(spans)  # the other SDK traces nothing
    assert SECRET not in spans
    assert "test-key" not in spans
