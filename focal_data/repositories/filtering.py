"""Filters made into conditions: a statement is built once for each combination of filters that is used."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from focal_data.domain.base import ValueObject
from focal_data.errors import InvalidDataError

Conditions = Mapping[str, ColumnElement[bool]]
"""What each field of a filter asks for, with parameters of the same names."""


def given(filters: ValueObject | None) -> dict[str, Any]:
    """The fields that ask for something, with their values: a statement's parameters, and the key of its shape.

    What is no filter is ``InvalidDataError("filters")``.
    """
    if filters is None:
        return {}
    if not isinstance(filters, ValueObject):
        raise InvalidDataError("filters", "must be a filter")
    return {name: value for name, value in filters.__dict__.items() if value is not None}


def chosen(conditions: Conditions, names: Collection[str]) -> list[ColumnElement[bool]]:
    """The conditions for ``names``, in the order in which they are declared, so that equal shapes have equal text."""
    return [condition for name, condition in conditions.items() if name in names]


def of_agent(agent_id: UUID, filters: ValueObject | None) -> dict[str, Any]:
    """``given`` for a search among one agent's: filters that name another agent as well are ``only_agent_id``."""
    asked = given(filters)
    other = asked.pop("agent_id", agent_id)
    return {**asked, "agent_id": agent_id} | ({} if other == agent_id else {"only_agent_id": other})
