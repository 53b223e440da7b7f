"""An ideation session whose version can't be counted up, as one that was imported may have."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from focal_data.backends import get_repository_factory
from focal_data.data_layer import PostgresDataLayer
from focal_data.domain.ideation import IdeationSession
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.errors import InvalidDataError, StaleRevisionError
from focal_data.redis.ideation_archive import RedisIdeationArchives
from focal_data.repositories.ideation_archive import IdeationArchives
from focal_data.stores.ideation import MAX_VERSION


@pytest.mark.parametrize("backend", ["postgres", "redis"])
async def test_the_highest_version_stays(data: PostgresDataLayer, backend: str) -> None:
    """Nothing is written that could not be read again; who has seen another version is told so."""
    tenant_id = uuid4()
    now = datetime.now(UTC)
    session = IdeationSession(
        tenant_id=tenant_id,
        project_name="A shop",
        user_id="ada",
        version=MAX_VERSION,
        created_at=now,
        updated_at=now,
    )
    if backend == "postgres":
        await IdeationArchives(data.tenant(tenant_id).scope).put(IdeationArchive(session))
    else:
        await RedisIdeationArchives(data.redis, tenant_id).replace(IdeationArchive(session))
    sessions = get_repository_factory(data, backend).tenant(tenant_id).sessions
    with pytest.raises(InvalidDataError) as caught:
        await sessions.update(session)
    assert "version" == caught.value.field
    with pytest.raises(StaleRevisionError):
        await sessions.update(session.evolve(version=MAX_VERSION - 1))
    assert [session] == await sessions.list_by_user("ada")
