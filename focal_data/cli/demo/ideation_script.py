"""The studio session that the demo plays: what the user says, and what a made-up model answers."""

from __future__ import annotations

from typing import Final

from focal_data.domain.ideation import RequirementPriority, RequirementType
from focal_data.domain.maturity import MaturityAspect
from focal_data.services.ideation_words import (
    AspectScore,
    FoundRequirement,
    PRDReply,
    SectionReply,
    StoriesReply,
    StoryReply,
    TurnReply,
)

PROJECT: Final = "A lending library for tools"
USER: Final = "demo-user"

SAID: Final = (
    "Our club owns 200 tools, and nobody knows who has which.",
    "Members book a tool from their phone; two volunteers hand them out on Saturdays.",
    "It must never show one member's address to another. No payments, and no second site.",
    "It works when nine of ten tools are back in time.",
)
"""What the user says, turn by turn."""

KILLED_IN: Final = 2
"""In the turn with this number, counted from 0, the process is killed while the model thinks."""

_A = MaturityAspect


def _found(
    description: str, category: MaturityAspect, kind: RequirementType = RequirementType.FUNCTIONAL
) -> FoundRequirement:
    return FoundRequirement(
        description=description, type=kind, priority=RequirementPriority.MUST_HAVE, category=category
    )


def _scores(**scores: float) -> list[AspectScore]:
    return [AspectScore(category=_A(name), score=score) for name, score in scores.items()]


ANSWERED: Final = (
    TurnReply(
        reply="Who borrows them, and how is that done today?",
        requirements=[_found("Shows who has which tool", _A.FUNCTIONS)],
        maturity=_scores(problem=75, functions=30),
    ),
    TurnReply(
        reply="What must it do well, and what does it not do?",
        requirements=[
            _found("A member books a free tool for a Saturday", _A.FUNCTIONS),
            _found("A volunteer records that a tool was handed out, or came back", _A.FUNCTIONS),
        ],
        maturity=_scores(users=80, functions=75),
    ),
    TurnReply(
        reply="How will you tell that it works?",
        requirements=[
            _found("No member sees another's address", _A.QUALITIES, RequirementType.NON_FUNCTIONAL)
        ],
        maturity=_scores(qualities=70, scope=80),
    ),
    TurnReply(
        reply="Then we have what we need.",
        requirements=[],
        maturity=_scores(problem=90, functions=85, success=80),
    ),
)
"""What the model answers to each of them."""

DOCUMENT: Final = PRDReply(
    title=PROJECT,
    sections=[
        SectionReply(heading="Problem", content="The club owns 200 tools, and nobody knows who has which."),
        SectionReply(heading="Scope", content="Booking and handing out. No payments, one site."),
        SectionReply(heading="Success", content="Nine of ten tools come back in time."),
    ],
)

STORIES: Final = StoriesReply(
    stories=[
        StoryReply(
            title="Book a tool",
            as_a="member",
            i_want="to book a free tool from my phone",
            so_that="it is there on Saturday",
            acceptance_criteria=["A tool that is booked can't be booked again for that day"],
            requirements=[1, 2],
            priority=RequirementPriority.MUST_HAVE,
        ),
        StoryReply(
            title="Hand it out",
            as_a="volunteer",
            i_want="to record who took a tool",
            so_that="everybody knows where it is",
            acceptance_criteria=["It takes one touch"],
            requirements=[1, 3],
            priority=RequirementPriority.MUST_HAVE,
        ),
    ]
)
