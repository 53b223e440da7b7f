"""What the studio asks a language model, in which form the model answers, and how much of a conversation it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from focal_data.domain.base import NO_NUL
from focal_data.domain.ideation import (
    ChatMessage,
    ExtractedRequirement,
    MaturityState,
    MessageRole,
    PRDDraft,
    RequirementPriority,
    RequirementType,
)
from focal_data.domain.maturity import MATURITY_RULES, MaturityAspect
from focal_data.errors import InvalidDataError
from focal_data.providers.llm.base import Message

MAX_NOTES: Final = 20_000
"""Characters of requirements, and of a draft, that the model is shown."""


_TURN: Final = """\
You help somebody to think a software project through, from the first idea to requirements that can be built.
Answer the last message in its language, briefly, and ask for the most important thing that is not known yet.
Extract the requirements that the last message states and that are not in the list below; none, if there are none.
Score, from 0 to 100, how well each category is understood by now; leave out those that have not changed."""

_PRD: Final = """\
Write the product requirements document of the project in the conversation, in its language: a title, and sections in
their order, each with a heading and its content in Markdown. Say what is open rather than making it up."""

_STORIES: Final = """\
Write the user stories of the project in the conversation, in its language.
Name the requirements that each of them meets by their numbers in the list below."""


Said = Annotated[str, Field(min_length=1, pattern=r"\S"), NO_NUL]
"""Text that is not blank."""


class ModelReply(BaseModel):
    """What a model answers in. It is checked like everything that comes from outside."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class FoundRequirement(ModelReply):
    """A requirement that the model found in the conversation."""

    description: Said
    type: RequirementType
    priority: RequirementPriority
    category: MaturityAspect | None


class AspectScore(ModelReply):
    """How well the model sees one category understood."""

    category: MaturityAspect
    score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class TurnReply(ModelReply):
    """The model's side of a turn."""

    reply: Said
    requirements: list[FoundRequirement]
    maturity: list[AspectScore]


class SectionReply(ModelReply):
    """One section of a requirements document."""

    heading: Said
    content: Said


class PRDReply(ModelReply):
    """A requirements document."""

    title: Said
    sections: Annotated[list[SectionReply], Field(min_length=1)]


class StoryReply(ModelReply):
    """A user story; it names requirements by their numbers in the list that the model was shown."""

    title: Said
    as_a: Said
    i_want: Said
    so_that: Said
    acceptance_criteria: list[Said]
    requirements: list[int]
    priority: RequirementPriority


class StoriesReply(ModelReply):
    """All user stories of a project."""

    stories: Annotated[list[StoryReply], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class ConversationLimits:
    """How much of a conversation a model is shown: its last messages, as far as both limits allow, and always the very last."""

    messages: int = 40
    characters: int = 60_000

    def __post_init__(self) -> None:
        if not 1 <= self.messages <= 1000:
            raise InvalidDataError("messages", "must be from 1 to 1000")
        if self.characters < 1:
            raise InvalidDataError("characters", "must be 1 or more")

    def shown(self, messages: Sequence[ChatMessage]) -> list[Message]:
        """The messages for the model, oldest first, from one of the user's on, without those of the system and blank ones."""
        said = [m for m in messages if m.role is not MessageRole.SYSTEM and m.content.strip()]
        kept = _fitting(reversed(said[-self.messages :]), self.characters)[::-1]
        first = next((n for n, message in enumerate(kept) if message.role is MessageRole.USER), len(kept))
        return [Message(role=message.role, content=message.content) for message in kept[first:]]


def turn_prompt(requirements: Sequence[ExtractedRequirement], maturity: MaturityState) -> str:
    """What the model is to do in a turn, and what is known already."""
    known = f"Requirements so far:\n{_numbered(requirements)}"
    return "\n\n".join([_TURN, _categories(maturity), known])


def prd_prompt(requirements: Sequence[ExtractedRequirement], maturity: MaturityState) -> str:
    """What the model is to write a requirements document from."""
    return "\n\n".join([_PRD, _categories(maturity), f"Requirements:\n{_numbered(requirements)}"])


def stories_prompt(requirements: Sequence[ExtractedRequirement], draft: PRDDraft | None) -> str:
    """What the model is to write user stories from."""
    document = f"The requirements document:\n{_spelled(draft)}"
    return "\n\n".join([_STORIES, f"Requirements:\n{_numbered(requirements)}", document])


def new_requirements(
    found: Iterable[FoundRequirement], known: Iterable[ExtractedRequirement], session_id: str
) -> list[ExtractedRequirement]:
    """Those that are not known yet: in other words than any that is, but for case and spaces."""
    seen = {_told(requirement.description) for requirement in known}
    new = []
    for requirement in found:
        if (words := _told(requirement.description)) not in seen:
            seen.add(words)
            new.append(
                ExtractedRequirement(
                    session_id=session_id,
                    description=requirement.description,
                    type=requirement.type,
                    priority=requirement.priority,
                    category_id=requirement.category,
                )
            )
    return new


def _told(description: str) -> str:
    return " ".join(description.casefold().split())


def _fitting(newest_first: Iterable[ChatMessage], characters: int) -> list[ChatMessage]:
    kept: list[ChatMessage] = []
    for message in newest_first:
        characters -= len(message.content)
        if kept and characters < 0:
            break
        kept.append(message)
    return kept


def _categories(maturity: MaturityState) -> str:
    scores = {category.id: category.score for category in maturity.categories}
    lines = (
        f"- {aspect.value} ({rule.asks}): {scores.get(aspect, 0.0):g}"
        for aspect, rule in MATURITY_RULES.items()
    )
    return "The categories, what must be known of each, and its score so far:\n" + "\n".join(lines)


def _numbered(requirements: Sequence[ExtractedRequirement]) -> str:
    """The requirements by number, each on one line: the newest that fit, so that the list does not outgrow the model."""
    left, lines = MAX_NOTES, list[str]()
    for number, requirement in reversed(list(enumerate(requirements, start=1))):
        description = " ".join(requirement.description.split())  # or it could pass for another's line
        line = f"{number}. ({requirement.type.value}, {requirement.priority.value}) {description}"
        if len(line) <= left:
            left -= len(line)
            lines.append(line)
    return "\n".join(reversed(lines)) or "(none)"


def _spelled(draft: PRDDraft | None) -> str:
    if draft is None:
        return "(none)"
    sections = sorted(draft.sections, key=lambda section: section.order)
    text = "\n\n".join([draft.title, *(f"## {section.heading}\n{section.content}" for section in sections)])
    return text[:MAX_NOTES]
