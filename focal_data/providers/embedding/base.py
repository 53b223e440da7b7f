"""What every embedding provider promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from focal_data.domain.embedding import Embedding
from focal_data.errors import InvalidDataError
from focal_data.providers.base import Provider


class EmbeddingProvider(Provider, ABC):
    """A model that turns text into vectors. Texts whose meanings are near have vectors whose cosine is near 1.

    In debug mode calling it inside of a transaction raises ``UsageError``.
    """

    @property
    @abstractmethod
    def model_id(self) -> str:
        """The model's name, which its embeddings carry: vectors of different models are never compared."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """How many components its vectors have."""

    @abstractmethod
    async def embed_batch(self, texts: Sequence[str]) -> list[Embedding]:
        """One embedding for each text, in order; none for no text.

        Raises ``InvalidDataError`` with the index of a text that is empty or can't be encoded, ``ProviderError`` otherwise.
        """

    async def embed(self, text: str) -> Embedding:
        """The embedding of one text; errors as in ``embed_batch``."""
        return (await self.embed_batch([text]))[0]


def checked_texts(texts: Sequence[str]) -> list[str]:
    """``texts`` if each is a string with something to embed. Raises ``InvalidDataError`` with the index otherwise."""
    if isinstance(texts, str):
        raise InvalidDataError("texts", "must be a sequence of texts: embed() takes one")
    for index, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise InvalidDataError(f"texts[{index}]", "must be text, and not empty")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidDataError(f"texts[{index}]", "must not contain a lone surrogate") from None
    return list(texts)
