"""The stores over a database that a test has made by itself."""

from __future__ import annotations

from typing import NoReturn

from focal_data.unit_of_work import PostgresStores


class StoresAlone(PostgresStores):
    """Without a data layer around them, which alone knows where ideation is kept."""

    @property
    def ideation(self) -> NoReturn:
        """Not kept here."""
        raise NotImplementedError
