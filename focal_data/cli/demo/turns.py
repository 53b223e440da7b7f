"""Where one turn ends and the next begins, told while messages pass by.

A turn is what the customer says, in one message or several, and the agent's answers to it, up to the customer's next message.
A conversation that begins with the agent has a turn in which the customer says nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from focal_data.cli.demo.messages import Message, Role

Conversation = tuple[str, str]

MOST_MESSAGES: Final = 20
MOST_CHARACTERS: Final = 100_000
"""A turn with as much is over, whoever speaks next: a file may hold a monologue."""

MOST_OPEN: Final = 5_000
MOST_HELD: Final = 16_000_000
"""Of more turns, or more characters in all, the turn that has waited longest is over: a file may hold any number of them."""


@dataclass(slots=True)
class Turn:
    """A turn as far as it has come."""

    first: Message
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    questions: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    characters: int = 0
    known: bool = False
    """Whether another run stored something of it, and so may have recorded it."""

    def add(self, message: Message) -> None:
        self.characters += len(message.content)
        if message.role is Role.USER:
            self.questions.append(message.content)
            self.asked_at = message.timestamp
        else:
            self.answers.append(message.content)
            self.answered_at = self.answered_at or message.timestamp

    def takes(self, message: Message) -> bool:
        """Whether ``message`` still belongs to it."""
        full = (
            len(self.questions) + len(self.answers) >= MOST_MESSAGES
            or self.characters + len(message.content) > MOST_CHARACTERS
        )
        return not full and (message.role is Role.ASSISTANT or not self.answers)

    @property
    def latency_ms(self) -> int | None:
        """From the customer's last message to the first answer; ``None`` where one is missing, or came before the other."""
        if self.asked_at is None or self.answered_at is None:
            return None
        milliseconds = int((self.answered_at - self.asked_at).total_seconds() * 1000)
        return milliseconds if 0 <= milliseconds < 2**31 else None


@dataclass(frozen=True, slots=True)
class Event:
    """A message in its turn, or the end of a turn, or both: a message that ends the turn before its own."""

    conversation: Conversation
    message: Message | None = None
    turn: Turn | None = None
    over: Turn | None = None

    @property
    def begins(self) -> bool:
        """Whether the message is the first of its turn."""
        return self.turn is not None and self.turn.first is self.message


def events(messages: Iterable[Message]) -> Iterator[Event]:
    """Every message in its order, and the end of every turn."""
    turns: OrderedDict[Conversation, Turn] = OrderedDict()
    held = 0
    for message in messages:
        before = turns.pop(message.conversation, None)
        stays = before is not None and before.takes(message)
        turn = before if before is not None and stays else Turn(message)
        turn.add(message)
        turns[message.conversation] = turn
        over = None if stays else before
        yield Event(message.conversation, message, turn, over)
        held += len(message.content) - (over.characters if over else 0)
        while len(turns) > MOST_OPEN or (held > MOST_HELD and len(turns) > 1):
            conversation, over = turns.popitem(last=False)
            held -= over.characters
            yield Event(conversation, over=over)
    for conversation, turn in turns.items():
        yield Event(conversation, over=turn)
