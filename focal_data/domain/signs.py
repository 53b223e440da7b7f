"""The sign code of a vector: 1536 bits, of which two vectors differ in fewer the smaller the angle between them is.

A code is the signs of the vector after a fixed pseudo-random rotation (Charikar, *Similarity Estimation Techniques from
Rounding Algorithms*, STOC 2002). Without the rotation only as many bits would mean something as the vector has components,
and of a sparse one only its few. The rotation is five products with Hadamard matrices, with changes of sign in front of each,
so that it costs some thousand additions instead of 1536² (Ailon, Chazelle, STOC 2006). Three would do for long vectors; those
of two dimensions they mix too little, and bits change in bunches.

It is the same on every machine: components are rounded to integers in front of it, and no sum in it reaches 2²⁴, up to which
float32 holds every integer, so the order of additions does not matter.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from focal_data.domain.embedding import MAX_DIMENSIONS

_ROWS: Final = 24
_COLUMNS: Final = MAX_DIMENSIONS // _ROWS
_STEPS: Final = 1024
"""The greatest component becomes this integer, so a vector is at most sqrt(1536) · 1024 long, and three products make it
sqrt(64 · 24 · 64) times as long: no sum in them is greater than that, which is below 2²⁴."""

_FITTED: Final = np.float32(2.0**-5)
"""By so much it is then made shorter, of integers again, before two products more make it sqrt(24 · 64) times as long."""

_BATCH: Final = 256
"""Vectors that are rotated at once: what fits into a processor's cache."""


def sign_codes(vectors: NDArray[np.floating]) -> NDArray[np.uint8]:
    """The codes of ``vectors``, one a row and none of them zero throughout, in 192 bytes each. Their length counts nothing."""
    count, dimensions = vectors.shape
    codes = np.empty((count, MAX_DIMENSIONS // 8), dtype=np.uint8)
    padded = np.zeros((min(count, _BATCH), MAX_DIMENSIONS), dtype=np.float32)
    for first in range(0, count, _BATCH):
        some = vectors[first : first + _BATCH]
        padded[: len(some), :dimensions] = some
        codes[first : first + _BATCH] = _signs(padded[: len(some)])
    return codes


def _signs(vectors: NDArray[np.float32]) -> NDArray[np.uint8]:
    greatest = np.abs(vectors).max(axis=1, keepdims=True)
    integers = np.rint(vectors / greatest * np.float32(_STEPS))
    return np.packbits(_rotated(integers) >= 0, axis=1)


def _rotated(integers: NDArray[np.float32]) -> NDArray[np.float32]:
    """``integers`` as images of 24 × 64, mixed along their rows and their columns in turn.

    One image after another: products so small are not worth a thread to any BLAS, and many at once would wake all it has.
    """
    first, second, third, fourth, fifth = _flips()
    columns, rows = _sylvester(_COLUMNS), _paley(_ROWS)
    images: NDArray[np.float32] = (integers.reshape(-1, _ROWS, _COLUMNS) * first) @ columns
    images = np.rint((rows @ (images * second) * third) @ columns * _FITTED)
    images = (rows @ (images * fourth) * fifth) @ columns
    return images.reshape(integers.shape)


@cache
def _flips() -> NDArray[np.float32]:
    """Five images of 1 and -1, at random and for ever the same."""
    blocks = 5 * MAX_DIMENSIONS // 512
    drawn = b"".join(blake2b(bytes([block]), person=b"focal_data signs").digest() for block in range(blocks))
    bits = np.unpackbits(np.frombuffer(drawn, dtype=np.uint8))
    return np.float32(1) - np.float32(2) * bits.reshape(5, _ROWS, _COLUMNS).astype(np.float32)


@cache
def _sylvester(order: int) -> NDArray[np.float32]:
    """The Hadamard matrix of a power of two."""
    matrix = np.ones((1, 1), dtype=np.float32)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    return matrix


@cache
def _paley(order: int) -> NDArray[np.float32]:
    """The Hadamard matrix of one more than a prime that leaves 3 when divided by 4 (Paley, 1933)."""
    prime = order - 1
    residues = {number * number % prime for number in range(1, prime)}
    character = np.array([0] + [1 if number in residues else -1 for number in range(1, prime)])
    matrix = np.ones((order, order), dtype=np.float32)
    matrix[1:, 0] = -1
    places = np.arange(prime)
    matrix[1:, 1:] = character[(places[:, None] - places) % prime] + np.eye(prime)
    return matrix
