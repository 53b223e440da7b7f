"""What a list is asked for, the same for every backend: which entities, in which order, and behind which place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypeVar
from uuid import UUID

from focal_data.domain import cursors
from focal_data.domain.answers import CountMode, Page
from focal_data.domain.base import ValueObject
from focal_data.domain.conditions import Condition
from focal_data.domain.kinds import FieldKind, Kind, sortable
from focal_data.domain.matching import Shape, Understood, understood
from focal_data.errors import InvalidDataError

E = TypeVar("E", bound=ValueObject)

MAX_BATCH: Final = 10_000

_PYTHON: Final[dict[Kind, type]] = {
    Kind.TEXT: str,
    Kind.ENUM: str,
    Kind.BOOLEAN: bool,
    Kind.INTEGER: int,
    Kind.NUMBER: float,
    Kind.UUID: UUID,
    Kind.TIME: datetime,
    Kind.DATE: date,
}


@dataclass(frozen=True, slots=True)
class Form:
    """All of a request but its values: requests of one form are one statement."""

    shape: Shape
    order: FieldKind
    descending: bool
    include_deleted: bool


@dataclass(frozen=True, slots=True)
class Request:
    """Entities of one model under a condition, in the order of a field and then of their ids, both ways the same."""

    form: Form
    condition: Understood
    mark: str

    @classmethod
    def of(
        cls,
        model: type[ValueObject],
        where: Condition | None = None,
        *,
        order_by: str = "id",
        include_deleted: bool = False,
    ) -> Request:
        """The request that these arguments make. Raises ``InvalidDataError`` with ``where…`` or ``order_by``."""
        condition = understood(where, model)
        order, descending = sortable(model, order_by)
        asked = where.model_dump_json() if where is not None else ""
        form = Form(condition.shape, order, descending, bool(include_deleted))
        return cls(form, condition, cursors.mark(model.__name__, order_by, asked, form.include_deleted))

    def place(self, entity: Any) -> tuple[Any, UUID]:
        """Where ``entity`` stands in the order."""
        return getattr(entity, self.form.order.name), entity.id

    def behind(self, cursor: str) -> tuple[Any, UUID]:
        """The place that ``cursor`` holds. Raises ``InvalidDataError("cursor")`` for one of another request."""
        order = self.form.order
        value, id_ = cursors.place(cursor, self.mark, (_PYTHON[order.kind], UUID))
        if id_ is None or (value is None and not order.nullable):
            raise InvalidDataError("cursor", "is not one that this call gave")
        return value, id_

    def page(self, found: Sequence[E], limit: int, total: int | None = None) -> Page[E]:
        """The first ``limit`` of what was ``found`` with one more, whose presence makes the next cursor."""
        items = list(found[:limit])
        if len(found) <= limit:
            return Page(items, None, total)
        return Page(items, cursors.cursor(self.mark, self.place(items[-1])), total)


def checked_mode(field: str, mode: CountMode) -> CountMode:
    """``mode`` if it is one; otherwise ``InvalidDataError``."""
    try:
        return CountMode(mode)
    except ValueError:
        raise InvalidDataError(field, "must be none, exact or estimated") from None


def checked_batch(batch_size: int) -> int:
    """``batch_size`` if it is 1 to 10,000; otherwise ``InvalidDataError("batch_size")``."""
    if type(batch_size) is not int or not 1 <= batch_size <= MAX_BATCH:
        raise InvalidDataError("batch_size", f"must be an integer from 1 to {MAX_BATCH}")
    return batch_size
