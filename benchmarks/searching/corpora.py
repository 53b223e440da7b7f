"""What is stored and what is asked: vectors, texts, tenants and agents; made once, and kept in a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching import embedding
from benchmarks.searching.passages import Passage, passages
from benchmarks.searching.scale import Plan, Scale

Halves = NDArray[np.float16]
Numbers = NDArray[np.int64]

CLASSES: Final = {"<1k": 1000, "1–5k": 5000, "5–12k": 12_000, ">12k": 10**9}
"""Size classes, by how many rows a tenant's agent has: below this number."""

_SHARES: Final = {3: (0.6, 0.3, 0.1), 1: (1.0,)}


class Scope(NamedTuple):
    """Whom rows belong to."""

    tenant_id: UUID
    agent_id: UUID
    rows: int


@dataclass(frozen=True)
class Corpus:
    """Rows and held-out queries. ``owners`` and ``asked`` are places in ``scopes``."""

    name: str
    model: str
    scopes: list[Scope]
    vectors: Halves
    owners: Numbers
    texts: Sequence[str]
    queries: Halves
    asked: Numbers
    classes: dict[str, int]

    @property
    def dimensions(self) -> int:
        return int(self.vectors.shape[1])

    def size_class(self, scope: int) -> str:
        """The name of the class that a scope belongs to."""
        return next(name for name, limit in self.classes.items() if self.scopes[scope].rows < limit)

    def by_class(self) -> dict[str, list[int]]:
        """The queries of each size class that has any."""
        found: dict[str, list[int]] = {name: [] for name in self.classes}
        for query, scope in enumerate(self.asked):
            found[self.size_class(int(scope))].append(query)
        return {name: queries for name, queries in found.items() if queries}


def synthetic(folder: Path, scale: Scale) -> Corpus:
    """Clusters in a space of ``scale.dimensions``: a tenant's rows lie around some of them, as much noise as centre.

    The texts are real ones, which have nothing to do with the vectors.
    """
    ranks = 1 / np.arange(1, scale.tenants + 1)
    plans = [Plan(round(scale.rows * share), 3) for share in ranks / ranks.sum()]
    scopes, owners, asked = _laid_out("synthetic", plans, scale)
    kept = folder / f"synthetic-{scale.rows}-{scale.dimensions}.npz"
    if not kept.exists():
        vectors, queries = _clustered(scopes, owners, asked, scale)
        _keep(kept, vectors=vectors, queries=queries)
    with np.load(kept) as arrays:
        vectors, queries = arrays["vectors"], arrays["queries"]
    found = passages(folder, scale.passages)
    texts = [found[number % len(found)].text for number in np.random.default_rng(10).permutation(len(owners))]
    name, classes = f"synthetic clusters, {scale.dimensions}-d", scale.classes or CLASSES
    return Corpus(name, "synthetic", scopes, vectors, owners, texts, queries, asked, classes)


def _clustered(scopes: list[Scope], owners: Numbers, asked: Numbers, scale: Scale) -> tuple[Halves, Halves]:
    chance = np.random.default_rng(3)
    centres = embedding.unit(chance.standard_normal((1000, scale.dimensions), dtype=np.float32))
    tenants = {tenant: number for number, tenant in enumerate(dict.fromkeys(scope[0] for scope in scopes))}
    mine = np.stack([chance.choice(1000, 100, replace=False) for _ in tenants])
    of_scope = np.array([tenants[scope.tenant_id] for scope in scopes])

    def around(places: Numbers) -> Halves:
        chosen = mine[of_scope[places], chance.integers(0, 100, len(places))]
        parts = []
        for start in range(0, len(places), 8192):
            centre = centres[chosen[start : start + 8192]]
            noise = chance.standard_normal(centre.shape, dtype=np.float32) / np.sqrt(scale.dimensions)
            parts.append(embedding.unit(centre + noise).astype(np.float16))
        return np.concatenate(parts)

    return around(owners), around(asked)


