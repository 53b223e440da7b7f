"""Commands of many options: they are the fields of a dataclass, of which the command takes one."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import Signature, signature
from typing import TypeVar, get_type_hints

T = TypeVar("T")


def taking(options: Callable[..., T]) -> Callable[[Callable[[T], None]], Callable[..., None]]:
    """A command with an option for each field of ``options``, a dataclass, in their order, declared as typer takes them."""
    kinds = get_type_hints(options, include_extras=True)
    fields = [field.replace(annotation=kinds[name]) for name, field in signature(options).parameters.items()]

    def of_fields(command: Callable[[T], None]) -> Callable[..., None]:
        @wraps(command)
        def run(**given: object) -> None:
            command(options(**given))

        run.__signature__ = Signature(fields)  # type: ignore[attr-defined]  # which typer reads
        return run

    return of_fields
