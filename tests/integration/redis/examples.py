"""Sessions to store, and where Redis keeps them."""

from __future__ import annotations

from uuid import UUID

from focal_data.ids import TenantId
from focal_data.redis import keys
from focal_data.testing.contracts.session.base import AGENT, SCENARIO, WORDS, a_session, a_visit

__all__ = ["AGENT", "SCENARIO", "SECRET", "a_session", "a_visit", "cold_key", "hot_key"]

SECRET = WORDS


def hot_key(tenant_id: TenantId, session_id: UUID) -> bytes:
    return keys.hot(keys.tag(tenant_id.hex.encode(), session_id))


def cold_key(tenant_id: TenantId, session_id: UUID) -> bytes:
    return keys.cold(keys.tag(tenant_id.hex.encode(), session_id))
