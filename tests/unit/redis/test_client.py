from __future__ import annotations

import pytest

from focal_data.errors import SettingsError
from focal_data.redis.client import RedisClient
from focal_data.redis.script import Effect, Script, packed
from focal_data.settings import Settings


@pytest.mark.parametrize(
    "url",
    [
        "redis://host:notaport",
        "redis://host/0?unknown_option=1",
        "redis://host/x?db=x",
        "redis://host:99999999",
    ],
)
async def test_bad_url(url: str) -> None:
    """A URL that can't be used is told by the variable's name, without the URL."""
    with pytest.raises(SettingsError) as error:
        RedisClient(Settings.of(redis_url=url))

    assert "FOCAL_DATA_REDIS_URL" == error.value.variable
    assert "host" not in str(error.value)


async def test_no_url() -> None:
    """Without a URL the variable is named."""
    with pytest.raises(SettingsError, match="FOCAL_DATA_REDIS_URL"):
        RedisClient(Settings.of(redis_url=None))


def test_packed() -> None:
    """A command is an array of strings with their lengths in bytes."""
    assert b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n" == packed((b"SET", b"k", b"\r\n"))


@pytest.mark.parametrize("name", ["save", "get", "newest", "repair", "delete", "promote", "demote", "sweep"])
def test_every_script(name: str) -> None:
    """A script is sent by its digest first, and in full where the server does not know it."""
    script = Script(name, Effect.READ)

    assert script.digest in script.by_digest([b"k"], [b"a"])
    assert script.source in script.in_full([b"k"], [b"a"])
    assert 40 == len(script.digest)
