"""PostgreSQL and memory are told the same about agents: whatever the sequence of calls, they give the same answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from focal_data.data_layer import DataLayer
from focal_data.domain.config import MigrationPlanStatus, Scope
from focal_data.domain.embedding import Embedding
from focal_data.domain.filters import RuleFilter, ScenarioFilter
from focal_data.errors import FocalDataError, StoreError
from focal_data.ids import new_id
from focal_data.settings import Settings
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.base import Stores, TenantUnderTest
from focal_data.testing.contracts.config.kinds import (
    AGENT,
    ALL,
    PLAN,
    RULE,
    SCENARIO,
    SOFT,
    TEMPLATE,
    TOOL,
    VARIABLE,
    Kind,
)

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS: Final = {kind.name: [new_id() for _ in range(4)] for kind in ALL}
STEPS: Final = [new_id(), new_id()]
VECTORS: Final = [[1.0, 0.0], [0.6, 0.8], [-1.0, 0.5]]
QUERY: Final = Embedding([3, 1], model="m")
Step = tuple[Any, ...]

kind = st.sampled_from(ALL)
soft = st.sampled_from(SOFT)
which = st.integers(0, 3)
agent = st.integers(0, 2)
look = st.integers(0, 5)
ahead = st.sampled_from([0, 0, 0, 0, 1, -1])

calls: Final = st.one_of(
    st.tuples(st.just("save"), kind, which, agent, look, ahead),
    st.tuples(st.just("save"), kind, which, agent, look, ahead),
    st.tuples(st.just("save"), st.just(AGENT), agent, agent, look, ahead),
    st.tuples(st.just("delete"), kind, which),
    st.tuples(st.just("delete"), st.just(AGENT), agent),
    st.tuples(st.just("restore"), soft, which),
    st.tuples(st.just("restore"), st.just(AGENT), agent),
    st.tuples(st.just("archive"), which),
    st.tuples(st.just("search"), agent, look),
    st.tuples(st.just("wait"), st.integers(-2, 2)),
)
steps: Final = st.lists(
    st.one_of(
        calls, calls, calls, st.tuples(st.just("transaction"), st.lists(calls, max_size=6), st.booleans())
    ),
    min_size=8,
    max_size=40,
)


class Clock:
    """A clock that is set by hand, and may go back."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


def looks(kind: Kind, look: int) -> dict[str, Any]:
    """One of six looks of a kind: names and scopes that collide, vectors that compare."""
    embedding = None if look == 5 else Embedding(VECTORS[look % 3], model="n" if look == 4 else "m")
    scope = (Scope.GLOBAL, None) if look % 3 == 0 else (Scope.STEP, STEPS[look % 2])
    given: dict[str, dict[str, Any]] = {
        AGENT.name: {"name": f"a{look % 4}", "enabled": look != 1},
        RULE.name: {"scope": scope[0], "scope_id": scope[1], "priority": look % 2, "embedding": embedding},
        SCENARIO.name: {
            "enabled": look != 1,
            "version": 1 + look % 3,
            "tags": ["t"] * look,
            "embedding": embedding,
        },
        TEMPLATE.name: {"scope": scope[0], "scope_id": scope[1]},
        VARIABLE.name: {"name": f"v{look % 2}"},
        TOOL.name: {"tool_id": f"t{look % 2}", "enabled": look != 1},
        PLAN.name: {"to_version": 2 + look % 2, "scenario_id": IDS[SCENARIO.name][look % 2]},
    }
    return given[kind.name]


MADE: Final = {
    (kind.name, look): kind.make(IDS[AGENT.name][0], **looks(kind, look)) for kind in ALL for look in range(6)
}


