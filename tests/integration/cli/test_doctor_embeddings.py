"""``focal-data doctor``: what embeddings there are, what is missing, and in which tenant models are mixed."""

from __future__ import annotations

from pydantic import SecretStr

from focal_data.cli.doctor import Finding, Verdict, examine
from focal_data.data_layer import DataLayer
from focal_data.domain.memory import Episode
from focal_data.ids import new_id
from focal_data.operations.operator import Operator
from focal_data.settings import Settings
from tests.integration.operations.embedded import NEW, OLD, a_world


async def embeddings(settings: Settings) -> dict[str, Finding]:
    """What is told of them, by subject."""
    return {found.subject: found for found in await examine(settings) if "embedding" in found.subject}


async def test_what_there_is_and_what_is_missing(focal_fresh_database: Settings) -> None:
    """By kind and model over all tenants; a missing one is a warning, and so are two models in one tenant."""
    settings = focal_fresh_database
    assert ["there is nothing to embed"] == [
        found.detail for found in (await embeddings(settings)).values() if found.subject == "embeddings"
    ]
    async with DataLayer.open(settings) as data, Operator.open(settings) as op:
        worlds = [await a_world(data, new_id()) for _ in range(2)]
        found = await embeddings(settings)
        assert (Verdict.OK, "14 by old-model") == (
            found["embeddings of episodes"].verdict,
            found["embeddings of episodes"].detail,
        )
        assert "embedding models" not in found
        await op.tenant(worlds[0].tenant_id).reembed(NEW)
        assert "embedding models" not in await embeddings(settings)
        for text, embedding in (("late", await OLD.embed("late")), ("bare", None), ("  ", None)):
            episode = Episode(agent_id=worlds[0].agent_id, content=text, embedding=embedding)
            await worlds[0].tenant.memory.add_episode(episode)
        found = await embeddings(settings)
    told = found["embeddings of episodes"]
    assert (Verdict.WARNING, "7 by new-model, 8 by old-model, 1 without one") == (told.verdict, told.detail)
    assert "focal-data memory fill" in told.advice
    mixed = found["embedding models"]
    assert (Verdict.WARNING, True) == (mixed.verdict, str(worlds[0].tenant_id) in mixed.detail)
    assert "focal-data memory reembed" in mixed.advice


async def test_a_service_can_not_count_them(focal_fresh_database: Settings, focal_settings: Settings) -> None:
    """It sees one tenant at a time; the line says whose login to set, and nothing is wrong."""
    async with Operator.open(focal_fresh_database) as op, op.tenant(new_id()).scope.transaction() as tx:
        await tx.connection.execute("CREATE ROLE a_service_that_counts LOGIN PASSWORD 'x'")
        await tx.connection.execute(f"GRANT {focal_fresh_database.app_role} TO a_service_that_counts")
    try:
        url = focal_fresh_database.owner_url().set(username="a_service_that_counts", password="x")
        given = {"database_url": SecretStr(url.render_as_string(hide_password=False))}
        found = await embeddings(focal_fresh_database.model_copy(update=given))
        assert Verdict.UNUSED is found["embeddings"].verdict
        assert "FOCAL_DATA_MIGRATION_URL" in found["embeddings"].advice
    finally:
        async with Operator.open(focal_fresh_database) as op, op.tenant(new_id()).scope.transaction() as tx:
            await tx.connection.execute("DROP ROLE a_service_that_counts")
