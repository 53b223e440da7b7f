"""Settings that are wrong say which and why, and nothing of what was given."""

from __future__ import annotations

from pathlib import Path

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


def test_settings_can_be_given_without_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither its variables nor a .env file count, only what is given."""
    monkeypatch.setenv("FOCAL_DATA_POOL_SIZE", "3")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("FOCAL_DATA_APP_ROLE=another_role\n")
    given = Settings.of(redis_timeout=2)
    assert (10, "focal_app", 2) == (given.pool_size, given.app_role, given.redis_timeout)
    assert (3, "another_role") == (Settings.load().pool_size, Settings.load().app_role)


def test_what_is_given_is_checked_as_well() -> None:
    """By the same rules."""
    with pytest.raises(SettingsError, match="FOCAL_DATA_POOL_SIZE"):
        Settings.of(pool_size=0)


KEY = "secret" * 6


@pytest.mark.parametrize(
    "keys",
    [
        KEY,
        f":{KEY}",
        f"a b:{KEY}",
        f"{'i' * 65}:{KEY}",
        "a:secret",
        f"a:{KEY},a:{KEY}x",
        f"a:{KEY},",
        f"a:{KEY},b",
        f"a:{KEY},,b:{KEY}",
    ],
)
def test_keys_that_are_malformed_are_refused_and_not_shown(keys: str) -> None:
    """Nor is anything chained to the error that holds them."""
    error = refusal(audit_keys=keys)
    assert "FOCAL_DATA_AUDIT_KEYS" == error.variable
    assert "secret" not in str(error)
    assert error.__context__ is None


def test_keys_are_in_their_order_and_never_shown() -> None:
    """The newest first; what stands between them may be spaced."""
    settings = Settings.of(audit_keys=f"new:{KEY}:x, old.1:{KEY}")
    assert [("new", f"{KEY}:x".encode()), ("old.1", KEY.encode())] == list(settings.chain_keys().items())
    assert "secret" not in f"{settings!r}{settings}{settings.model_dump()}"


@pytest.mark.parametrize("unset", [None, "", "  "])
def test_keys_may_be_unset(unset: str | None) -> None:
    """Then there are none."""
    assert {} == Settings.of(audit_keys=unset).chain_keys()


VENDORS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without keys of providers."""
    for name in VENDORS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"FOCAL_DATA_{name}", raising=False)


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("name", VENDORS)
def test_a_providers_key_is_found_by_the_name_that_its_vendor_gives_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Our own name comes first; an empty one means no key."""
    found = []
    for variable, value in ((name, " theirs\n"), (f"FOCAL_DATA_{name}", "ours"), (f"FOCAL_DATA_{name}", "")):
        monkeypatch.setenv(variable, value)
        key = getattr(Settings.load(), name.lower())
        found.append(key and key.get_secret_value())
    assert ["theirs", "ours", None] == found


@pytest.mark.usefixtures("no_keys")
@pytest.mark.parametrize("name", VENDORS)
def test_a_providers_key_can_be_given_and_is_not_shown(name: str) -> None:
    """By the field's name; what can't be sent in a header is refused without being quoted."""
    settings = Settings.of(**{name.lower(): "sk-secret"})
    assert "sk-secret" == getattr(settings, name.lower()).get_secret_value()
    assert "sk-secret" not in f"{settings!r}{settings}{settings.model_dump()}"
    with pytest.raises(SettingsError, match=f"^FOCAL_DATA_{name}: must have visible ASCII") as caught:
        Settings.of(**{name.lower(): "sk-sécret"})
    assert "sk-" not in str(caught.value)
