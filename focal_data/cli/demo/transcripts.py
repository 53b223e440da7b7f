"""A transcript: checked as a whole first, then read again to be stored; both in memory that doesn't grow with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from focal_data.cli.demo.messages import BadMessageError, Draft, Message, Role, parse
from focal_data.cli.demo.records import BadLine, Record, records
from focal_data.domain.memory import Language
from focal_data.domain.profile import Channel

SHOWN: Final = 10
"""How many bad lines of a file are named."""

QUESTIONS: Final = 3
_SHORTEST: Final = 12
_LONGEST: Final = 200

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)
_BETWEEN: Final = timedelta(seconds=30)
"""Where no time is given, a message comes so long after the one before it."""


@dataclass(slots=True)
class Checked:
    """What a first pass found out about a file."""

    path: Path
    messages: int = 0
    customers: int = 0
    """How many of the messages are customers'."""
    asked: list[str] = field(default_factory=list)
    """The first questions that users ask in it."""
    told: list[str] = field(default_factory=list)
    """The first of what else users say."""
    bad: list[BadLine] = field(default_factory=list)
    """The first bad lines."""
    bad_count: int = 0

    @property
    def questions(self) -> list[str]:
        """What the memory can be asked: questions out of the file, or what else is said where there are too few."""
        return [*self.asked, *self.told][:QUESTIONS]

    def complaints(self) -> Iterator[str]:
        """A line for each bad line, and one for those that are not named."""
        for bad in self.bad:
            yield f"{self.path}:{bad.line}: {bad.reason}" if bad.line else f"{self.path}: {bad.reason}"
        if self.bad_count > len(self.bad):
            yield f"{self.path}: and {self.bad_count - len(self.bad):,} more bad lines"


def check(path: Path) -> Checked:
    """Read all of ``path`` and tell what is wrong with it; a file without a message is wrong as well."""
    checked = Checked(path)
    try:
        if not path.is_file():
            return _refused(checked, "there is no such file" if not path.exists() else "not a regular file")
        for found in read(path):
            if isinstance(found, BadLine):
                _refused(checked, found.reason, found.line)
            else:
                _noted(checked, found)
    except OSError as error:
        return _refused(checked, f"can't be read: {error.strerror}")
    if not checked.messages and not checked.bad:
        _refused(checked, "there is no message in it")
    return checked


def read(path: Path) -> Iterator[Message | BadLine]:
    """The messages of ``path`` in their order, and a ``BadLine`` for each that is none. ``OSError`` as ``open`` raises it."""
    index, time = 0, _START - _BETWEEN
    for found in _drafts(path):
        if isinstance(found, BadLine):
            yield found
            continue
        line, draft, user = found
        index, time = index + 1, draft.timestamp or time + _BETWEEN
        yield Message(
            index=index,
            line=line,
            role=draft.role,
            content=draft.content,
            user=draft.user or user,
            channel=draft.channel or Channel.WEBCHAT,
            timestamp=time,
            language=draft.language or Language.SIMPLE,
        )


def _drafts(path: Path) -> Iterator[tuple[int, Draft, str] | BadLine]:
    """Each message with its line and the user it has when it names none: every list of messages has one of its own."""
    lists = 0
    for record in records(path):
        if isinstance(record, BadLine):
            yield record
            continue
        inner = _inner_list(record.value)
        lists = max(lists + (inner is not None), record.list_number)
        user = f"user-{lists}" if lists > 1 else "user"
        for number, value in enumerate([record.value] if inner is None else inner, 1):
            draft = _parsed(record, value, 0 if inner is None else number)
            if isinstance(draft, BadLine):
                yield draft
            elif draft is not None:
                yield record.line, draft, user


def _inner_list(value: JsonValue) -> list[JsonValue] | None:
    """The list of messages that a value is, or that it holds as ``messages``, as requests to a model do."""
    if isinstance(value, dict) and "role" not in value:
        value = value.get("messages")
    return value if isinstance(value, list) else None


def _parsed(record: Record, value: JsonValue, number: int) -> Draft | BadLine | None:
    try:
        return parse(value)
    except BadMessageError as error:
        return BadLine(record.line, f"message {number} of the list: {error}" if number else str(error))


def _noted(checked: Checked, message: Message) -> None:
    checked.messages += 1
    checked.customers += message.role is Role.USER
    text = message.content.strip()
    if message.role is Role.USER and len(text) <= _LONGEST:
        chosen = checked.asked if text.endswith("?") and len(text) >= _SHORTEST else checked.told
        if len(chosen) < QUESTIONS and text not in chosen:
            chosen.append(text)


def _refused(checked: Checked, reason: str, line: int = 0) -> Checked:
    checked.bad_count += 1
    if len(checked.bad) < SHOWN:
        checked.bad.append(BadLine(line, reason))
    return checked
