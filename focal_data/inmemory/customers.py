"""Customers' profiles in memory.

A merged profile points to the one that it is part of now, always directly: a merge moves the older pointers along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from focal_data.domain.filters import EntityFilter, EpisodeFilter
from focal_data.domain.profile import CustomerProfile
from focal_data.errors import NotFoundError, StaleRevisionError
from focal_data.inmemory.database import InMemoryScope, Tables
from focal_data.inmemory.repository import InMemoryRepository, Parent, Unique

PROFILES = "customer_profiles"
_CUSTOMER = Unique("uq_customer_profiles_customer_id", ("customer_id",))


class InMemoryCustomerProfileRepository(InMemoryRepository[CustomerProfile]):
    """Profiles. Reads follow a merge, and a merged one is not written any more."""

    kind = PROFILES
    domain = CustomerProfile
    unique = (_CUSTOMER,)
    parents = (Parent("fk_customer_profiles_merged_into_id", "merged_into_id", PROFILES, "CustomerProfile"),)

    def resolved(self, tables: Tables, profile_id: UUID) -> CustomerProfile | None:
        """The profile of this id, or the one that it was merged into, or ``None``."""
        found = self.find(tables, profile_id)
        if found is None or found.merged_into_id is None:
            return found
        return self.find(tables, found.merged_into_id)

    def held(self, tables: Tables, profile_id: UUID) -> CustomerProfile:
        """As ``resolved``. Raises ``NotFoundError``."""
        found = self.resolved(tables, profile_id)
        if found is None:
            raise NotFoundError(CustomerProfile.__name__)
        return found

    def of_customer(self, tables: Tables, customer_id: str | None) -> CustomerProfile | None:
        """The profile with this id in the other system, or the one that it was merged into, or ``None``."""
        found: UUID | None = tables.rows(_CUSTOMER.name).get((customer_id,))
        return None if found is None else self.resolved(tables, found)

    def merged(self, tables: Tables, profile_id: UUID) -> list[CustomerProfile]:
        """All that became part of what this id stands for, by id."""
        root = self.resolved(tables, profile_id)
        return [] if root is None else self.those(tables, lambda found: found.merged_into_id == root.id)

    def ids_of(self, tables: Tables, profile_id: UUID) -> set[UUID]:
        """Every id of the person: the one that is given, what it stands for, and all that became part of that."""
        root = self.resolved(tables, profile_id)
        whole = () if root is None else (root, *self.merged(tables, root.id))
        return {profile_id, *(profile.id for profile in whole)}

    def new(self, entity: CustomerProfile) -> CustomerProfile:
        return super().new(entity).model_copy(update={"merged_into_id": None})

    def change(self, tables: Tables, entity: Any, **stamps: Any) -> CustomerProfile:
        """As of every kind. Who holds a profile from before its merge is told the revision of what a read gives."""
        root = self.resolved(tables, entity.id)
        if root is not None and root.id != entity.id:
            raise StaleRevisionError(CustomerProfile.__name__, root.revision)
        return super().change(tables, entity, **{"merged_into_id": None} | stamps)

    async def delete(self, id: UUID) -> bool:  # noqa: A002
        """Delete what the id stands for, with everything merged into it. Raises ``InUseError``."""
        return await self._scope.write(lambda tables: self._remove_whole(tables, id))

    def _remove_whole(self, tables: Tables, profile_id: UUID) -> bool:
        root = self.resolved(tables, profile_id)
        if root is None:
            return False
        for part in (*self.merged(tables, root.id), root):
            self.remove(tables, part.id)
        return True


def condition(
    scope: InMemoryScope, tables: Tables, asked: EpisodeFilter | EntityFilter
) -> Callable[[Any], bool]:
    """Whether all that is asked for holds; a ``customer_profile_id`` stands for every id of the person."""
    named = asked.customer_profile_id
    if named is None:
        return asked.matches
    ids = InMemoryCustomerProfileRepository(scope).ids_of(tables, named)
    others = asked.model_copy(update={"customer_profile_id": None})
    return lambda thing: thing.customer_profile_id in ids and others.matches(thing)
