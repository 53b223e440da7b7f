"""Structured output: a model works or is refused before the call, and a reply that does not fit is asked for again."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, RootModel

from focal_data.errors import ContentFilterError, StructuredOutputError, UsageError
from focal_data.providers.llm.base import LLMProvider
from focal_data.testing.provider_server import Fail, ProviderServer, Refuse, Say


class Mood(StrEnum):
    GLAD = "glad"
    SAD = "sad"


class Address(BaseModel):
    street: str = Field(description="with the number", min_length=1)
    city: str | None = None


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int = Field(ge=0, le=150, default=30)
    score: float
    admin: bool
    mood: Mood
    address: Address = Field(description="where they live")


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    name: str


class Zoo(BaseModel):
    animals: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    first: Cat | Dog
    tags: set[str] = set()
    nothing: None
    maybe: list[int] | None
    grid: list[list[float]]


class Times(BaseModel):
    day: date
    moment: datetime
    at: time
    id: UUID
    price: Decimal
    renamed: str = Field(alias="otherName", pattern=r"^\w+$")


class Node(BaseModel):
    value: int
    next: Node | None = None


class Tree(BaseModel):
    root: Node


class Loose(BaseModel):
    anything: Any


class Mapping(BaseModel):
    counts: dict[str, int]


class Pair(BaseModel):
    both: tuple[int, str]


class Open(BaseModel, extra="allow"):
    name: str


class Deep(BaseModel):
    inner: list[Mapping]


class Untyped(BaseModel):
    items: list[Any]


class Called(BaseModel):
    call: type[int]


FITTING = (Person, Zoo, Times, Address)
REFUSED = {
    Loose: r"Loose, anything: .*any type",
    Mapping: r"counts: .*not fixed",
    Pair: r"both: .*a tuple",
    Open: r"the root: .*not fixed",
    Deep: r"counts: .*not fixed",
    Untyped: r"items: .*say their type",
    Called: "Called",
    RootModel[list[int]]: "must be an object",
    RootModel[dict[str, int]]: "not fixed",
    int: "BaseModel",
}


@pytest.mark.parametrize("model", FITTING)
async def test_what_the_apis_can_express_works(
    llm: LLMProvider, server: ProviderServer, model: type[BaseModel]
) -> None:
    """The server takes the schema as the API would, and answers with the least that fits."""
    instance, response = await llm.generate_structured("Make one", model, system_prompt="Be brief.")
    assert model is type(instance)
    assert instance == model.model_validate_json(response.content)
    assert 1 == len(server.requests)


@pytest.mark.parametrize("model", [Node, Tree])
async def test_a_model_that_contains_itself_works_where_it_is_taken(
    llm: LLMProvider, server: ProviderServer, model: type[BaseModel]
) -> None:
    """And is refused before the call where it isn't."""
    if llm.recursive_schemas:
        instance, _ = await llm.generate_structured("Make one", model)
        assert model is type(instance)
        return
    with pytest.raises(UsageError, match=r"Node: .*contains itself"):
        await llm.generate_structured("Make one", model)
    assert [] == server.requests


@pytest.mark.parametrize("model", REFUSED)
async def test_what_they_can_not_is_refused_before_the_call(
    llm: LLMProvider, server: ProviderServer, model: type[BaseModel]
) -> None:
    """With the place, and what to write instead."""
    with pytest.raises(UsageError, match=REFUSED[model]):
        await llm.generate_structured("Make one", model)
    assert [] == server.requests


async def test_it_is_the_apis_own_mode(llm: LLMProvider, server: ProviderServer) -> None:
    """Closed objects, every field required, constraints in words."""
    await llm.generate_structured("Make one", Address)
    expected = {
        "type": "object",
        "properties": {
            "street": {"type": "string", "description": "with the number · minLength: 1"},
            "city": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["street", "city"],
        "additionalProperties": False,
    }
    assert expected == server.requests[0].schema
    if llm.vendor == "openai":
        described = server.requests[0].body["response_format"]["json_schema"]
        assert ("Address", True) == (described["name"], described["strict"])


@pytest.mark.parametrize("wrong", ["no JSON", "", '{"street": ""}', '{"street": 7}', "[]"])
async def test_a_reply_that_does_not_fit_is_asked_for_once_more(
    llm: LLMProvider, server: ProviderServer, wrong: str
) -> None:
    """With the reply and what is wrong with it; the tokens of both are counted."""
    server.then(Say(wrong, cached_tokens=1), Say('{"street": "Elm", "city": null}', cached_tokens=2))
    instance, response = await llm.generate_structured("Make one", Address)
    assert Address(street="Elm") == instance
    assert ("req_000002", 3) == (response.request_id, response.usage.cached_tokens)
    said = server.requests[1].body["messages"]
    assert ["user", "assistant", "user"] == [message["role"] for message in said]
    assert ("Make one", wrong or "(nothing)") == (said[0]["content"], said[1]["content"])
    assert "does not fit the schema" in said[2]["content"]
    assert server.requests[0].schema == server.requests[1].schema


async def test_two_that_do_not_fit_are_an_error_with_the_text(
    llm: LLMProvider, server: ProviderServer
) -> None:
    """The second; it stands in the error's own field, and nowhere else."""
    server.then(Say("first"), Say("second"))
    with pytest.raises(StructuredOutputError) as caught:
        await llm.generate_structured("Make one", Address)
    error = caught.value
    assert ("second", "req_000002", 2) == (error.raw_text, error.request_id, len(server.requests))
    assert "second" not in f"{error}{error.args}"
    assert (None, None) == (error.__cause__, error.__context__)


async def test_one_that_was_cut_off_says_so(llm: LLMProvider, server: ProviderServer) -> None:
    """More tokens would help."""
    finish = "max_tokens" if llm.vendor == "anthropic" else "length"
    server.then(*[Say('{"street": "El', finish=finish)] * 2)
    with pytest.raises(StructuredOutputError, match="raise max_tokens"):
        await llm.generate_structured("Make one", Address, max_tokens=5)


async def test_retries_and_asking_once_more_are_counted_apart(
    llm: LLMProvider, server: ProviderServer
) -> None:
    """Six requests at most."""
    failures = [Fail(500), Fail(500)]
    server.then(*failures, Say("no"), *failures, Say('{"street": "Elm"}'))
    instance, _ = await llm.generate_structured("Make one", Address)
    assert (Address(street="Elm"), 6) == (instance, len(server.requests))


async def test_a_refusal_is_not_asked_again(llm: LLMProvider, server: ProviderServer) -> None:
    """It is no reply."""
    server.then(Refuse())
    with pytest.raises(ContentFilterError):
        await llm.generate_structured("Make one", Address)
    assert 1 == len(server.requests)
