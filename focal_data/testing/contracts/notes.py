"""What the repository contract is tried on: notes, with a field of every kind."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field

from focal_data.domain.base import (
    ExternalId,
    Integer,
    JsonObject,
    Name,
    SoftDeletableEntity,
    Text,
    UtcDatetime,
)


class Mood(StrEnum):
    """What a note was written in."""

    CALM = "calm"
    CROSS = "cross"


class Note(SoftDeletableEntity):
    """A note. Its ``code`` is unique per tenant where it has one, deleted ones left aside; ``about_id`` names another note."""

    title: Name
    body: Text | None = None
    code: ExternalId | None = None
    about_id: UUID | None = None
    mood: Mood = Mood.CALM
    stars: Integer = 0
    weight: Annotated[float, Field(allow_inf_nan=False)] | None = None
    pinned: bool = False
    due_at: UtcDatetime | None = None
    tags: list[Text] = Field(default_factory=list)
    reader_ids: list[UUID] = Field(default_factory=list)
    attributes: JsonObject = Field(default_factory=dict)