class Run:
    """The steps on one backend, and what it answers."""

    def __init__(self, tenant: TenantUnderTest, clock: Clock) -> None:
        self._tenant = tenant
        self._clock = clock
        self._known: dict[UUID, Any] = {}
        self.answers: list[Any] = []

    async def take(self, step: Step) -> None:
        """Answer one step."""
        self._clock.time += timedelta(microseconds=1)
        if step[0] == "transaction":
            self.answers.append(await self._transaction(step[1], commits=step[2]))
        else:
            self.answers.append(await self._answer(self._tenant, step))

    async def finish(self) -> None:
        """Answer every question there is."""
        self.answers.append(await self._everything(self._tenant.config))

    async def _transaction(self, taken: list[Step], *, commits: bool) -> Any:
        answers = []
        try:
            async with self._tenant.transaction() as tx:
                answers = [await self._answer(tx, step) for step in taken]
                if not commits:
                    raise LookupError
        except (LookupError, StoreError) as error:
            answers.append(type(error).__name__)
        return answers

    async def _answer(self, stores: Stores, step: Step) -> Any:
        try:
            return shown(await getattr(self, f"_{step[0]}")(stores.config, *step[1:]))
        except FocalDataError as error:
            return type(error).__name__, vars(error)

    async def _save(
        self, store: ConfigStore, kind: Kind, which: int, agent: int, look: int, ahead: int
    ) -> Any:
        id_ = IDS[kind.name][which]
        known = self._known.get(id_)
        revision = max(0, (known.revision if known is not None else 0) + ahead)
        owner = {} if kind in (AGENT, PLAN) else {"agent_id": IDS[AGENT.name][agent]}
        made = MADE[kind.name, look].evolve(id=id_, revision=revision, **owner)
        return self._learnt(await kind.save(store, made))

    async def _delete(self, store: ConfigStore, kind: Kind, which: int) -> Any:
        return await kind.delete(store, self._one(kind, which))

    async def _restore(self, store: ConfigStore, kind: Kind, which: int) -> Any:
        return self._learnt(await kind.restore(store, self._one(kind, which)))

    async def _archive(self, store: ConfigStore, which: int) -> Any:
        return (await store.archive_scenario_version(self._one(SCENARIO, which))).scenario

    async def _search(self, store: ConfigStore, agent: int, look: int) -> Any:
        owner = IDS[AGENT.name][agent]
        scopes = (None, (), ((Scope.STEP, None),), ((Scope.STEP, STEPS[0]), (Scope.GLOBAL, None)))[look % 4]
        filters = RuleFilter(enabled=None, scopes=scopes)
        rules = await store.vector_search_rules(owner, QUERY, filters=filters, limit=1 + look)
        tags = ScenarioFilter(tags=("t",) if look % 2 else None)
        scenarios = await store.vector_search_scenarios(owner, QUERY, filters=tags, min_score=look / 5 - 0.5)
        return [(round(hit.score, 5), hit.item) for hit in (*rules, *scenarios)]

    async def _wait(self, store: ConfigStore, time: int) -> None:
        self._clock.time += timedelta(microseconds=time)

    async def _everything(self, store: ConfigStore) -> Any:
        """What the store lists, with and without what is deleted."""
        found: list[Any] = [
            await store.get_agents(enabled_only=True),
            await store.list_migration_plans(limit=3),
        ]
        for deleted in (False, True):
            found.append(await store.get_agents(include_deleted=deleted))
            for owner in IDS[AGENT.name]:
                found += [
                    await store.get_rules(owner, Scope.STEP, include_deleted=deleted),
                    await store.get_rules(owner, include_deleted=deleted),
                    await store.get_scenarios(owner, include_deleted=deleted),
                    await store.get_templates(owner, scope_id=STEPS[0], include_deleted=deleted),
                    await store.get_variables(owner, include_deleted=deleted),
                    await store.get_variable_by_name(owner, "v0"),
                    await store.get_tool_activations(owner),
                ]
        found.append(await store.list_migration_plans(IDS[SCENARIO.name][0], MigrationPlanStatus.APPROVED))
        return shown(found)

    def _one(self, kind: Kind, which: int) -> Any:
        id_ = IDS[kind.name][which]
        return self._known.get(id_, MADE[kind.name, which].evolve(id=id_))

    def _learnt(self, stored: Any) -> Any:
        self._known[stored.id] = stored
        return stored


def shown(answer: Any) -> Any:
    """``answer`` as plain values."""
    if isinstance(answer, list | tuple):
        return [shown(item) for item in answer]
    return answer.model_dump() if hasattr(answer, "model_dump") else answer


async def agree(focal_settings: Settings, taken: list[Step]) -> None:
    """Both give the same answers to the steps, and show the same at the end."""
    clock, tenant_id, answers = Clock(), uuid4(), []
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 1}), clock=clock) as data:
        for layer in (data, DataLayer.in_memory(clock=clock)):
            clock.time = NOON
            run = Run(layer.tenant(tenant_id), clock)
            for number in range(3):
                await run.take(("save", AGENT, number, 0, number, 0))
            for step in taken:
                await run.take(step)
            await run.finish()
            answers.append(run.answers)
    for postgres, memory in zip(*answers, strict=True):
        assert postgres == memory


QUIET: Final = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
@settings(QUIET, max_examples=10, derandomize=True)
@given(taken=steps)
async def test_both_backends_give_the_same_answers(focal_settings: Settings, taken: list[Step]) -> None:
    """To the same few sequences on every run."""
    await agree(focal_settings, taken)


@pytest.mark.slow
@settings(QUIET, max_examples=100)
@given(taken=steps)
async def test_both_backends_give_the_same_answers_at_length(
    focal_settings: Settings, taken: list[Step]
) -> None:
    """To many that no run had before."""
    await agree(focal_settings, taken)
