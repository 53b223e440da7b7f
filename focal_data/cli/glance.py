"""``focal-data db upgrade``, ``current`` and ``status`` of a database that is at head, in a fifth of the time.

Services run them whenever they start, and then they have nothing to do but to say so. That takes a driver: neither
SQLAlchemy, nor pydantic, nor typer. Whatever else is asked, found or set, the commands of ``db`` deal with it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from focal_data.migration.locks import Effect
    from focal_data.migration.revisions import Status

COMPLETION: Final = "_FOCAL_DATA_COMPLETE"
"""Set by a shell that wants to know what could be typed."""


def glance(arguments: Sequence[str]) -> bool:
    """Whether the command is done with: it could be told at a glance. Raises what the command would."""
    tell = _telling(arguments)
    if tell is None or COMPLETION in os.environ:
        return False
    from focal_data.migration.plain import address, settings

    known = settings()
    url = address(known) if known is not None else None
    if url is None:
        return False
    import asyncio

    from focal_data.migration.glance import status_at

    found = asyncio.run(status_at(url))
    return found.at_head and _written(tell(found, "--json" in arguments))


def told(found: Status, as_json: bool) -> str:
    """Where a database is, and what is pending."""
    if as_json:
        return json.dumps(asdict(found))
    place = f"at {found.current or 'no revision'}, head is {found.head}"
    return "\n".join([place, *(f"pending: {revision}" for revision in found.pending)])


def told_current(found: Status, as_json: bool) -> str:
    """Its revision alone."""
    return json.dumps({"current": found.current}) if as_json else found.current or "no revision"


def told_status(found: Status, as_json: bool, effects: Sequence[Effect] = ()) -> str:
    """The same as ``told``, and what an upgrade would do."""
    if as_json:
        return json.dumps(asdict(found) | {"effects": [asdict(effect) for effect in effects]})
    return "\n".join([told(found, as_json), *map(_said, effects)])


def _said(effect: Effect) -> str:
    rewrites = ", writes every row anew" if effect.rewrites else ""
    warning = f" ({effect.warning})" if effect.warning else ""
    return f"{effect.revision}: {effect.table or 'statement'}: {effect.lock or 'no lock'}{rewrites}{warning}"


Telling = Callable[["Status", bool], str]
_TELLING: Final[dict[tuple[str, ...], Telling]] = {
    ("db", "upgrade"): told,
    ("db", "upgrade", "head"): told,
    ("db", "current"): told_current,
    ("db", "status"): told_status,
}


def _telling(arguments: Sequence[str]) -> Telling | None:
    words = [argument for argument in arguments if argument != "--json"]
    return _TELLING.get(tuple(words)) if arguments[:2] == words[:2] else None


def _written(text: str) -> bool:
    """``False`` where nobody listens: the command itself has a way to end then."""
    try:
        print(text, flush=True)  # noqa: T201  (which is silent where there is no standard output)
    except OSError:
        return False
    return True