async def real(folder: Path, scale: Scale, model: str) -> Corpus:
    """Real text by topic; ``model`` is ``svd`` (as many dimensions as the scale has) or ``wordllama`` (256)."""
    found = passages(folder, scale.passages)
    plans = _fitting(scale.real_tenants, len(found))
    scopes, owners, asked = _laid_out("real", plans, scale)
    stored, held_out = _by_topic(found, scopes, owners, asked)
    texts = [*stored, *held_out]
    digest = blake2b("\n".join(texts).encode(), digest_size=6).hexdigest()
    kept = folder / f"{model}-{scale.dimensions}-{digest}.npz"
    if not kept.exists():
        both = (
            await embedding.local(texts)
            if model == "wordllama"
            else embedding.latent(texts, scale.dimensions)
        )
        _keep(kept, both=_never_zero(both).astype(np.float16))
    with np.load(kept) as arrays:
        both = arrays["both"]
    name = f"real text, {model}, {both.shape[1]}-d"
    vectors, queries = both[: len(stored)], both[len(stored) :]
    return Corpus(name, model, scopes, vectors, owners, stored, queries, asked, scale.classes or CLASSES)


def _fitting(plans: Sequence[Plan], found: int) -> list[Plan]:
    """``plans``, made smaller where this machine has not text enough for them and for what is held out."""
    part = min(1.0, 0.9 * found / sum(plan.rows for plan in plans))
    return [Plan(int(plan.rows * part), plan.agents) for plan in plans]


def _laid_out(name: str, plans: Sequence[Plan], scale: Scale) -> tuple[list[Scope], Numbers, Numbers]:
    """The scopes, whose each row is, and whom each query asks: so many of each size class, its scopes in turn."""
    scopes = []
    for number, plan in enumerate(plans):
        tenant_id = id_of(name, str(number))
        for place, share in enumerate(_SHARES[plan.agents]):
            scopes.append(Scope(tenant_id, id_of(name, f"{number}/{place}"), round(plan.rows * share)))
    owners = np.repeat(np.arange(len(scopes)), [scope.rows for scope in scopes])
    asked = []
    classes, lower = scale.classes or CLASSES, 10
    for limit in classes.values():
        these = [number for number, scope in enumerate(scopes) if lower <= scope.rows < limit]
        asked += [these[turn % len(these)] for turn in range(scale.queries)] if these else []
        lower = limit
    return scopes, np.random.default_rng(4).permutation(owners), np.array(asked)


def _by_topic(
    found: Sequence[Passage], scopes: list[Scope], owners: Numbers, asked: Numbers
) -> tuple[list[str], list[str]]:
    """A tenant gets neighbouring topics, its agents passages of all of them, and its queries are of the same."""
    tenants = list(dict.fromkeys(scope.tenant_id for scope in scopes))
    of_scope = np.array([tenants.index(scope.tenant_id) for scope in scopes])
    chance, start = np.random.default_rng(5), 0
    stored, held_out = [""] * len(owners), [""] * len(asked)
    for tenant in range(len(tenants)):
        rows, queries = np.flatnonzero(of_scope[owners] == tenant), np.flatnonzero(of_scope[asked] == tenant)
        end = start + len(rows) + len(queries)
        texts = [found[place].text for place in chance.permutation(np.arange(start, end))]
        for place, text in zip([*rows, *queries + len(owners)], texts, strict=True):
            if place < len(owners):
                stored[place] = text
            else:
                held_out[place - len(owners)] = text
        start = end
    return stored, held_out


def _never_zero(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """A text without a known word gets a direction of its own, since an embedding must not be zero throughout."""
    empty = ~vectors.astype(np.float16).any(axis=1)
    vectors[empty] = np.random.default_rng(6).standard_normal((int(empty.sum()), vectors.shape[1]))
    return embedding.unit(vectors)


def id_of(name: str, part: str) -> UUID:
    """The same in every run."""
    return uuid5(NAMESPACE_URL, f"focal-data benchmark {name} {part}")


def _keep(path: Path, **arrays: Halves) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(re.sub(r"\.npz$", ".part.npz", path.name))
    np.savez(partial, allow_pickle=False, **arrays)
    partial.rename(path)
