"""The plugins that Alembic finds by the entry point ``alembic.plugins``: ``focal_data.autogenerate`` and ``focal_data.access``.

Alembic loads this module whenever it is imported, and half-way through its own import: so nothing of it is imported here,
and the comparators are loaded when they are called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from alembic.runtime.plugins import Plugin

AUTOGENERATE: Final = "focal_data.autogenerate"
"""What PostgreSQL makes of the tables, against what it has: types, defaults, indexes, CHECKs, enumerations, statistics."""

ACCESS: Final = "focal_data.access"
"""The role, policies, grants, storage and the extension."""


def setup(plugin: Plugin) -> None:
    """What Alembic calls: fills ``plugin``, and adds the second one."""
    from alembic.util import DispatchPriority

    first, last = DispatchPriority.FIRST, DispatchPriority.LAST
    for function, target, element, priority in (
        ("comparing:prepare", "schema", None, first),
        ("columns:compare_type", "column", "types", first),
        ("columns:compare_default", "column", "server_default", first),
        ("columns:compare_nullable", "column", "nullable", last),
        ("comparing:remember", "table", None, last),
        ("comparing:compare", "schema", None, last),
    ):
        comparator = _Late(f"focal_data.migration.{function}")
        plugin.add_autogenerate_comparator(comparator, target, element, priority=priority)
    access = type(plugin)(ACCESS)
    access.add_autogenerate_comparator(
        _Late("focal_data.migration.autogenerate:compare"), "schema", priority=last
    )


class _Late:
    """A function by its module and name."""

    def __init__(self, place: str) -> None:
        self._module, _, self._name = place.partition(":")

    def __call__(self, *arguments: Any) -> Any:
        return getattr(import_module(self._module), self._name)(*arguments)
