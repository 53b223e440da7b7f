"""Where a conversation stands in its scenario, and where a message takes it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import numpy as np

from focal_data.cli.demo.messages import Message
from focal_data.cli.demo.setup import Stage, content_hash
from focal_data.domain.config import ScenarioStep
from focal_data.domain.embedding import Embedding
from focal_data.domain.session import Session, StepVisit

_VISITS: Final = 50
"""How many visits a session remembers."""


def entered(
    session: Session, stage: Stage, message: Message, turn_number: int, score: float
) -> dict[str, Any]:
    """What changes in a session that enters the scenario."""
    scenario = stage.scenario
    step = stage.step(scenario.entry_step_id)
    assert step is not None
    return {
        "active_scenario_id": scenario.id,
        "active_scenario_version": scenario.version,
        "scenario_checksum": scenario.content_hash,
        **_visited(session, step, message, turn_number, score),
    }


def moved(
    session: Session, stage: Stage, message: Message, turn_number: int, embedding: Embedding
) -> dict[str, Any]:
    """What changes in a session whose step this message leaves; nothing when it stays. At an end it leaves the scenario.

    There are few ways out of a step, so half of what leads into a scenario is near enough.
    """
    step = stage.step(session.active_step_id)
    nearest = _nearest(step, stage, embedding) if step else None
    if nearest is None or nearest[1] < stage.plan.near_to_one / 2:
        return {}
    target = stage.step(nearest[0])
    assert target is not None
    changes = _visited(session, target, message, turn_number, nearest[1])
    if target.is_terminal:
        gone = ("active_scenario_id", "active_scenario_version", "active_step_id", "scenario_checksum")
        changes |= dict.fromkeys(gone)
    return changes


def _nearest(step: ScenarioStep, stage: Stage, embedding: Embedding) -> tuple[UUID, float] | None:
    """The step behind the transition whose condition is nearest; of equals, that of the greatest priority."""
    ways = [
        (similarity(stage.conditions[edge.condition_text], embedding), edge.priority, edge.to_step_id)
        for edge in step.transitions
    ]
    if not ways:
        return None
    score, _, target = max(ways)
    return target, score


def similarity(one: Embedding, other: Embedding) -> float:
    """Their cosine."""
    a, b = one.vector, other.vector
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def _visited(
    session: Session, step: ScenarioStep, message: Message, turn_number: int, score: float
) -> dict[str, Any]:
    visit = StepVisit(
        step_id=step.id,
        step_name=step.name,
        entered_at=message.timestamp,
        turn_number=turn_number,
        confidence=min(max(score, 0.0), 1.0),
        step_content_hash=content_hash(step.model_dump(mode="json")),
    )
    return {"active_step_id": step.id, "step_history": [*session.step_history, visit][-_VISITS:]}
