"""How well a project is understood: the categories, the score, the levels, and when it may be submitted. All rules are here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from focal_data.domain.ideation import MaturityCategory, MaturityState
from focal_data.errors import InvalidDataError

SUBMIT_SCORE: Final = 70.0
"""What each category needs that is required for submitting; below it, any category is a gap."""


class MaturityAspect(StrEnum):
    """The sides of a project that are looked at: the ids of the categories."""

    PROBLEM = "problem"
    USERS = "users"
    FUNCTIONS = "functions"
    QUALITIES = "qualities"
    SCOPE = "scope"
    SUCCESS = "success"


class MaturityRule(NamedTuple):
    """What a category is called, what must be known of it, how much it weighs, and whether submitting needs it."""

    name: str
    asks: str
    weight: int
    required_for_submit: bool


MATURITY_RULES: Final[Mapping[MaturityAspect, MaturityRule]] = {
    MaturityAspect.PROBLEM: MaturityRule(
        "Problem", "what is to be solved, and why it is worth it", 20, required_for_submit=True
    ),
    MaturityAspect.USERS: MaturityRule(
        "Users", "who uses it, and how they work today", 15, required_for_submit=True
    ),
    MaturityAspect.FUNCTIONS: MaturityRule("Functions", "what it does", 25, required_for_submit=True),
    MaturityAspect.QUALITIES: MaturityRule(
        "Qualities", "how fast, secure and available it must be", 15, required_for_submit=False
    ),
    MaturityAspect.SCOPE: MaturityRule(
        "Scope", "what it does not do, and what it depends on", 15, required_for_submit=True
    ),
    MaturityAspect.SUCCESS: MaturityRule(
        "Success", "how it is told that it works out", 10, required_for_submit=False
    ),
}
"""In the order in which they are shown; the weights are percent."""

MATURITY_LEVELS: Final = (
    (80.0, "complete"),
    (60.0, "refined"),
    (40.0, "defined"),
    (20.0, "exploring"),
    (0.0, "concept"),
)
"""From which score on a project has which level."""


def maturity_level(score: float) -> str:
    """The name of the level that a project of this score, 0 to 100, has."""
    return next(name for least, name in MATURITY_LEVELS if score >= least)


def assessed(
    session_id: str, scores: Mapping[str, float], before: MaturityState | None = None
) -> MaturityState:
    """The maturity with these scores by category, 0 to 100 each; a category that is left out keeps the one it had, or 0.

    The score is the weighted mean of the categories, to a tenth. A category of ``before`` that has no rule stays as it is, and
    has no weight. It can be submitted when every category that this needs has ``SUBMIT_SCORE``. The gaps say what is to be
    found out, what is required first. Raises ``InvalidDataError`` for a category that has no rule, and for what is no score.
    """
    _check(scores)
    had = {category.id: category for category in before.categories} if before else {}
    categories = [
        MaturityCategory(
            id=aspect,
            name=rule.name,
            score=scores.get(aspect, had[aspect].score if aspect in had else 0.0),
            required_for_submit=rule.required_for_submit,
        )
        for aspect, rule in MATURITY_RULES.items()
    ]
    score = round(sum(MATURITY_RULES[MaturityAspect(c.id)].weight * c.score for c in categories) / 100, 1)
    categories += [category for id, category in had.items() if id not in MATURITY_RULES]  # noqa: A001
    low = [category for category in categories if category.score < SUBMIT_SCORE]
    return MaturityState(
        session_id=session_id,
        score=score,
        level=maturity_level(score),
        categories=categories,
        can_submit=not any(category.required_for_submit for category in low),
        gaps=[_gap(category) for category in sorted(low, key=lambda c: not c.required_for_submit)],
    )


def _gap(category: MaturityCategory) -> str:
    rule = MATURITY_RULES.get(category.id)  # type: ignore[call-overload]
    return f"{category.name}: {rule.asks}" if rule else category.name


def _check(scores: Mapping[str, float]) -> None:
    for name, score in scores.items():
        if name not in MATURITY_RULES:
            raise InvalidDataError("scores", f"must be of {', '.join(MATURITY_RULES)}")
        if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100:
            raise InvalidDataError(f"scores.{name}", "must be a number from 0 to 100")
