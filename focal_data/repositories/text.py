"""Full-text search: episodes are matched by a function of the owner's (``tables/matching.py``), and read under the policy."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Select,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG
from sqlalchemy.sql.base import ReadOnlyColumnCollection
from sqlalchemy.types import TypeEngine

from focal_data.domain.words import JOINERS, SNIPPET_CHARACTERS
from focal_data.tables.columns import utc
from focal_data.tables.matching import ARGUMENTS, MATCH_EPISODES

_TYPES: Final[Mapping[str, TypeEngine[Any]]] = {
    "uuid": Uuid(),
    "text": Text(),
    "text[]": ARRAY(Text()),
    "timestamptz": utc(),
    "double precision": Float(),
    "bigint": BigInteger(),
}
_ALWAYS: Final = frozenset(("tenant_id", "agent_id", "text", "limit"))
_START, _STOP = "\x02", "\x03"
_BLANKED: Final = f"{JOINERS}{_START}{_STOP}"
_BLANKS: Final = str.maketrans(dict.fromkeys(_BLANKED, " "))
_MARK: Final = re.compile(f"([{_START}{_STOP}])")


def hits(asked: Collection[str], limit: str) -> Select[Any]:
    """The ids of the ``limit`` episodes that match best, filtered by what is ``asked`` for, the lowest ``order`` first."""
    arguments = [_argument(name, frozenset(asked) | _ALWAYS, limit) for name in ARGUMENTS]
    found = getattr(func, MATCH_EPISODES.name)(*arguments).table_valued("id", "rank", name="matches")
    order = (-cast(found.c.rank, Float())).label("order")
    # lint: allow unscoped-statement because the function is given the tenant, and finds no other one's
    return select(found.c.id, order).order_by(order, found.c.id).limit(bindparam(limit))


def _argument(name: str, asked: Collection[str], limit: str) -> ColumnElement[Any]:
    kind = _TYPES[ARGUMENTS[name]]
    if name not in asked:
        return cast(null(), kind)
    return bindparam(limit if name == "limit" else name, type_=kind)


def snippet(columns: ReadOnlyColumnCollection[str, Any]) -> ColumnElement[str]:
    """The part of the content around the words of ``text``, marked for ``restored``."""
    language = cast(columns.language, REGCONFIG)
    content = func.translate(func.left(columns.content, SNIPPET_CHARACTERS), _BLANKED, " " * len(_BLANKED))
    query = func.websearch_to_tsquery(language, bindparam("text", type_=Text()))
    options = f"StartSel={_START}, StopSel={_STOP}"
    return func.ts_headline(language, content, query, options, type_=Text())


def restored(marked: str, content: str) -> str:
    """``marked``, by ``snippet``, as it stands in ``content``: with each word that was found between ``<b>`` and ``</b>``."""
    place = max(0, content[:SNIPPET_CHARACTERS].translate(_BLANKS).find(_MARK.sub("", marked)))
    parts = []
    for part in _MARK.split(marked):
        if part in _TAGS:
            parts.append(_TAGS[part])
        else:
            parts.append(content[place : place + len(part)])
            place += len(part)
    return "".join(parts)


_TAGS: Final = {_START: "<b>", _STOP: "</b>"}
