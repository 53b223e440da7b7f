"""What a run found out, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class TenantFacts:
    """One transcript and what is stored for its tenant. ``rows`` counts each table's; ``sessions`` are the live ones."""

    name: str
    tenant_id: UUID
    file: str
    messages: int
    new_messages: int
    rows: Mapping[str, int]
    sessions: int


@dataclass(frozen=True)
class Hit:
    """What a search found: its score, and who said it."""

    score: float
    role: str
    user: str
    content: str


@dataclass(frozen=True)
class Search:
    """A question in one mode, with its best hits; ``found`` tells whether what was expected is among them."""

    tenant: str
    question: str
    mode: str
    hits: Sequence[Hit]
    found: bool


@dataclass(frozen=True)
class Isolation:
    """What one tenant sees of another: rows, counted in two ways. ``controls`` are the owner's own, in the same ways."""

    repository_rows: int
    raw_sql_rows: int
    repository_control: int
    raw_sql_control: int


@dataclass(frozen=True)
class Facts:
    """All of it."""

    tenants: Sequence[TenantFacts]
    searches: Sequence[Search]
    isolation: Isolation
    latency_ms: Mapping[str, Mapping[str, float]]
    engines: Mapping[str, str]
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The same as one JSON object."""
        return {
            "tenants": len(self.tenants),
            "messages": sum(tenant.messages for tenant in self.tenants),
            "sessions": sum(tenant.sessions for tenant in self.tenants),
            "episodes": sum(tenant.rows["episodes"] for tenant in self.tenants),
            "turns": sum(tenant.rows["turn_records"] for tenant in self.tenants),
            "searches": [asdict(search) for search in self.searches],
            "isolation": {
                "repository_rows": self.isolation.repository_rows,
                "raw_sql_rows": self.isolation.raw_sql_rows,
            },
            "latency_ms": self.latency_ms,
            "engines": dict(self.engines),
            "seconds": self.seconds,
        }
