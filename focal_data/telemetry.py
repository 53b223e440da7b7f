"""Log records with structured fields, and never with content.

Every record has ``operation``, ``store`` and ``outcome``, and where known ``tenant``, ``duration_ms`` and ``rows``, as
attributes: the standard library's ``extra``, which structlog's ``ProcessorFormatter`` reads as they are.
"""

from __future__ import annotations

import logging
from typing import Final
from uuid import UUID

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
