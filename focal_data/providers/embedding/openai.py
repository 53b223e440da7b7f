"""OpenAI's embeddings (the extra ``openai``)."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict

from focal_data.domain.embedding import MAX_DIMENSIONS, Embedding
from focal_data.errors import InvalidDataError, ProviderError, UsageError
from focal_data.providers.clients import CALL_ID
from focal_data.providers.embedding.base import EmbeddingProvider, checked_texts
from focal_data.providers.failures import unreadable
from focal_data.providers.openai import VENDOR, connected, failure_of
from focal_data.providers.retrying import DEFAULT_POLICY, Call, CallPolicy, retried
from focal_data.settings import Settings
from focal_data.telemetry import log_failure

if TYPE_CHECKING:
    from openai import AsyncOpenAI

DEFAULT_MODEL: Final = "text-embedding-3-small"
MAX_TEXTS: Final = 2048
"""Texts in one request, as the API takes them."""
MAX_TOKENS: Final = 300_000
"""Tokens in one request, counted as bytes of UTF-8: no token is shorter than one, so there are never too many."""
MAX_TEXT_TOKENS: Final = 8192
MAX_TEXT_BYTES: Final = 8 * MAX_TEXT_TOKENS
"""Longer texts are refused before anything is sent; of shorter ones the API knows whether they have too many tokens."""
MAX_AT_ONCE: Final = 8
"""Requests under way at one time, of all calls of a provider together."""

_REFUSED: Final = 400

_NATIVE: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}


class OpenAIEmbeddingProvider(EmbeddingProvider):
    """One of OpenAI's embedding models, its vectors shortened to what a store holds where they are longer.

    Any number of texts: split into requests that the API takes, at most ``MAX_AT_ONCE`` of them under way, each tried again by
    itself. A vector shortened to other than the model's own dimensions is another model's: ``text-embedding-3-large@1024``.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        dimensions: int | None = None,
        settings: Settings | None = None,
        client: AsyncOpenAI | None = None,
        base_url: str | None = None,
        policy: CallPolicy = DEFAULT_POLICY,
    ) -> None:
        self._model = model
        self._dimensions = _checked_dimensions(model, dimensions)
        self.policy = policy
        self._under_way = asyncio.Semaphore(MAX_AT_ONCE)
        self._connected = connected(settings, client, base_url)

    def __repr__(self) -> str:
        return f"OpenAIEmbeddingProvider({self.model_id!r}, dimensions={self._dimensions})"

    @property
    def model_id(self) -> str:
        native = _NATIVE.get(self._model, self._dimensions)
        return self._model if native == self._dimensions else f"{self._model}@{self._dimensions}"

    @property
    def dimensions(self) -> int:
        return self._dimensions

    async def aclose(self) -> None:
        """Close the connections, unless the client was passed in."""
        await self._connected.close()

    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        checked = checked_texts(texts)
        sizes = [len(text.encode()) for text in checked]
        for index, size in enumerate(sizes):
            if size > MAX_TEXT_BYTES:
                raise _too_long(index)
        tasks = [asyncio.create_task(self._embedded(checked, sizes, span)) for span in _spans(sizes)]
        return [embedding for part in await _all(tasks) for embedding in part]

    async def _embedded(self, texts: list[str], sizes: list[int], span: range) -> list[Embedding]:
        """The embeddings of the texts at ``span``: one request, tried again by itself."""
        try:
            return await self._asked([texts[index] for index in span])
        except ProviderError as error:
            log_failure(VENDOR, "embed", error=type(error))
            if error.status != _REFUSED:
                raise
            refused = error
        long = [index for index in span if sizes[index] > MAX_TEXT_TOKENS]
        if len(span) == 1 and long:
            raise _too_long(span[0])
        for index in long:  # the API does not say which it was
            await self._embedded(texts, sizes, range(index, index + 1))
        raise refused

    async def _asked(self, texts: list[str]) -> list[Embedding]:
        call = Call(VENDOR, self.policy)
        async with self._under_way:
            return await retried(lambda: self._requested(texts, call), failure_of, call)

    async def _requested(self, texts: list[str], call: Call) -> list[Embedding]:
        body: dict[str, Any] = {"input": texts, "model": self._model, "encoding_format": "base64"}
        if self._dimensions != _NATIVE.get(self._model):
            body["dimensions"] = self._dimensions
        options: dict[str, Any] = {"extra_headers": {CALL_ID: call.id}, "timeout": call.one_wait()}
        raw = await self._connected.client.embeddings.with_raw_response.create(**body, **options)
        embeddings = _read(raw.content, self.model_id)
        if embeddings is None or [self._dimensions] * len(texts) != [len(e) for e in embeddings]:
            raise unreadable(VENDOR, raw.headers.get("x-request-id"))
        return embeddings


async def _all(tasks: Sequence[asyncio.Future[list[Embedding]]]) -> list[list[Embedding]]:
    """What all of them return; the first that fails, or who cancels, ends the others."""
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        failed = [task for task in tasks if task.done() and task.exception() is not None]
        return [task.result() for task in failed or tasks]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Vector(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    index: int
    embedding: str


class _Vectors(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)

    data: list[_Vector]


def _read(body: bytes, model: str) -> list[Embedding] | None:
    """The embeddings of a reply, in the order of the texts; ``None`` when it is none."""
    try:
        vectors = sorted(_Vectors.model_validate_json(body).data, key=lambda vector: vector.index)
        if [vector.index for vector in vectors] != list(range(len(vectors))):
            return None
        return [Embedding(np.frombuffer(b64decode(v.embedding), dtype="<f4"), model=model) for v in vectors]
    except ValueError:  # pydantic's, base64's, and that of a vector that is none
        return None


def _spans(sizes: list[int]) -> Iterator[range]:
    """The texts of each request, as the API takes them."""
    start = total = 0
    for index, size in enumerate(sizes):
        if index - start == MAX_TEXTS or total + size > MAX_TOKENS:
            yield range(start, index)
            start, total = index, 0
        total += size
    if start < len(sizes):
        yield range(start, len(sizes))


def _too_long(index: int) -> InvalidDataError:
    return InvalidDataError(
        f"texts[{index}]", f"is too long: the model takes {MAX_TEXT_TOKENS} tokens of one text"
    )


def _checked_dimensions(model: str, dimensions: int | None) -> int:
    native = _NATIVE.get(model)
    if dimensions is None:
        if native is None:
            raise UsageError("dimensions must be given for a model that is not known here")
        return min(native, MAX_DIMENSIONS)
    most = min(native or MAX_DIMENSIONS, MAX_DIMENSIONS)
    if not 1 <= dimensions <= most:
        raise InvalidDataError("dimensions", f"must be from 1 to {most}")
    if model == "text-embedding-ada-002" and dimensions != native:
        raise InvalidDataError("dimensions", f"must be {native}: this model's vectors can't be shortened")
    return dimensions
