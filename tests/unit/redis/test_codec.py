from __future__ import annotations

import zlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from asyncpg.pgproto import pgproto
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain.session import Session
from focal_data.errors import CorruptDataError
from focal_data.redis.codec import JSON, decode, encode, microseconds, time_of
from focal_data.redis.dictionary import DICTIONARY

KEY = b"focal:{a:b}:c"
IDS = bytes(32)
TIME = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


def a_session(**changes: object) -> Session:
    values = {
        "session_id": UUID(int=1),
        "tenant_id": UUID(int=2),
        "agent_id": UUID(int=3),
        "channel": "webchat",
        "channel_user_id": "user-1",
        "created_at": TIME,
        "last_activity_at": TIME + timedelta(seconds=1),
        "revision": 1,
    }
    return Session(**{**values, **changes})


def copies(session: Session) -> tuple[bytes, bytes]:
    """Both copies as the server puts them together."""
    encoded = encode(session)
    return encoded.hot, encoded.cold


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",))),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcé", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@given(
    variables=st.dictionaries(st.text("abc_", max_size=8), JSON_VALUES, max_size=6),
    turn=st.integers(0, 10**6),
)
def test_round_trip(variables: dict[str, object], turn: int) -> None:
    """A session is the same after encoding and decoding, hot and cold, to the last bit of a number."""
    session = a_session(variables=variables, turn_count=turn)

    for value in copies(session):
        assert session == decode(value, KEY)
        assert repr(session.variables) == repr(decode(value, KEY).variables)


def test_ids_from_the_database() -> None:
    """An id of the kind that PostgreSQL's driver makes is an id like any other, as a value and as a key."""
    id_ = pgproto.UUID(str(UUID(int=5)))
    session = a_session(agent_id=id_, customer_profile_id=id_)
    keyed = a_session(rule_fires={id_: 1})

    assert session == decode(encode(session).hot, KEY)
    assert keyed == decode(encode(keyed).hot, KEY)


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001
def test_times(naive: datetime) -> None:
    """A time is the same after it was a number, to the microsecond."""
    time = naive.replace(tzinfo=UTC)

    assert time == time_of(microseconds(time))


V1_HOT = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000000100064bf5a1dfa60000064bf5a1"
    "eee840302a486602373262643934643930386164663139367d3a61346663393933663031333837396633397d3a437b227365"
    "7373696f6e5f6964223a2230303030303030302d303030302d303030302d303030302d303030303030303030303031222c22"
    "74656e616e745f6964223a2230303030303030302d303030302d303030302d303030302d303030303030303030303032222c"
    "226167656e745f6964223a2230303030303030302d303030302d303030302d303030302d303030303030303030303033222c"
    "226368616e6e656c223a2277656263686174222c226368616e6e656c5f757365725f6964223a22757365722d31222c226375"
    "73746f6d65725f70726f66696c655f6964223a6e756c6c2c22636f6e6669675f76657273696f6e223a312c22616374697665"
    "5f7363656e6172696f5f6964223a6e756c6c2c226163746976655f737465705f6964223a6e756c6c2c226163746976655f73"
    "63656e6172696f5f76657273696f6e223a6e756c6c2c22737465705f686973746f7279223a5b5d2c2272656c6f63616c697a"
    "6174696f6e5f636f756e74223a302c2272756c655f6669726573223a7b7d2c2272756c655f6c6173745f666972655f747572"
    "6e223a7b7d2c227661726961626c6573223a7b2273616964223a2268656c6c6f227d2c227661726961626c655f7570646174"
    "65645f6174223a7b7d2c227475726e5f636f756e74223a302c22737461747573223a22616374697665222c2270656e64696e"
    "675f6d6967726174696f6e223a6e756c6c2c227363656e6172696f5f636865636b73756d223a6e756c6c2c22637265617465"
    "645f6174223a22323032362d30332d30315431323a33303a31352e3132333435365a222c226c6173745f6163746976697479"
    "5f6174223a22323032362d30332d30315431323a33303a31362e3132333435365a222c227265766973696f6e223a317d"
)
V1_COLD = bytes.fromhex(
    "0200000000000000000000000000000000000000000000000000000000000000000000000100064bf5a1dfa60000064bf5a1"
    "eee840302a486602373262643934643930386164663139367d3a61346663393933663031333837396633397d3a4343cf6d10"
    "6719e8826834022a650872325276840aa3ab066b860223a016e42c0b15c6638931c8c344e56950eed605b9096b021f2e395b"
    "a938119cd632527372f241053cce7c4e9f92df1894960d8dac8c0dac0c4df50c8d8c4d4ccdf096fcc81acc90342097fc00"
)


@pytest.mark.parametrize("stored", [V1_HOT, V1_COLD], ids=["hot", "cold"])
def test_what_the_first_version_wrote(stored: bytes) -> None:
    """What the first version wrote can be read for ever."""
    assert a_session(variables={"said": "hello"}) == decode(stored, KEY)


def test_the_dictionary_is_frozen() -> None:
    """The dictionary never changes: what was deflated with it could not be read."""
    assert 0xE7C6BD16 == zlib.crc32(DICTIONARY)


@pytest.mark.parametrize("size", [0, 1, 33, 57, 58, 80])
def test_cut_off(size: int) -> None:
    """A copy that was cut off is an error that names its key."""
    for value in copies(a_session()):
        with pytest.raises(CorruptDataError, match=r"focal:\{a:b\}:c"):
            decode(value[:size], KEY)
        with pytest.raises(CorruptDataError):
            decode(value[:-1], KEY)


def test_newer() -> None:
    """A format with a higher number was written by a newer version, and the error says so."""
    hot, _ = copies(a_session())

    with pytest.raises(CorruptDataError, match="newer version"):
        decode(b"\x03" + hot[1:], KEY)
    with pytest.raises(CorruptDataError, match="no format"):
        decode(b"\x00" + hot[1:], KEY)


def test_the_head_must_agree() -> None:
    """A head that contradicts its body is damage: the scripts rely on it."""
    hot, _ = copies(a_session())
    other = encode(a_session(revision=2)).head

    with pytest.raises(CorruptDataError):
        decode(hot[:33] + other[:4] + hot[37:], KEY)


def test_errors_hold_no_content() -> None:
    """An error quotes nothing of what it could not read."""
    head, hot, _ = encode(a_session(variables={"said": "her own words"}))
    broken = hot.replace(b'"revision":1', b'"revision":-')
    head = head[:20] + zlib.crc32(broken).to_bytes(4, "big") + head[24:]

    with pytest.raises(CorruptDataError) as error:
        decode(JSON + IDS + head + broken, KEY)
    assert "her own words" not in f"{error.value!r} {error.value.__cause__!r} {error.value.__context__!r}"
