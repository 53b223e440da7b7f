"""Trying a call: what comes back, or nothing where the store refuses."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from focal_data.domain.base import ValueObject
from focal_data.errors import StoreError, UsageError
from focal_data.stores.audit import AuditStore
from focal_data.stores.config import ConfigStore
from focal_data.stores.ideation import (
    IdeationMaturityStore,
    IdeationMessageStore,
    IdeationPRDStore,
    IdeationRequirementStore,
    IdeationSessionStore,
)
from focal_data.stores.memory import MemoryStore
from focal_data.stores.profile import ProfileStore
from focal_data.unit_of_work import Stores
from tests.integration.isolation.attempts import calls_of

Call = Callable[..., Any]
Find = Callable[[Stores], Call]
Revisions = dict[type[ValueObject], int]

STORES: dict[str, Find] = {
    f"{store}.{call}": lambda stores, store=store, call=call: getattr(getattr(stores, store), call)  # type: ignore[misc]
    for store, promise in {
        "config": ConfigStore,
        "memory": MemoryStore,
        "audit": AuditStore,
        "profiles": ProfileStore,
    }.items()
    for call in calls_of(promise)
}
"""Every call of the stores that a transaction spans, by name."""


IDEATION: dict[str, Find] = {
    f"ideation.{store}.{call}": lambda stores, store=store, call=call: getattr(  # type: ignore[misc]
        getattr(stores.ideation, store), call
    )
    for store, promise in {
        "sessions": IdeationSessionStore,
        "messages": IdeationMessageStore,
        "requirements": IdeationRequirementStore,
        "maturity": IdeationMaturityStore,
        "prd": IdeationPRDStore,
    }.items()
    for call in calls_of(promise)
}
"""Every call of the ideation stores, by name."""


async def tried(call: Call, arguments: dict[str, Any]) -> object:
    """The answer, or ``None`` where the store refused."""
    try:
        return await called(call, arguments)
    except (StoreError, UsageError):
        return None


async def called(call: Call, arguments: dict[str, Any]) -> object:
    """The answer; a stream's items as a list."""
    arguments = dict(arguments)
    if call.__name__ == "update_fields":  # its id is given by place, so that a field may have that name
        return await call(arguments.pop("id"), **arguments)
    if inspect.isasyncgenfunction(call):
        return [item async for item in call(**arguments)]
    return await call(**arguments)
