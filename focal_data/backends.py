"""Which backend keeps the promises of ideation: by an argument, or as the data layer's settings say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from focal_data.errors import UsageError
from focal_data.settings import IdeationBackend
from focal_data.stores.ideation import IdeationFactory


class HasIdeation(Protocol):
    """A data layer, as much of it as is needed here."""

    @property
    def ideation_backend(self) -> IdeationBackend: ...

    @property
    def ideation_factories(self) -> Mapping[IdeationBackend, IdeationFactory]: ...


def get_repository_factory(data: HasIdeation, backend: str | None = None) -> IdeationFactory:
    """What makes the ideation stores of a tenant, on ``backend``: ``postgres``, ``redis`` or ``memory``.

    Left out, it is the setting ``IDEATION_PERSISTENCE_BACKEND`` that decides; a data layer in memory has none but ``memory``.
    Raises ``UsageError`` for a name that is unknown, and for a backend that the data layer does not have.
    """
    wanted = data.ideation_backend if backend is None else _known(backend)
    factory = data.ideation_factories.get(wanted)
    if factory is None:
        there = ", ".join(data.ideation_factories)
        raise UsageError(f"this data layer has no backend {wanted.value} for ideation, only: {there}")
    return factory


def _known(backend: str) -> IdeationBackend:
    try:
        return IdeationBackend(backend)
    except ValueError:
        known = ", ".join(IdeationBackend)
    raise UsageError(f"an unknown backend for ideation; there are: {known}")
