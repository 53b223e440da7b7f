"""Which backend keeps ideation: by an argument, by the settings, and in a transaction over the other stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from focal_data.backends import get_repository_factory
from focal_data.data_layer import DataLayer
from focal_data.domain.config import Agent
from focal_data.domain.ideation import ChatMessage, IdeationSession, MessageRole
from focal_data.errors import UsageError
from focal_data.settings import IDEATION_BACKEND, IdeationBackend, Settings

BACKENDS = [backend.value for backend in IdeationBackend]


def a_session() -> IdeationSession:
    """A project in the making."""
    return IdeationSession(project_name="A shop", user_id="ada")


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """Each of them."""
    return str(request.param)


@pytest.fixture
async def set_up(focal_settings: Settings, backend: str) -> AsyncIterator[DataLayer]:
    """The run's engines, with ideation on ``backend``."""
    settings = focal_settings.model_copy(update={"ideation_persistence_backend": IdeationBackend(backend)})
    async with DataLayer.open(settings) as data:
        yield data


async def test_a_backend_is_chosen_by_its_name(data: DataLayer, backend: str) -> None:
    """What one keeps the others have not; a factory that is asked for again finds it."""
    tenant_id = uuid4()
    session = await get_repository_factory(data, backend).tenant(tenant_id).sessions.create(a_session())
    found = {
        name: await get_repository_factory(data, name).tenant(tenant_id).sessions.get_by_id(session.id)
        for name in BACKENDS
    }
    assert {name: session if name == backend else None for name in BACKENDS} == found


async def test_a_tenants_ideation_is_where_the_settings_say(set_up: DataLayer, backend: str) -> None:
    """As is what the factory makes when nobody says."""
    tenant = set_up.tenant(uuid4())
    session = await tenant.ideation.sessions.create(a_session())
    for chosen in (None, backend):
        stores = get_repository_factory(set_up, chosen).tenant(tenant.tenant_id)
        assert session == await stores.sessions.get_by_id(session.id)


async def test_a_transaction_has_ideation_where_it_is_kept_beside_the_others(
    set_up: DataLayer, backend: str
) -> None:
    """One commit over both; elsewhere it says why not, and what to use."""
    tenant, session = set_up.tenant(uuid4()), a_session()
    if backend != IdeationBackend.POSTGRES:
        async with tenant.transaction() as tx:
            with pytest.raises(
                UsageError, match=f"{backend} .{IDEATION_BACKEND}.*tenant.ideation.transaction"
            ):
                tx.ideation  # noqa: B018
        return
    agent = Agent(name="Ada")
    with pytest.raises(KeyError):
        async with tenant.transaction() as tx:
            await tx.config.save_agent(agent)
            await tx.ideation.sessions.create(session)
            raise KeyError
    assert (None, None) == (
        await tenant.config.get_agent(agent.id),
        await tenant.ideation.sessions.get_by_id(session.id),
    )
    async with tenant.transaction() as tx:
        await tx.config.save_agent(agent)
        stored = await tx.ideation.sessions.create(session)
    assert await tenant.config.get_agent(agent.id) is not None
    assert stored == await tenant.ideation.sessions.get_by_id(session.id)

    async def work(tx: object) -> ChatMessage:
        message = ChatMessage(session_id=session.id, role=MessageRole.USER, content="hello")
        return await tx.ideation.messages.create(message)  # type: ignore[attr-defined, no-any-return]

    assert [await tenant.in_transaction(work)] == await tenant.ideation.messages.get_by_session(session.id)


async def test_what_is_in_memory_has_ideation_there() -> None:
    """Beside all the rest, whatever the settings of the environment; no other backend can be had."""
    data = DataLayer.in_memory()
    tenant = data.tenant(uuid4())
    async with tenant.transaction() as tx:
        await tx.config.save_agent(Agent(name="Ada"))
        session = await tx.ideation.sessions.create(a_session())
    for chosen in (None, "memory"):
        stores = get_repository_factory(data, chosen).tenant(tenant.tenant_id)
        assert session == await stores.sessions.get_by_id(session.id)
    for absent in ("postgres", "redis"):
        with pytest.raises(UsageError, match=f"no backend {absent} .*: memory$"):
            get_repository_factory(data, absent)


@pytest.mark.parametrize("name", ["", "Postgres", "sqlite", "hunter2"])
async def test_an_unknown_backend_is_told_which_are_known(data: DataLayer, name: str) -> None:
    """And what was asked for is not repeated."""
    for layer in (data, DataLayer.in_memory()):
        with pytest.raises(UsageError, match="postgres, redis, memory") as caught:
            get_repository_factory(layer, name)
        assert "hunter2" not in str(caught.value)
