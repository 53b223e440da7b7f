"""Settings that are wrong say which and why, and nothing of what was given."""

from __future__ import annotations

import pytest

from focal_data.errors import SettingsError
from focal_data.settings import Settings


def refusal(**wrong: object) -> SettingsError:
    """What the settings say to ``wrong``."""
    with pytest.raises(SettingsError) as caught:
        Settings.load(_env_file=None, **wrong)
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:a@secret:word@h/db",
        "postgresql://u:secret@h:port/db",
        "postgresql://u:secret@h..x/db",
        "postgresql://u:secret@h:99999/db",
        "postgresql://u:secret@h:-1/db",
        "mysql://u:secret@h/db",
        "secret",
    ],
)
def test_a_wrong_url_is_refused_without_its_password(url: str) -> None:
    """Neither the message nor what is chained to it quotes the URL; it is refused before anything is connected to."""
    error = refusal(database_url=url)
    assert "FOCAL_DATA_DATABASE_URL" == error.variable
    assert "secret" not in str(error)
    assert error.__context__ is None


@pytest.mark.parametrize("seconds", [0, -1, 0.0001, float("nan"), float("inf"), "soon"])
def test_a_time_out_is_a_millisecond_at_least(seconds: object) -> None:
    """Less would be sent as 0, which PostgreSQL takes for no limit."""
    assert "FOCAL_DATA_STATEMENT_TIMEOUT" == refusal(statement_timeout=seconds).variable
