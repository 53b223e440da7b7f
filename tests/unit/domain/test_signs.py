"""Sign codes: the same everywhere and for ever, and nearer for smaller angles."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from focal_data.domain.signs import _BATCH, _paley, _rotated, _sylvester, sign_codes

GOLDEN = "0be708bc65af5ca359e07fea792be165"
SEEDS = st.integers(0, 2**32 - 1)


def test_codes_never_change() -> None:
    """Codes are compared with those that are stored, so this digest must stay, on every machine and with every numpy."""
    integers = np.arange(1, 4 * 1536 + 1, dtype=np.int64) * 2654435761 % 2001 - 1000
    codes = sign_codes(integers.reshape(4, 1536) / 1024)
    assert GOLDEN == blake2b(codes.tobytes(), digest_size=16).hexdigest()


@pytest.mark.parametrize("matrix", [_sylvester(64), _paley(24)], ids=["sylvester", "paley"])
def test_the_matrices_are_hadamards(matrix: NDArray[np.float32]) -> None:
    """Of 1 and -1 only, every two rows of which are at right angles."""
    order = len(matrix)
    assert {-1.0, 1.0} == set(matrix.ravel().tolist())
    assert np.array_equal(order * np.eye(order), matrix @ matrix.T)


def test_the_rotation_is_one() -> None:
    """Up to a factor, and to what is rounded in its midst, lengths and angles are as before."""
    rotated = _rotated(1024 * np.eye(1536, dtype=np.float32)).astype(np.float64) / 1024 / (64**1.5 * 24) * 32
    assert np.allclose(np.eye(1536), rotated @ rotated.T, atol=1e-3)


def test_no_sum_is_rounded() -> None:
    """Not even of the vectors that add up to the most: what float32 gives is what float64 gives."""
    towards = _rotated(1024 * np.eye(1536, dtype=np.float32))
    worst = np.where(towards > 0, np.float32(1024), np.float32(-1024)).T[:64]
    rotated = _rotated(worst)
    assert np.array_equal(_rotated(worst.astype(np.float64)), rotated)
    assert 2**23 < np.abs(rotated).max() < 2**24


@given(SEEDS, st.integers(-20, 10))
def test_length_does_not_matter(seed: int, exponent: int) -> None:
    """A vector that is longer or shorter has the same code."""
    vectors = np.random.default_rng(seed).normal(size=(2, 300))
    assert np.array_equal(sign_codes(vectors), sign_codes(vectors * 2.0**exponent))


@given(SEEDS, st.integers(1, 1536))
def test_zeros_behind_do_not_matter(seed: int, dimensions: int) -> None:
    """A shorter vector has the code of the one it is padded to."""
    vectors = np.random.default_rng(seed).normal(size=(2, dimensions))
    padded = np.pad(vectors, ((0, 0), (0, 1536 - dimensions)))
    assert np.array_equal(sign_codes(padded), sign_codes(vectors))


def test_many_at_once_are_as_one_by_one() -> None:
    """Whatever the size of the batch, also of one that is not full, and in another precision."""
    vectors = np.random.default_rng(1).normal(size=(_BATCH + 3, 256)).astype(np.float16)
    alone = np.concatenate([sign_codes(vector[None].astype(np.float64)) for vector in vectors])
    assert np.array_equal(alone, sign_codes(vectors))
    assert (0, 192) == sign_codes(vectors[:0]).shape


@pytest.mark.parametrize("dimensions", [2, 3, 256, 1536])
@pytest.mark.parametrize("angle", [0.1, 0.5, 1.0, 2.0, 3.0])
def test_bits_differ_as_the_angle_says(dimensions: int, angle: float) -> None:
    """The share of the bits that differ is that of the angle in half a circle, for sparse vectors too."""
    random = np.random.default_rng(7)
    first, second = np.linalg.qr(random.normal(size=(2, dimensions)).T)[0].T
    turned = np.cos(angle) * first + np.sin(angle) * second
    codes = sign_codes(np.stack([first, turned]))
    differing = np.unpackbits(codes[0] ^ codes[1]).mean()
    assert differing == pytest.approx(angle / np.pi, abs=0.06)


def test_the_opposite_differs_in_every_bit() -> None:
    """But for those on the border, of which there are next to none."""
    vector = np.random.default_rng(2).normal(size=(1, 1536))
    assert np.unpackbits(sign_codes(vector) ^ sign_codes(-vector)).mean() > 0.99
