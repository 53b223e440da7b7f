"""One ideation session with everything that hangs on it, as it goes from one place to another: ids, times and version kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from focal_data.domain.base import ValueObject
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    IdeationSession,
    MaturityState,
    PRDDraft,
    UserStory,
)

_PLACE: Final = ("tenant_id", "position")
"""What the place that keeps it fills in."""


@dataclass(frozen=True, slots=True)
class IdeationArchive:
    """A session and its parts, each in its order; the draft that counts is the last."""

    session: IdeationSession
    messages: list[ChatMessage] = field(default_factory=list)
    requirements: list[ExtractedRequirement] = field(default_factory=list)
    maturity: MaturityState | None = None
    drafts: list[PRDDraft] = field(default_factory=list)
    stories: list[UserStory] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """How many there are of each kind of part."""
        return {
            "messages": len(self.messages),
            "requirements": len(self.requirements),
            "maturity": int(self.maturity is not None),
            "drafts": len(self.drafts),
            "stories": len(self.stories),
        }

    def differences(self, other: IdeationArchive) -> list[str]:
        """The paths of the fields in which the two are not the same, such as ``messages[17].content``; no content.

        Of lists of different lengths, only that they are. The tenant, and positions, which follow from the order, don't count.
        """
        return list(self._differences(other))

    def _differences(self, other: IdeationArchive) -> Iterator[str]:
        yield from _of_one("session", self.session, other.session)
        yield from _of_one("maturity", self.maturity, other.maturity)
        yield from _of_many("messages", self.messages, other.messages)
        yield from _of_many("requirements", self.requirements, other.requirements)
        yield from _of_many("drafts", self.drafts, other.drafts)
        yield from _of_many("stories", self.stories, other.stories)


def _of_one(path: str, one: ValueObject | None, other: ValueObject | None) -> Iterator[str]:
    if one is None or other is None:
        if one is not other:
            yield path
        return
    theirs = other.__dict__
    for name, value in one.__dict__.items():
        if name not in _PLACE and not _same(value, theirs[name]):
            yield f"{path}.{name}"


def _of_many(path: str, ones: Sequence[ValueObject], others: Sequence[ValueObject]) -> Iterator[str]:
    if len(ones) != len(others):
        yield path
        return
    for number, (one, other) in enumerate(zip(ones, others, strict=True)):
        yield from _of_one(f"{path}[{number}]", one, other)


def _same(one: object, other: object) -> bool:
    """Python takes 1, 1.0 and ``True`` for the same; JSON does not."""
    kind = type(one)
    if kind is not type(other):
        return False
    if kind is dict:
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())  # type: ignore[attr-defined,index]
    if kind is list:
        return len(one) == len(other) and all(map(_same, one, other))  # type: ignore[arg-type,call-overload]
    return one == other
