"""Which text of a thing its embedding is of: the one place that says so."""

from __future__ import annotations

from typing import Final

from focal_data.domain.config import Rule, Scenario
from focal_data.domain.memory import Entity, Episode

Embeddable = Episode | Rule | Scenario | Entity
"""What has an embedding."""

SOURCES: Final[dict[type[Embeddable], tuple[str, ...]]] = {
    Episode: ("content",),
    Rule: ("condition_text",),
    Scenario: ("entry_condition_text",),
    Entity: ("name", "entity_type"),
}
"""The fields that it is made of: it is another text when one of them has changed."""


def embedding_text(thing: Embeddable) -> str | None:
    """The text that is embedded for ``thing``; ``None`` or blank where there is nothing to embed.

    An episode's content, a rule's condition, a scenario's entry condition, and ``name (entity type)`` of an entity.
    """
    match thing:
        case Episode():
            return thing.content
        case Rule():
            return thing.condition_text
        case Scenario():
            return thing.entry_condition_text
        case Entity():
            return f"{thing.name} ({thing.entity_type})"
