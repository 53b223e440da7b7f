"""PostgreSQL and memory asked the same: whatever the sequence of calls, they give the same answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from focal_data.data_layer import DataLayer
from focal_data.domain.answers import Page
from focal_data.domain.audit import TurnRecord
from focal_data.domain.base import Entity
from focal_data.domain.config import Agent
from focal_data.domain.filters import EpisodeFilter
from focal_data.domain.memory import Episode
from focal_data.domain.profile import Channel, CustomerProfile
from focal_data.errors import FocalDataError, StoreError
from focal_data.settings import Settings
from focal_data.testing.contracts.audit.base import a_turn, an_event
from focal_data.testing.contracts.base import Stores, TenantUnderTest
from focal_data.testing.contracts.profile.base import a_field, a_link, an_asset

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
CHANNELS: Final = (Channel.API, Channel.EMAIL)
Step = tuple[Any, ...]

MANY: Final = 8
some = st.integers(0, MANY)
few = st.integers(0, 2)
ahead = st.sampled_from([0, 0, 0, 1, -1])
user = st.tuples(st.sampled_from(CHANNELS), st.sampled_from(["u", "v", "w"]))
customer = st.sampled_from([None, "c-1", "c-2"])
name = st.sampled_from(["city", "age"])
hours = st.sampled_from([-2, -1, 0, 0, 0, 1, 2])
expiry = st.sampled_from([None, None, -1, 3])

calls: Final = st.one_of(
    st.tuples(st.just("get_or_create"), user, customer),
    st.tuples(st.just("get_or_create"), user, customer),
    st.tuples(st.just("save_new"), customer),
    st.tuples(st.just("save_known"), some, customer, ahead),
    st.tuples(st.just("update_field"), some, some, name, hours, expiry),
    st.tuples(st.just("update_field"), some, st.none(), name, hours, expiry),
    st.tuples(st.just("link"), some, user, st.booleans()),
    st.tuples(st.just("link_known"), some, some, user, ahead),
    st.tuples(st.just("unlink"), some, user),
    st.tuples(st.just("add_asset"), some, expiry),
    st.tuples(st.just("delete_asset"), some),
    st.tuples(st.just("merge"), some, some),
    st.tuples(st.just("merge"), some, some),
    st.tuples(st.just("delete"), some),
    st.tuples(st.just("remember"), some),
    st.tuples(st.just("find"), user, customer),
    st.tuples(st.just("turn"), few, few, st.booleans()),
    st.tuples(st.just("event"), few),
    st.tuples(st.just("wait"), some),
)
steps: Final = st.lists(
    st.one_of(
        calls, calls, calls, st.tuples(st.just("transaction"), st.lists(calls, max_size=6), st.booleans())
    ),
    min_size=8,
    max_size=40,
)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class Run:
    """The steps on one backend: what it answers, with each id by the order in which it appeared."""

    def __init__(self, tenant: TenantUnderTest, clock: Clock) -> None:
        self._tenant = tenant
        self._clock = clock
        self._known: dict[type, dict[UUID, Any]] = {}
        self._names: dict[UUID, str] = {tenant.tenant_id: "tenant"}
        self._nobody = CustomerProfile()
        self._sessions = [uuid4() for _ in range(3)]
        self._agent = Agent(name="a")
        self.answers: list[Any] = []

    async def begun(self) -> Self:
        """With an agent, whom episodes need, and four profiles."""
        self._clock.time = NOON
        self._agent = await self._tenant.config.save_agent(self._agent)
        for channel in CHANNELS:
            for user in ("u", "v"):
                await self.take(("get_or_create", (channel, user), None))
        return self

    async def take(self, step: Step) -> None:
        """Answer one step, and let a second pass."""
        self._clock.time += timedelta(seconds=1)
        if step[0] == "transaction":
            self.answers.append(await self._transaction(step[1], commits=step[2]))
        else:
            self.answers.append(await self._answer(self._tenant, step))

    async def finish(self) -> None:
        """Tell everything that can be read."""
        profiles, told = self._tenant.profiles, self._told
        for profile in self._known[CustomerProfile].values():
            for read in (
                profiles.get_by_id,
                profiles.get_fields,
                profiles.list_channels,
                profiles.list_assets,
                profiles.get_merged_ids,
            ):
                self.answers.append(told(await read(profile.id)))
            for field in ("city", "age"):
                self.answers.append(told(await profiles.get_field_history(profile.id, field)))
            episodes = await self._tenant.memory.get_episodes(EpisodeFilter(customer_profile_id=profile.id))
            self.answers.append(told(episodes))
        for session in self._sessions:
            self.answers.append(told(await self._tenant.audit.list_turns_by_session(session)))
            self.answers.append(told(await self._tenant.audit.list_events_by_session(session)))
        self.answers.append(told(await self._tenant.audit.list_turns()))

    async def _transaction(self, inner: list[Step], *, commits: bool) -> list[Any]:
        answers: list[Any] = []
        before = {kind: dict(known) for kind, known in self._known.items()}
        try:
            async with self._tenant.transaction() as tx:
                for step in inner:
                    answers.append(await self._answer(tx, step))  # noqa: PERF401  (what came before a failure is told)
                if not commits:
                    raise KeyError
        except KeyError:
            self._known = before
        except StoreError as error:
            self._known = before
            answers.append(self._failure(error))
        return answers

    async def _answer(self, stores: Stores, step: Step) -> Any:
        try:
            answer = await self._call(stores, step)
        except FocalDataError as error:
            return step[0], self._failure(error)
        if isinstance(answer, Entity):
            self._known.setdefault(type(answer), {})[answer.id] = answer
        return step[0], self._told(answer)

    def _call(self, stores: Stores, step: Step) -> Awaitable[Any]:
        call: Callable[..., Awaitable[Any]] = getattr(self, f"_{step[0]}")
        return call(stores, *step[1:])

    def _failure(self, error: FocalDataError) -> tuple[Any, ...]:
        facts = ("entity", "constraint", "fields", "current_revision", "field")
        return type(error).__name__, *(getattr(error, fact, None) for fact in facts)

    def _told(self, answer: Any) -> Any:
        """``answer`` without an id: two backends make their own."""
        if isinstance(answer, UUID):
            return self._names.setdefault(answer, f"#{len(self._names)}")
        if isinstance(answer, BaseModel):
            return {field: self._told(value) for field, value in answer.__dict__.items()}
        if isinstance(answer, Page):
            return [self._told(item) for item in answer]
        if isinstance(answer, list | tuple):
            return [self._told(item) for item in answer]
        if isinstance(answer, dict):
            return {key: self._told(value) for key, value in answer.items()}
        return answer

    def _profile(self, number: int) -> CustomerProfile:
        """As it was when it was last told, by its number in time; the last number is nobody's."""
        known: list[CustomerProfile] = list(self._known[CustomerProfile].values())
        return self._nobody if number == MANY else known[number % len(known)]

    def _until(self, expiry: int | None) -> datetime | None:
        return None if expiry is None else self._clock.time + timedelta(hours=expiry)

    async def _get_or_create(self, stores: Stores, user: tuple[Channel, str], customer: str | None) -> Any:
        return await stores.profiles.get_or_create(*user, customer)

    async def _save_new(self, stores: Stores, customer: str | None) -> Any:
        return await stores.profiles.save(CustomerProfile(customer_id=customer))

    async def _save_known(self, stores: Stores, number: int, customer: str | None, ahead: int) -> Any:
        known = self._profile(number)
        return await stores.profiles.save(
            known.evolve(
                customer_id=customer, revision=max(0, known.revision + ahead), tenant_id=stores.tenant_id
            )
        )

    async def _update_field(
        self,
        stores: Stores,
        number: int,
        named: int | None,
        name: str,
        begins: int,
        expiry: int | None,
    ) -> Any:
        profile = self._profile(number)
        owner = profile if named is None else self._profile(named)
        begin = self._clock.time + timedelta(hours=begins)
        times = {"valid_from": begin, "collected_at": begin, "expires_at": self._until(expiry)}
        field = a_field(owner, {"value": len(self.answers)}, name=name, **times)
        return await stores.profiles.update_field(profile.id, field)

    async def _link(self, stores: Stores, number: int, user: tuple[Channel, str], primary: bool) -> Any:
        profile = self._profile(number)
        link = a_link(profile, user[1], channel=user[0], primary=primary)
        return await stores.profiles.link_channel(profile.id, link)

    async def _link_known(
        self, stores: Stores, number: int, target: int, user: tuple[Channel, str], ahead: int
    ) -> Any:
        links = await stores.profiles.list_channels(self._profile(number).id)
        if not links:
            return None
        link, profile = links[0], self._profile(target)
        moved = link.evolve(
            profile_id=profile.id,
            channel=user[0],
            channel_user_id=user[1],
            revision=max(0, link.revision + ahead),
        )
        return await stores.profiles.link_channel(profile.id, moved)

    async def _unlink(self, stores: Stores, number: int, user: tuple[Channel, str]) -> Any:
        return await stores.profiles.unlink_channel(self._profile(number).id, *user)

    async def _add_asset(self, stores: Stores, number: int, expiry: int | None) -> Any:
        profile = self._profile(number)
        asset = an_asset(profile, uploaded_at=NOON, expires_at=self._until(expiry))
        return await stores.profiles.add_asset(profile.id, asset)

    async def _delete_asset(self, stores: Stores, number: int) -> Any:
        assets = await stores.profiles.list_assets(self._profile(number).id)
        return await stores.profiles.delete_asset(assets[0].id if assets else self._nobody.id)

    async def _merge(self, stores: Stores, source: int, target: int) -> Any:
        return await stores.profiles.merge_profiles(self._profile(source).id, self._profile(target).id)

    async def _delete(self, stores: Stores, number: int) -> Any:
        return await stores.profiles.delete_profile(self._profile(number).id)

    async def _remember(self, stores: Stores, number: int) -> Any:
        given = {"agent_id": self._agent.id, "content": "x", "occurred_at": NOON}
        owner = self._profile(number).id
        return await stores.memory.add_episode(Episode(customer_profile_id=owner, **given))

    async def _find(self, stores: Stores, user: tuple[Channel, str], customer: str | None) -> Any:
        by_customer = None if customer is None else await stores.profiles.get_by_customer_id(customer)
        return [await stores.profiles.get_by_channel_identity(*user), by_customer]

    async def _turn(self, stores: Stores, session: int, number: int, again: bool) -> Any:
        turn = a_turn(self._sessions[session], number, agent_id=self._agent.id)
        stored = list(self._known.get(TurnRecord, {}).values())
        return await stores.audit.save_turn(stored[-1] if again and stored else turn)

    async def _event(self, stores: Stores, session: int) -> Any:
        return await stores.audit.save_event(an_event(self._sessions[session]))

    async def _wait(self, stores: Stores, time: int) -> Any:
        self._clock.time += timedelta(hours=time)


async def agree(focal_settings: Settings, taken: list[Step]) -> None:
    """Both give the same answers to the steps, and to every question afterwards."""
    clock = Clock()
    async with DataLayer.open(focal_settings.model_copy(update={"pool_size": 1}), clock=clock) as data:
        answers = []
        for layer in (data, DataLayer.in_memory(clock=clock)):
            run = await Run(layer.tenant(uuid4()), clock).begun()
            for step in taken:
                await run.take(step)
            await run.finish()
            answers.append(run.answers)
    assert answers[0] == answers[1]


QUIET: Final = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


@pytest.mark.slow
@settings(QUIET, max_examples=25, derandomize=True)
@given(taken=steps)
async def test_both_backends_give_the_same_answers(focal_settings: Settings, taken: list[Step]) -> None:
    """To the same few sequences on every run."""
    await agree(focal_settings, taken)


@pytest.mark.slow
@settings(QUIET, max_examples=300)
@given(taken=steps)
async def test_both_backends_give_the_same_answers_at_length(
    focal_settings: Settings, taken: list[Step]
) -> None:
    """To many that no run had before."""
    await agree(focal_settings, taken)
