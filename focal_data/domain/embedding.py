"""Embeddings: immutable float32 vectors that remember their model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

MAX_DIMENSIONS: Final = 1536
"""The width of the vector columns; a shorter vector is padded with zeros, which leaves cosine similarity unchanged."""

MAX_MODEL_LENGTH: Final = 255


class Embedding:
    """A vector of 1 to 1536 float32 components and the name of the model that made it.

    ``Embedding(vector, model=…)`` takes any sequence of floats or a one-dimensional array. Empty, longer, not finite, or
    zero throughout is a ``ValueError``. Stores keep half precision (IEEE 754 binary16): what they return is ``rounded()``.
    """

    __slots__ = ("_data", "_model")

    def __init__(self, vector: ArrayLike | Iterable[float], *, model: str) -> None:
        self._model = _checked_model(model)
        self._data = _checked_vector(vector).tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, *, model: str) -> Embedding:
        """The embedding whose components are ``data``: little-endian float32, as ``to_bytes`` gives them. Unchecked."""
        embedding = cls.__new__(cls)
        embedding._data = data
        embedding._model = model
        return embedding

    @property
    def model(self) -> str:
        """The model that made it; vectors of different models are never compared."""
        return self._model

    @property
    def vector(self) -> NDArray[np.float32]:
        """The components, as a read-only array over the embedding's own memory."""
        return np.frombuffer(self._data, dtype="<f4")

    def to_bytes(self) -> bytes:
        """The components as little-endian float32."""
        return self._data

    def rounded(self) -> Embedding:
        """The embedding as stores keep it, in half precision. ``ValueError`` when that overflows or leaves only zeros."""
        _check_size(len(self))
        with np.errstate(over="ignore"):
            half = self.vector.astype("<f2")
        if not np.isfinite(half).all():
            raise ValueError("a component is too large for half precision")
        if not half.any():
            raise ValueError("every component is zero in half precision")
        return Embedding.from_bytes(half.astype("<f4").tobytes(), model=self._model)

    def __len__(self) -> int:
        return len(self._data) // 4

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Embedding):
            return NotImplemented
        return self._model == other._model and self._data == other._data

    def __hash__(self) -> int:
        return hash((self._model, self._data))

    def __repr__(self) -> str:
        return f"Embedding(<{len(self)} dimensions>, model={self._model!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (self._data, self._model)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _coerced,
            json_schema_input_schema=core_schema.typed_dict_schema(
                {
                    "vector": core_schema.typed_dict_field(
                        core_schema.list_schema(core_schema.float_schema())
                    ),
                    "model": core_schema.typed_dict_field(core_schema.str_schema()),
                }
            ),
            serialization=core_schema.plain_serializer_function_ser_schema(_to_mapping),
        )


def _restore(data: bytes, model: str) -> Embedding:
    return Embedding.from_bytes(data, model=model)


def _coerced(value: object) -> Embedding:
    if isinstance(value, Embedding):
        return value
    if not isinstance(value, dict) or value.keys() != {"vector", "model"}:
        raise PydanticCustomError("embedding", "must be an Embedding, or a mapping of vector and model")
    try:
        return Embedding(value["vector"], model=value["model"])
    except ValueError as error:
        raise PydanticCustomError("embedding", "{reason}", {"reason": str(error)}) from None


def _to_mapping(value: Embedding) -> dict[str, Any]:
    return {"vector": value.vector.tolist(), "model": value.model}


def _checked_model(model: str) -> str:
    if not isinstance(model, str) or not 1 <= len(model) <= MAX_MODEL_LENGTH:
        raise ValueError(f"an embedding's model must be text of 1 to {MAX_MODEL_LENGTH} characters")
    if "\x00" in model or not model.isprintable():
        raise ValueError("an embedding's model must be printable text")
    return model


def _checked_vector(vector: ArrayLike | Iterable[float]) -> NDArray[np.float32]:
    try:
        source = vector if isinstance(vector, np.ndarray) else list(vector)  # type: ignore[arg-type]
        with np.errstate(over="ignore"):
            array = _floats(np.asarray(source))
    except (TypeError, ValueError, OverflowError):
        raise ValueError("a vector must be a sequence of real numbers") from None
    _check_size(array.size if array.ndim == 1 else 0)
    if not np.isfinite(array).all():
        raise ValueError("a vector's components must be finite")
    if not array.any():
        raise ValueError("a vector must not be zero throughout")
    return array


def _check_size(size: int) -> None:
    if not 1 <= size <= MAX_DIMENSIONS:
        raise ValueError(f"a vector must have one axis of 1 to {MAX_DIMENSIONS} components")


def _floats(array: NDArray[Any]) -> NDArray[np.float32]:
    if array.dtype.kind not in "fiu":  # text and booleans would be converted without a word
        raise TypeError(array.dtype.name)
    return array.astype("<f4")
