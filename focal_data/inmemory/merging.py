"""Two profiles made one, in memory: everything that names the source is moved to the target, or nothing is.

What has a revision gets the next one, so that who read it before the merge can't write the old profile back.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from focal_data.domain.profile import CustomerProfile
from focal_data.errors import ConflictError
from focal_data.inmemory.customers import InMemoryCustomerProfileRepository
from focal_data.inmemory.database import InMemoryScope, Tables
from focal_data.inmemory.graph import InMemoryEntityRepository
from focal_data.inmemory.memory import InMemoryEpisodeRepository
from focal_data.inmemory.profile_parts import (
    TICK,
    InMemoryChannelIdentityRepository,
    InMemoryProfileAssetRepository,
    InMemoryProfileFieldRepository,
    is_current,
)
from focal_data.inmemory.repository import InMemoryRepository

_HISTORY: Final = InMemoryEntityRepository.history


def merge(scope: InMemoryScope, tables: Tables, source_id: UUID, target_id: UUID) -> CustomerProfile:
    """The target, with everything that was the source's. Raises ``NotFoundError``, and ``ConflictError`` for one profile."""
    profiles = InMemoryCustomerProfileRepository(scope)
    source, target = profiles.held(tables, source_id), profiles.held(tables, target_id)
    if source.id == target.id:
        raise ConflictError("CustomerProfile: the two are one profile already")
    return _Merge(scope, tables, source, target).done()


class _Merge:
    def __init__(
        self, scope: InMemoryScope, tables: Tables, source: CustomerProfile, target: CustomerProfile
    ) -> None:
        self._scope = scope
        self._tables = tables
        self._profiles = InMemoryCustomerProfileRepository(scope)
        self._source = source
        self._target = target
        self._sources = {source.id, *(profile.id for profile in self._profiles.merged(tables, source.id))}

    def done(self) -> CustomerProfile:
        """The target, when everything has moved."""
        self._channels()
        self._fields()
        self._move(InMemoryProfileAssetRepository(self._scope), "profile_id")
        self._move(InMemoryEpisodeRepository(self._scope), "customer_profile_id")
        self._move(InMemoryEntityRepository(self._scope), "customer_profile_id")
        self._history()
        return self._pointed()

    def _pointed(self) -> CustomerProfile:
        """The source, and what had been merged into it, point to the target, which has a ``customer_id`` if either had."""
        takes = self._target.customer_id is None
        for profile in (self._source, *self._profiles.merged(self._tables, self._source.id)):
            gone = {"customer_id": None} if takes and profile.id == self._source.id else {}
            self._put(self._profiles, profile, merged_into_id=self._target.id, **gone)
        gain = {"customer_id": self._source.customer_id} if takes else {}
        return self._put(self._profiles, self._target, **gain)  # type: ignore[no-any-return]

    def _channels(self) -> None:
        """The target's primary channel stays the only one."""
        channels = InMemoryChannelIdentityRepository(self._scope)
        taken = any(channels.of(self._tables, self._target.id, lambda link: link.primary))
        for link in channels.of(self._tables, self._source.id):
            self._put(channels, link, profile_id=self._target.id, primary=link.primary and not taken)

    def _fields(self) -> None:
        """Of two current values of a name the target's stays: the source's ends now, or right after it began."""
        fields = InMemoryProfileFieldRepository(self._scope)
        names = {f.name for f in fields.of(self._tables, self._target.id, is_current)}
        for field in fields.of(self._tables, self._source.id):
            end = max(self._scope.now(), field.valid_from + TICK)
            ended = {"valid_to": end} if is_current(field) and field.name in names else {}
            self._put(fields, field, profile_id=self._target.id, **ended)

    def _move(self, rows: InMemoryRepository[Any], field: str) -> None:
        for row in rows.those(self._tables, lambda row: getattr(row, field) in self._sources):
            self._put(rows, row, **{field: self._target.id})

    def _history(self) -> None:
        for key, version in list(self._tables.rows(_HISTORY).items()):
            if version.customer_profile_id in self._sources:
                moved = version.model_copy(update={"customer_profile_id": self._target.id})
                self._tables.put(_HISTORY, key, moved)

    def _put(self, rows: InMemoryRepository[Any], entity: Any, **changes: object) -> Any:
        revision = getattr(entity, "revision", 0) + 1
        stamps = changes | {"revision": revision, "updated_at": self._scope.now()}
        return rows.put(self._tables, rows.stamped(entity, **stamps))
