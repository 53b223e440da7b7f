from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError
from sqlmodel import SQLModel

from focal_data.domain import audit, base, config, ideation, memory, profile, session
from focal_data.domain.base import ValueObject
from focal_data.domain.config import Scope
from focal_data.errors import UsageError
from focal_data.ids import NO_TENANT, TenantId, new_id
from focal_data.tables import metadata
from focal_data.testing import factories
from focal_data.testing.factories import (
    AgentFactory,
    AgentTableFactory,
    CustomerProfileFactory,
    EntityFactory,
    EntityHistoryTableFactory,
    EpisodeFactory,
    EpisodeTableFactory,
    RelationshipFactory,
    RelationshipTableFactory,
    RuleFactory,
    RuleTableFactory,
    ScenarioArchiveFactory,
    ScenarioArchiveTableFactory,
    SessionFactory,
    TurnRecordTableFactory,
    seeded,
)

MODULES = (audit, base, config, ideation, memory, profile, session)
MADE = [
    made_by
    for name in factories.__all__
    if isinstance(made_by := getattr(factories, name), type)
    and issubclass(made_by, factories.DomainFactory | factories.TableFactory)
    and not made_by._meta.abstract
]


def entities() -> Iterator[type[ValueObject]]:
    """The models that belong to a tenant and on which no other is built."""
    found = {
        thing
        for module in MODULES
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, ValueObject) and "tenant_id" in thing.model_fields
    }
    return (model for model in found if not any(issubclass(o, model) and o is not model for o in found))


def tables() -> set[type[SQLModel]]:
    def below(model: type[SQLModel]) -> Iterator[type[SQLModel]]:
        for child in model.__subclasses__():
            yield child
            yield from below(child)

    return {model for model in below(SQLModel) if getattr(model, "__table__", None) is not None}


def as_dict(thing: Any) -> dict[str, Any]:
    return thing.model_dump()


def test_every_entity_and_every_table_has_a_factory() -> None:
    """A new entity or table without a factory is told here."""
    models = {made_by._meta.model for made_by in MADE}
    ours = {model for model in tables() if metadata.tables.get(model.__tablename__) is model.__table__}

    assert set() == set(entities()) - models
    assert set() == ours - models
    assert len(metadata.tables) == len(ours)


@pytest.mark.parametrize("made_by", MADE)
def test_the_same_seed_gives_the_same(made_by: Any) -> None:
    """Ids, times and values are decided by the seed, whatever was built before; another seed gives others."""

    def built(seed: object, count: int = 3) -> list[dict[str, Any]]:
        with seeded(seed):
            return [as_dict(thing) for _ in range(count) for thing in made_by.build_with_parents()]

    first = built(1)
    made_by.build()
    assert first == built(1)
    assert first != built(2)
    assert first != built("1")


def test_ids_are_uuid7_in_the_order_they_were_made() -> None:
    """Ids of factories are as those of the library: version 7, ordered, of the time of what they are made with."""
    agents = AgentFactory.build_batch(50)
    ids = [agent.id for agent in agents]

    assert {(7, "specified in RFC 4122")} == {(made.version, made.variant) for made in ids}
    assert sorted(ids) == ids
    assert 50 == len({agent.name for agent in agents})


@pytest.mark.slow
def test_processes_do_not_collide() -> None:
    """Without a seed, two processes make different ids and names: the workers of pytest-xdist, say."""
    code = "from focal_data.testing.factories import AgentFactory as F; a = F.build(); print(a.id, a.name)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)
    ]
    assert runs[0] != runs[1]


