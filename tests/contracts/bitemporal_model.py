"""What is remembered in two times, in plain Python: one list of versions, read from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

TICK = timedelta(microseconds=1)

Moment = datetime | None
Path = tuple[UUID, ...]


@dataclass(frozen=True)
class Version:
    """What was believed, from ``recorded_from`` until ``recorded_to``: so it was from ``valid_from`` until ``valid_to``."""

    id: UUID
    recorded_from: datetime
    recorded_to: Moment
    valid_from: datetime
    valid_to: Moment
    value: str
    """A name, or a type."""
    ends: tuple[UUID, UUID] | None = None
    """Of a relationship."""

    def holds(self, as_of: Moment, known_at: Moment) -> bool:
        """Whether it was believed then (now) that it held then (whenever)."""
        known = (
            self.recorded_to is None
            if known_at is None
            else _within(known_at, self.recorded_from, self.recorded_to)
        )
        return known and (as_of is None or _within(as_of, self.valid_from, self.valid_to))


@dataclass
class Model:
    """Every version there ever was. A call that is refused returns ``False`` and changes nothing."""

    versions: list[Version] = field(default_factory=list)

    def add(self, now: datetime, new: Version) -> bool:
        """Believe it from now on, or from when one of this id was believed last."""
        if self.current(new.id) or not self._fits(new):
            return False
        ends = [
            version.recorded_to for version in self.versions if version.id == new.id and version.recorded_to
        ]
        self.versions.append(replace(new, recorded_from=max([now, *ends]), recorded_to=None))
        return True

    def update(self, now: datetime, new: Version) -> bool:
        """Believe this instead."""
        old = self.current(new.id)
        if old is None or not self._fits(new):
            return False
        self.versions.append(replace(new, recorded_from=self._end(old, now), recorded_to=None))
        return True

    def delete(self, now: datetime, id_: UUID) -> bool:
        """Believe it no more, nor the relationships at it."""
        old = self.current(id_)
        if old is None:
            return False
        for version in [*self.versions]:
            if version.recorded_to is None and (version is old or id_ in (version.ends or ())):
                self._end(version, now)
        return True

    def replace(self, now: datetime, id_: UUID, successor: Version) -> bool:
        """Believe that it held until its successor did."""
        old, before = self.current(id_), [*self.versions]
        if old is None or not old.valid_from < successor.valid_from:
            return False
        if old.valid_to is not None and not successor.valid_from < old.valid_to:
            return False
        self.update(now, replace(old, valid_to=successor.valid_from))
        changed = self.current(id_)
        if changed is None or not self.add(changed.recorded_from, successor):
            self.versions = before
            return False
        return True

    def current(self, id_: UUID) -> Version | None:
        """What is believed now."""
        return next((v for v in self.versions if v.id == id_ and v.recorded_to is None), None)

    def holding(self, *, links: bool, as_of: Moment, known_at: Moment) -> list[Version]:
        """What was true then as it was known then, by id."""
        found = (v for v in self.versions if v.holds(as_of, known_at) and (v.ends is not None) == links)
        return sorted(found, key=lambda version: version.id)

    def walked(
        self, start: UUID, hops: tuple[tuple[int, int], ...], depth: int, as_of: Moment, known_at: Moment
    ) -> dict[UUID, Path]:
        """The best path to everything that can be reached: a shortest one, and of these the smallest."""
        passable = {version.id for version in self.holding(links=False, as_of=as_of, known_at=known_at)}
        links = self.holding(links=True, as_of=as_of, known_at=known_at)
        paths: dict[UUID, Path] = {start: ()} if start in passable else {}
        for _ in range(depth):
            longer = [
                (link.ends[far], (*paths[link.ends[near]], link.id))
                for link in links
                for near, far in hops
                if link.ends and link.ends[near] in paths and link.ends[far] in passable
            ]
            for to, path in longer:
                paths[to] = min(paths.get(to, path), path, key=lambda way: (len(way), way))
        return {to: path for to, path in paths.items() if to != start}

    def revision(self, version: Version) -> int:
        """Its number among those of its id."""
        return [v for v in self.versions if v.id == version.id].index(version) + 1

    def _fits(self, new: Version) -> bool:
        """A relationship needs both of its ends, and is the only one of its kind."""
        if new.ends is None:
            return True
        others = (v for v in self._links() if v.id != new.id)
        taken = any((v.ends, v.value, v.valid_from) == (new.ends, new.value, new.valid_from) for v in others)
        return not taken and all(self.current(end) for end in new.ends)

    def _links(self) -> Iterator[Version]:
        return (version for version in self.versions if version.recorded_to is None and version.ends)

    def _end(self, old: Version, now: datetime) -> datetime:
        """Believe it until now, or for a microsecond."""
        until = max(now, old.recorded_from + TICK)
        self.versions[self.versions.index(old)] = replace(old, recorded_to=until)
        return until


def _within(time: datetime, start: datetime, end: Moment) -> bool:
    return start <= time and (end is None or time < end)
