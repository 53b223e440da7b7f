"""Log records with structured fields, and never with content; and, in debug mode, where an open transaction was begun.

Every record has ``operation``, ``store`` and ``outcome``, and where known ``tenant``, ``duration_ms`` and ``rows``, as
attributes: the standard library's ``extra``, which structlog's ``ProcessorFormatter`` reads as they are.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from types import FrameType
from typing import Final
from uuid import UUID

from focal_data.errors import UsageError

logger: Final = logging.getLogger("focal_data")
logger.addHandler(logging.NullHandler())


def log_failure(
    store: str, operation: str, *, error: type[BaseException], tenant: UUID | None = None
) -> None:
    """One warning: what failed and for whom; the error's type, none of its text."""
    fields = {
        "store": store,
        "operation": operation,
        "outcome": error.__name__,
        "tenant": str(tenant) if tenant else None,
    }
    logger.warning("%s.%s failed: %s", store, operation, error.__name__, extra=fields)


class TransactionMark:
    """What a transaction leaves, in debug mode, for everything that runs inside of it, child tasks too.

    Making one tells that a transaction has begun; ``end`` tells that it is over, from whichever task.
    """

    __slots__ = ("_outer", "_over", "begun_at")

    def __init__(self) -> None:
        self.begun_at = _callers_line(sys._getframe(1))
        """The file and line of the code that wanted it: the first below our own machinery."""
        self._outer = _innermost()
        self._over = False
        _mark.set(self)

    def end(self) -> None:
        """The transaction is over, for the tasks that were started inside of it, too."""
        self._over = True
        _mark.set(_innermost())

    def still_open(self) -> TransactionMark | None:
        """This one, or the nearest around it that is not over."""
        mark: TransactionMark | None = self
        while mark is not None and mark._over:
            mark = mark._outer
        return mark


def refuse_in_transaction(called: str) -> None:
    """Raise ``UsageError``, in debug mode, when a transaction is open here; it says where that was begun.

    For what waits on others (a model provider, ``called``), since a connection and its locks would wait along.
    """
    mark = _innermost()
    if mark is not None:
        raise UsageError(
            f"{called} was called inside of a transaction, begun at {mark.begun_at}: its connection would wait"
            " for the answer; call it before the transaction, or after"
        )


_mark: Final[ContextVar[TransactionMark | None]] = ContextVar("focal_data_transaction", default=None)

_MACHINERY: Final = (
    *("contextlib", "focal_data.data_layer", "focal_data.database.", "focal_data.inmemory."),
    *("focal_data.redis.", "focal_data.telemetry", "focal_data.unit_of_work"),
)


def _innermost() -> TransactionMark | None:
    mark = _mark.get()
    return mark and mark.still_open()


def _callers_line(frame: FrameType) -> str:
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_MACHINERY):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
