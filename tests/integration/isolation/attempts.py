"""How tenant B tries a call on what tenant A keeps: arguments by the names and types of the parameters."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any, TypeVar
from uuid import UUID

import focal_data.repositories
from focal_data.database.statement import Statement
from focal_data.domain import config, filters, ideation, memory, profile, session
from focal_data.domain.answers import Page
from focal_data.domain.base import ValueObject
from focal_data.domain.embedding import Embedding
from focal_data.domain.ideation_archive import IdeationArchive
from focal_data.ids import new_id
from focal_data.repositories.base import TenantRepository
from focal_data.repositories.ground import GroundRepository
from focal_data.repositories.ideation_ground import IdeationRepository
from tests.integration.isolation.world import QUERY, SECRET, SECRET_WORD, World

INTRUDER = "an-intruder"

Repository = GroundRepository[Any, Any]


def calls_of(kind: type) -> list[str]:
    """The names of the public coroutines and asynchronous generators of a class."""

    def awaited(member: object) -> bool:
        return inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)

    return [name for name, _ in inspect.getmembers(kind, awaited) if not name.startswith("_")]


def repositories() -> list[type[Repository]]:
    """Every repository of a table of focal_data."""
    for module in pkgutil.iter_modules(focal_data.repositories.__path__):
        importlib.import_module(f"focal_data.repositories.{module.name}")
    bases = (TenantRepository, IdeationRepository)
    found = (kind for base in bases for kind in _subclasses(base))
    own = (kind for kind in found if kind.__module__.startswith("focal_data."))
    return sorted({kind for kind in own if "table" in kind.__dict__}, key=lambda kind: kind.__name__)


def attempts(call: Callable[..., Any], world: World, revisions: Mapping[type, int]) -> list[dict[str, Any]]:
    """Sets of arguments that aim at what ``world`` keeps. Raises ``NotImplementedError`` for a parameter unheard of.

    A call whose parameters are new needs its names or types here: without a case, there is no proof.
    """
    owner = getattr(call, "__self__", None)
    if call.__name__ in ("one", "all", "raw"):  # what a repository of one's own is written with
        assert isinstance(owner, GroundRepository)
        return [{"statement": Statement(owner.rows(include_deleted=True)), "values": {}}]
    if call.__name__ == "update_fields":
        assert isinstance(owner, TenantRepository)
        return [{"id": one, **_CHANGES.get(owner.mapper.domain, {})} for one in _ids_of(owner, world)]
    hints = typing.get_type_hints(call)
    choices: dict[str, list[Any]] = {}
    for name, parameter in inspect.signature(call).parameters.items():
        found = list(_values(name, hints.get(name), world, owner, revisions))
        if not found and parameter.default is parameter.empty:
            raise NotImplementedError(
                f"{call.__qualname__}({name}) has no case: tests/integration/isolation/attempts.py"
            )
        if found:
            choices[name] = found
    return [dict(zip(choices, values, strict=True)) for values in product(*choices.values())]


def touches(result: object, world: World) -> bool:
    """Whether ``result`` shows something that the tenant keeps, or reports to have done something to it."""
    if isinstance(result, bool | int):
        return bool(result)
    if isinstance(result, UUID):
        return True
    if isinstance(result, str) and result == world.text_id("ideation"):
        return True
    if isinstance(result, Mapping):
        return any(touches(value, world) for value in result.values())
    if isinstance(result, tuple | list | set | frozenset):
        return any(touches(item, world) for item in result)
    if isinstance(result, Page):
        return touches(result.items, world)
    if isinstance(result, memory.GroupDeletion):
        return any(dataclasses.astuple(result))
    return any(sign in repr(result) for sign in (SECRET, str(world.tenant.tenant_id)))


def _values(
    name: str, hint: Any, world: World, owner: object, revisions: Mapping[type, int]
) -> Iterator[Any]:
    hint = _resolved(hint, owner)
    kinds = [kind for kind in _alternatives(hint) if isinstance(kind, type)]
    entities = [kind for kind in kinds if kind in world.kept(INTRUDER)]
    if entities:
        yield from _slipped_in(entities[0], world, revisions)
    elif (many := _resolved(_element(hint), owner)) in world.kept(INTRUDER):
        yield from ([one] for one in _slipped_in(many, world, revisions))
    elif Embedding in kinds:
        yield QUERY
    elif (made := next((_FILTERS[kind] for kind in kinds if kind in _FILTERS), None)) is not None:
        yield from made(world)
    elif name == "filters":  # of any kind
        assert isinstance(owner, TenantRepository)
        yield from _FILTER_OF[owner.mapper.domain](world)
    elif name in ("id", "ids"):
        ids = _ids_of(owner, world)
        yield from ids if name == "id" else [[one] for one in ids]
    elif str in kinds and name in _TEXT_IDS:
        yield world.text_id(_TEXT_IDS[name])
    elif name in _BY_NAME:
        yield from _BY_NAME[name](world)


def _slipped_in(
    kind: type[ValueObject], world: World, revisions: Mapping[type, int]
) -> Iterator[ValueObject]:
    """As new, as a change of the stored one, and as new with an id of its own below A's parents; as A's, too."""
    thing = world.kept(INTRUDER)[kind]
    key = "session_id" if kind is session.Session else "id"
    yield thing
    if key in kind.model_fields:
        own = new_id() if isinstance(getattr(thing, key), UUID) else str(new_id())
        yield world.kept(INTRUDER, number=2)[kind].evolve(**{key: own})
    if "revision" in kind.model_fields:
        yield thing.evolve(revision=revisions[kind])
    if kind is ideation.IdeationSession:
        yield thing.evolve(version=1)
    yield thing.evolve(tenant_id=world.tenant.tenant_id)


def _ids_of(owner: object, world: World) -> list[UUID]:
    assert isinstance(owner, TenantRepository)
    kind = owner.mapper.domain
    others = (f"{state}_{kind.__name__.lower()}" for state in ("deleted", "idle"))
    return [world.kept(INTRUDER)[kind].id, *(world.ids[name] for name in others if name in world.ids)]


def _resolved(hint: Any, owner: object) -> Any:
    """``hint`` with the entity of the repository for its type variable."""
    if isinstance(hint, TypeVar):
        assert isinstance(owner, GroundRepository)
        return owner.mapper.domain
    return hint


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, type(int | str)) else (hint,)


def _element(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) in (list, tuple, Sequence, Iterable) else None


def _subclasses(kind: type) -> Iterator[type[Any]]:
    for subclass in kind.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def _id(*names: str) -> Callable[[World], list[UUID]]:
    return lambda world: [world.ids[name] for name in names]


def _all(*values: object) -> Callable[[World], list[Any]]:
    return lambda _: list(values)


def _archives(world: World) -> list[IdeationArchive]:
    """Of A's session, and of another with A's message in it."""
    things, then = world.kept(INTRUDER), datetime(2026, 1, 1, tzinfo=UTC)
    session = things[ideation.IdeationSession].evolve(version=1, created_at=then, updated_at=then)
    own = session.evolve(id=str(new_id()))
    message = things[ideation.ChatMessage]
    return [
        IdeationArchive(session, [message]),
        IdeationArchive(own),
        IdeationArchive(own, [message.evolve(session_id=own.id)]),
        IdeationArchive(own.evolve(tenant_id=world.tenant.tenant_id)),
    ]


_TEXT_IDS = {"session_id": "ideation", "user_id": "ideation_user", "requirement_id": "requirement"}
"""Where an id is text, what it names."""

_BY_NAME: dict[str, Callable[[World], list[Any]]] = {
    "agent_id": _id("agent", "deleted_agent"),
    "rule_id": _id("rule", "deleted_rule"),
    "scenario_id": _id("scenario", "deleted_scenario"),
    "template_id": _id("template", "deleted_template"),
    "variable_id": _id("variable", "deleted_variable"),
    "plan_id": _id("plan"),
    "episode_id": _id("episode"),
    "entity_id": _id("entity"),
    "relationship_id": _id("relationship"),
    "turn_id": _id("turn"),
    "event_id": _id("event"),
    "session_id": _id("session"),
    "profile_id": _id("profile", "merged_profile", "other_profile"),
    "source_id": _id("profile"),
    "target_id": _id("other_profile"),
    "asset_id": _id("asset"),
    "customer_profile_id": _id("profile"),
    "entity_ids": lambda world: [[world.ids["entity"]], [world.ids["other_entity"]]],
    "group_id": lambda world: [world.outside],
    "customer_id": lambda world: [world.outside],
    "channel_user_id": lambda world: [world.outside],
    "tool_id": lambda world: [world.outside],
    "channel": _all(profile.Channel.EMAIL),
    "name": _all("order_1", "name_1"),
    "names": _all(None),
    "version": _all(1),
    "from_version": _all(1),
    "to_version": _all(2),
    "scenario_version": _all(1),
    "step_content_hash": _all("hash"),
    "query": _all(SECRET_WORD),
    "words": _all(SECRET_WORD),
    "text": _all(SECRET_WORD),
    "limit": _all(100),
    "offset": _all(0),
    "cursor": _all(None),
    "enabled_only": _all(False),
    "include_deleted": _all(True),
    "highlight": _all(True),
    "event_type": _all(None),
    "min_score": _all(None),
    "as_of": _all(None),
    "known_at": _all(None),
    "start": _all(None),
    "end": _all(None),
    "now": lambda _: [datetime.now(UTC)],
    "deleted_at": lambda world: [world.deleted_at],
    "archive": _archives,
    "session_ids": lambda world: [[world.text_id("ideation")]],
    "values": lambda world: [{"agent_id": world.ids["agent"]}],
}


_CHANGES: dict[type, dict[str, Any]] = {
    config.Agent: {"description": INTRUDER},
    config.Rule: {"description": INTRUDER},
    config.Scenario: {"description": INTRUDER},
    config.Template: {"text": INTRUDER},
    config.Variable: {"description": INTRUDER},
    config.ToolActivation: {"enabled": False},
    config.MigrationPlan: {"created_by": INTRUDER},
    memory.Entity: {"name": INTRUDER},
    memory.Relationship: {"confidence": 0.5},
    profile.CustomerProfile: {"consents": []},
    profile.ChannelIdentity: {"primary": True},
    profile.ProfileField: {"confidence": 0.5},
    profile.ProfileAsset: {"asset_type": INTRUDER},
}
"""What is tried to be changed; of other kinds nothing can be."""


def _narrowed(kind: type[filters.EpisodeFilter | filters.EntityFilter]) -> Callable[[World], list[Any]]:
    """By the group, and by each id of the person."""
    return lambda world: [
        kind(group_id=world.outside),
        *(kind(customer_profile_id=world.ids[name]) for name in ("profile", "merged_profile")),
    ]


_FILTERS: dict[type, Callable[[World], list[Any]]] = {
    filters.RuleFilter: _all(filters.RuleFilter(enabled=None)),
    filters.ScenarioFilter: _all(filters.ScenarioFilter(enabled=None)),
    filters.EpisodeFilter: _narrowed(filters.EpisodeFilter),
    filters.EntityFilter: _narrowed(filters.EntityFilter),
    filters.RelationshipFilter: lambda world: [filters.RelationshipFilter(group_id=world.outside)],
}

_FILTER_OF: dict[type, Callable[[World], list[Any]]] = {
    memory.Entity: _FILTERS[filters.EntityFilter],
    memory.Relationship: _FILTERS[filters.RelationshipFilter],
}