@pytest.mark.slow
def test_a_seed_decides_across_processes() -> None:
    """Nothing depends on the order of a set, which differs from process to process."""
    code = """
from focal_data.testing import factories
for name in factories.__all__:
    made_by = getattr(factories, name)
    if hasattr(made_by, "_meta") and not made_by._meta.abstract:
        with factories.seeded(1):
            print(repr(made_by.build()))
"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(outputs)


def test_a_stream_goes_on_behind_a_seeded_block() -> None:
    """What was built within a seeded block changes nothing outside of it."""
    with seeded(7):
        expected = [AgentFactory.build(), AgentFactory.build()]
    with seeded(7):
        first = AgentFactory.build()
        with seeded(8):
            AgentFactory.build()
        assert expected == [first, AgentFactory.build()]


def test_domain_objects_are_as_before_they_are_stored() -> None:
    """No tenant, revision 0 and no times of a store."""
    rule = RuleFactory.build()
    assert (NO_TENANT, 0, None, None) == (rule.tenant_id, rule.revision, rule.created_at, rule.updated_at)


def test_a_row_alone_has_its_parents_in_its_own_tenant() -> None:
    """A row always names a tenant, and what was made for it to hang on is of the same one."""
    agent, rule = RuleTableFactory.build_with_parents()

    assert rule.tenant_id == agent.tenant_id != NO_TENANT
    assert rule.agent_id == agent.id
    assert isinstance(agent, AgentTableFactory._meta.model)


def test_all_that_a_relationship_hangs_on_is_of_one_tenant_and_agent() -> None:
    """Parents of parents agree, too, and are made once."""
    agent, source, target, fact = RelationshipTableFactory.build_with_parents()

    assert {fact.tenant_id} == {agent.tenant_id, source.tenant_id, target.tenant_id}
    assert (agent.id, agent.id) == (source.agent_id, target.agent_id)
    assert (source.id, target.id) == (fact.from_entity_id, fact.to_entity_id)


@pytest.mark.parametrize("made_by", [RuleFactory, RuleTableFactory, EpisodeFactory, EpisodeTableFactory])
def test_a_given_parent_is_honoured(made_by: Any) -> None:
    """A parent, given as an object, as a row or by its id, is the parent, and decides the tenant."""
    for parent in (AgentFactory.build(tenant_id=TenantId(new_id())), AgentTableFactory.build()):
        (child,) = made_by.build_with_parents(agent=parent)
        assert (parent.tenant_id, parent.id) == (child.tenant_id, child.agent_id)
    (child,) = made_by.build_with_parents(agent_id=parent.id, tenant_id=parent.tenant_id)
    assert (parent.tenant_id, parent.id) == (child.tenant_id, child.agent_id)


@pytest.mark.parametrize("made_by", MADE)
def test_a_given_tenant_is_honoured(made_by: Any) -> None:
    """Whatever is built in a tenant is of it, and so is all that it hangs on."""
    tenant_id = TenantId(new_id())
    assert {tenant_id} == {thing.tenant_id for thing in made_by.build_with_parents(tenant_id=tenant_id)}


@pytest.mark.parametrize("made_by", [RuleFactory, RuleTableFactory])
def test_contradictions_are_refused(made_by: Any) -> None:
    """Two tenants, or a parent and another one's id, are an error and not a choice."""
    agent = AgentTableFactory.build()

    with pytest.raises(UsageError, match="agent is another tenant's"):
        made_by.build(agent=agent, tenant_id=TenantId(new_id()))
    with pytest.raises(UsageError, match="agent_id is another one's"):
        made_by.build(agent=agent, agent_id=new_id())
    with pytest.raises(UsageError, match="customer_profile is another tenant's"):
        EpisodeFactory.build(
            agent=agent, customer_profile=CustomerProfileFactory.build(tenant_id=TenantId(new_id()))
        )


def test_an_entity_that_is_given_brings_its_agent() -> None:
    """Of a relationship between a given entity and one that is made, both are of the same agent."""
    known = EntityFactory.build(tenant_id=TenantId(new_id()))

    other, fact = RelationshipFactory.build_with_parents(from_entity=known)

    assert (known.agent_id, known.tenant_id) == (other.agent_id, other.tenant_id)
    assert (known.id, other.id) == (fact.from_entity_id, fact.to_entity_id)
    assert [fact] != RelationshipFactory.build_with_parents(from_entity=known, to_entity=other)
    assert 1 == len(RelationshipFactory.build_with_parents(from_entity_id=known.id, to_entity_id=other.id))


def test_an_archive_agrees_with_its_scenario() -> None:
    """An archive's ids and version are its scenario's, from whichever side they are given."""
    scenario_id = new_id()
    for made_by in (ScenarioArchiveFactory, ScenarioArchiveTableFactory):
        archive = made_by.build(scenario_id=scenario_id, version=3)
        assert (scenario_id, 3) == (archive.scenario_id, archive.version)
        assert (scenario_id, 3) == (archive.scenario.id, archive.scenario.version)
        assert archive.tenant_id == archive.scenario.tenant_id


def test_what_has_no_foreign_key_needs_no_parent() -> None:
    """Rows of history and of what happened stand alone."""
    for made_by in (EntityHistoryTableFactory, TurnRecordTableFactory, ScenarioArchiveTableFactory):
        assert 1 == len(made_by.build_with_parents())


def test_a_scope_gets_its_id() -> None:
    """A rule that is not global has something to apply to."""
    assert RuleFactory.build(scope=Scope.STEP).scope_id is not None
    assert RuleFactory.build().scope_id is None


def test_embedded() -> None:
    """``embedded=True`` gives a vector at stored precision, in a row with its model and length."""
    rule, row = RuleFactory.build(embedded=True), RuleTableFactory.build(embedded=True)

    assert rule.embedding == rule.embedding.rounded()
    assert (row.embedding.model, len(row.embedding)) == (row.embedding_model, row.embedding_dimensions)
    assert RuleFactory.build().embedding is None


def test_unknown_names_are_refused() -> None:
    """A misspelled column is told, although SQLModel would take it in silence."""
    with pytest.raises(UsageError, match="has no colour"):
        RuleTableFactory.build(colour="red")
    with pytest.raises(ValidationError, match="colour"):
        RuleFactory.build(colour="red")


def test_columns_of_the_row_alone_may_be_given() -> None:
    """What only the table has, or a store would set, is taken as given."""
    row = AgentTableFactory.build(revision=4, created_at=(created := factories.chance.time()))
    later = EntityHistoryTableFactory.build(revision=2)

    assert (4, created, created) == (row.revision, row.created_at, row.updated_at)
    assert later.superseded_at > later.recorded_at
    assert 2 == later.revision


async def test_sessions_are_not_created_in_a_transaction() -> None:
    """A transaction has no sessions, and the factory says so."""

    class Transaction:
        tenant_id = TenantId(new_id())

    with pytest.raises(UsageError, match="outside of transactions"):
        await SessionFactory.create(Transaction())
