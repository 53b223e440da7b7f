"""What the factories share: parents that agree about their tenant, building with and without them, and persisting.

``build`` makes an object, ``build_with_parents`` also what it hangs on, and ``await create(tenant)`` stores all of that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

import factory

from focal_data.domain.base import ValueObject
from focal_data.errors import UsageError
from focal_data.ids import NO_TENANT
from focal_data.stores.audit import AuditStore
from focal_data.stores.config import ConfigStore
from focal_data.stores.memory import MemoryStore
from focal_data.stores.profile import ProfileStore
from focal_data.testing.factories import chance

M = TypeVar("M")
E = TypeVar("E", bound=ValueObject)

Made = tuple["type[TenantFactory[Any]]", Any]
_made: ContextVar[list[Made] | None] = ContextVar("made", default=None)


class Stores(Protocol):
    """What objects are stored in: a tenant, or a transaction of one, of any backend."""

    @property
    def tenant_id(self) -> UUID: ...
    @property
    def config(self) -> ConfigStore: ...
    @property
    def memory(self) -> MemoryStore: ...
    @property
    def audit(self) -> AuditStore: ...
    @property
    def profiles(self) -> ProfileStore: ...


class Link(factory.declarations.BaseDeclaration):  # type: ignore[misc]
    """Something that may be given by name (``profile=…``) or by its id (``profile_id=…``); nothing otherwise."""

    def evaluate(self, instance: Any, step: Any, extra: dict[str, Any]) -> Any:
        return None


class Parent(Link):
    """As ``Link``, and made in the same tenant when neither is given. ``shared`` says what it takes from its child."""

    def __init__(
        self,
        made_by: type[TenantFactory[Any]],
        shared: Callable[[Any], dict[str, Any]] = lambda child: {},
    ) -> None:
        super().__init__()
        self._made_by = made_by
        self._shared = shared

    def evaluate(self, instance: Any, step: Any, extra: dict[str, Any]) -> Any:
        made = self._made_by.build(tenant_id=instance.tenant_id, **self._shared(instance), **extra)
        collected = _made.get()
        if collected is not None:
            collected.append((self._made_by, made))
        return made


def id_of(link: str, *, otherwise: Callable[[], Any] = lambda: None) -> Any:
    """The id of what ``link`` names; ``otherwise()`` where that is nothing."""

    def its_id(child: Any) -> Any:
        linked = getattr(child, link)
        return otherwise() if linked is None else linked.id

    return factory.LazyAttribute(its_id)


class Factory(factory.Factory[M], Generic[M]):  # type: ignore[misc]
    """Makes one thing, or a number of them, and stores none."""

    class Meta:
        abstract = True
        strategy = factory.BUILD_STRATEGY

    @classmethod
    def build(cls, **given: Any) -> M:
        """One, with what was given, and with what the factory says for the rest."""
        return cast("M", super().build(**given))

    @classmethod
    def build_batch(cls, size: int, **given: Any) -> list[M]:
        """As ``build``, ``size`` times."""
        return [cls.build(**given) for _ in range(size)]


class TenantFactory(Factory[M]):
    """Makes what belongs to a tenant. Raises ``UsageError`` where ``tenant_id``, a link and its id contradict each other."""

    class Meta:
        abstract = True

    tenant_id = NO_TENANT

    @classmethod
    def build_with_parents(cls, **given: Any) -> list[Any]:
        """What was made for it to hang on, parents first, and it itself as the last. What was given is not among them."""
        return [thing for _, thing in cls._family(given)]

    @classmethod
    def _family(cls, given: dict[str, Any]) -> list[Made]:
        with _collecting() as parents:
            thing = cls.build(**given)
        return [*parents, (cls, thing)]

    @classmethod
    def _generate(cls, strategy: str, params: dict[str, Any]) -> M:
        return cast("M", super()._generate(strategy, cls._agreed(params)))

    @classmethod
    def _agreed(cls, given: dict[str, Any]) -> dict[str, Any]:
        """``given`` with the tenant that all of it is of, and nothing to be made for a link whose id is given."""
        agreed = dict(given)
        tenant = given.get("tenant_id", NO_TENANT)
        for name in _links(cls):  # type: ignore[arg-type]  # a class is hashable
            key, linked = f"{name}_id", given.get(name)
            if linked is None:
                if key in given:
                    agreed[name] = None
                continue
            if given.get(key, linked.id) != linked.id:
                raise UsageError(f"{key} is another one's than {name}: leave one of them out")
            if NO_TENANT not in (tenant, linked.tenant_id) and tenant != linked.tenant_id:
                raise UsageError(f"{name} is another tenant's than what was given beside it")
            tenant = tenant if tenant != NO_TENANT else linked.tenant_id
        return agreed if tenant == NO_TENANT else agreed | {"tenant_id": tenant}


class DomainFactory(TenantFactory[E]):
    """Makes domain objects as they are before they are stored: the nil tenant unless one is given, revision 0, no times."""

    class Meta:
        abstract = True

    @classmethod
    async def create(cls, stores: Stores, **given: Any) -> E:
        """Store one in a tenant or in a transaction, after the parents that were not given; returns it as stored."""
        *parents, own = cls._family(given | {"tenant_id": tenant_of(stores.tenant_id, given)})
        for made_by, parent in parents:
            await made_by._store(stores, parent)
        return await cls._store(stores, own[1])

    @classmethod
    async def create_batch(cls, stores: Stores, size: int, **given: Any) -> list[E]:
        """As ``create``, ``size`` times; parents that are not given are made for each."""
        return [await cls.create(stores, **given) for _ in range(size)]

    @classmethod
    async def _store(cls, stores: Stores, entity: E) -> E:
        """Store ``entity`` by the call that its store has for that."""
        raise UsageError(
            f"{cls.__name__} has no store: build the object, or create a row by its table's factory"
        )


class ValueFactory(Factory[M]):
    """Makes values, which belong to whatever holds them."""

    class Meta:
        abstract = True


def tenant_of(tenant_id: UUID, given: dict[str, Any]) -> UUID:
    """``tenant_id``, unless another one is among what was given: ``UsageError``."""
    if given.get("tenant_id", NO_TENANT) not in (NO_TENANT, tenant_id):
        raise UsageError("tenant_id is another tenant's than the one to store in")
    return tenant_id


def picked(choices: Any) -> Any:
    """A declaration: one of ``choices``, a sequence or an enumeration."""
    values = list(choices)
    return factory.LazyFunction(lambda: chance.pick(values))


def drawn(low: int, high: int) -> Any:
    """A declaration: an integer from ``low`` to ``high``."""
    return factory.LazyFunction(lambda: chance.number(low, high))


def named(*words: str) -> Any:
    """A declaration: one of ``words`` with an ending of its own, so that no other has that name."""
    return factory.LazyFunction(lambda: chance.distinct(chance.pick(words)))


NEW_ID: Any = factory.LazyFunction(chance.new_id)
TEXT_ID: Any = factory.LazyFunction(chance.text_id)
TIME: Any = factory.LazyFunction(chance.time)
FRACTION: Any = factory.LazyFunction(chance.fraction)
DIGEST: Any = factory.LazyFunction(chance.digest)
EMBEDDED: Any = factory.Trait(embedding=factory.LazyFunction(chance.embedding))
"""What ``embedded=True`` adds."""


@contextmanager
def _collecting() -> Iterator[list[Made]]:
    parents: list[Made] = []
    token = _made.set(parents)
    try:
        yield parents
    finally:
        _made.reset(token)


@cache
def _links(made_by: type[TenantFactory[Any]]) -> tuple[str, ...]:
    declared = made_by._meta.pre_declarations
    return tuple(name for name in declared if isinstance(declared[name].declaration, Link))
