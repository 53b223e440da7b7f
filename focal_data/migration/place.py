"""Where a migration runs, and for which services."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sqlalchemy import URL, make_url

from focal_data.settings import Settings, postgresql_url

Target = Settings | URL | str
"""Settings, whose owner's URL is used, or a URL, with the role that the settings name."""


@dataclass(frozen=True, slots=True)
class Services:
    """The role that services run as, and the login that takes it; ``None`` when that is not known, or the owner itself."""

    role: str
    login: str | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        url = settings.database_url
        return cls(settings.app_role, make_url(url.get_secret_value()).username if url else None)


@dataclass(frozen=True, slots=True)
class Place:
    """A database as its owner reaches it, and who is to use it."""

    url: URL
    services: Services

    @classmethod
    def of(cls, target: Target) -> Self:
        """Raises ``SettingsError`` when a setting is missing or wrong, ``ValueError`` for what is no URL of PostgreSQL."""
        if isinstance(target, Settings):
            return cls(target.owner_url(), Services.of(target))
        text = target if isinstance(target, str) else target.render_as_string(hide_password=False)
        return cls(postgresql_url(text), Services(Settings.load().app_role))
