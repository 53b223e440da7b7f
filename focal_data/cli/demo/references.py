"""Numbers of orders, meters, invoices and the like, as people write them: ``HP-48213``, ``1LU-4482207``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from focal_data.domain.config import Variable

_REFERENCE: Final = re.compile(
    r"(?<![\w-])(?=\w*[A-Z])[A-Z0-9]{1,4}-\d{4,10}(?![\w-])", re.ASCII | re.IGNORECASE
)
_MOST: Final = 10


def references(text: str) -> list[str]:
    """The numbers in ``text`` in their order, each once, in capitals; the first ten."""
    return list(dict.fromkeys(found.upper() for found in _REFERENCE.findall(text)))[:_MOST]


def series(variables: Iterable[Variable]) -> dict[str, str]:
    """The variables that are there for numbers: their names by the first part of the example in their description."""
    return {
        number.partition("-")[0]: variable.name
        for variable in variables
        for number in references(variable.description or "")
    }
