"""What is hashed: every field of a row, in a form that stays the same for years."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focal_data.domain.audit import AuditEvent, ToolCall, TurnRecord
from focal_data.domain.base import Entity
from focal_data.domain.chain import (
    EVENT,
    GENESIS,
    KINDS,
    LANES,
    TURN,
    AuditKeys,
    AuditKind,
    ChainHead,
    canonical,
    lane,
    new_salt,
    row_hash,
    seal,
    text_digest,
)

KEYS = AuditKeys({"new": b"n" * 32, "old": b"o" * 32})
TENANT, SESSION, ID = (UUID(int=n << 64 | n) for n in (1, 2, 3))
NOON = datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)
ROW: dict[str, Any] = {
    "tenant_id": TENANT,
    "id": ID,
    "event_type": "greeted",
    "event_data": {"b": 1.0, "a": [0.5, None, "ü\n"]},
    "session_id": SESSION,
    "customer_profile_id": None,
    "turn_id": None,
    "created_at": NOON,
    "erased_at": None,
}
SALT = b"s" * 32


def a_link(head: ChainHead | None = None, **changes: Any) -> dict[str, Any]:
    """An event as it is stored, with ``changes`` before it is hashed."""
    row = ROW | changes
    row |= {"chain_id": SESSION, "salt": SALT, "text_digest": text_digest(EVENT, row, SALT)}
    return seal(EVENT, row, head or ChainHead(), KEYS)


@pytest.mark.parametrize(("kind", "domain"), [(TURN, TurnRecord), (EVENT, AuditEvent)])
def test_every_field_is_a_fact_or_text(kind: AuditKind, domain: type[Entity]) -> None:
    """But for erased_at, which an erasure sets: a new field is one of them, or this fails."""
    assert {*domain.model_fields} == {*kind.facts, *kind.erased, "erased_at"}
    assert len(domain.model_fields) == len(kind.facts) + len(kind.erased) + 1
    assert kind in KINDS


def test_the_form_is_what_it_was() -> None:
    """Chains are verified years after they were written: a change of this is a new form, beside this one."""
    text = b"focal-data audit text 1\n" + b'{"event_data":{"a":["\\u00000.5",null,"\xc3\xbc\\n"],"b":1}}'
    digest = hashlib.blake2b(SALT + text, digest_size=32).digest()
    facts = {
        "chain_id": str(SESSION),
        "chain_sequence": 1,
        "created_at": 1_772_366_400_000_001,
        "event_type": "greeted",
        "hash_key_id": "new",
        "id": str(ID),
        "kind": "event",
        "previous_hash": "00" * 32,
        "session_id": str(SESSION),
        "tenant_id": str(TENANT),
        "text_digest": digest.hex(),
    }
    form = b"focal-data audit row 1\n" + json.dumps(facts, separators=(",", ":")).encode()
    row = a_link()
    assert digest == row["text_digest"]
    assert hmac.new(b"n" * 32, form, hashlib.sha256).digest() == row["hash"]


def test_a_link_follows_its_head() -> None:
    """With the next number, and the hash before it."""
    first = a_link()
    assert (1, GENESIS, "new") == (first["chain_sequence"], first["previous_hash"], first["hash_key_id"])
    second = a_link(ChainHead(first["chain_sequence"], first["hash"]))
    assert (2, first["hash"]) == (second["chain_sequence"], second["previous_hash"])


@pytest.mark.parametrize(
    "change",
    [
        *(
            {name: UUID(int=9)}
            for name in ("tenant_id", "id", "session_id", "customer_profile_id", "turn_id")
        ),
        {"event_type": "x"},
        {"created_at": NOON + timedelta(microseconds=1)},
        *({name: b"x" * 32} for name in ("previous_hash", "text_digest")),
        {"chain_sequence": 2},
        {"chain_id": UUID(int=9)},
        {"hash_key_id": "old"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_fact_is_in_the_hash(change: dict[str, Any]) -> None:
    """A row with another one has another hash."""
    row = a_link()
    assert row["hash"] == row_hash(EVENT, row, b"n" * 32)
    assert row["hash"] != row_hash(EVENT, row | change, b"n" * 32)
    assert row["hash"] != row_hash(EVENT, row, b"o" * 32)
    assert row["hash"] != row_hash(AuditKind("turn", "", EVENT.facts, EVENT.erased), row, b"n" * 32)


def test_an_erasure_leaves_the_hash() -> None:
    """It takes the text and the salt, and says when."""
    row = a_link()
    erased = row | dict(EVENT.erased) | {"salt": None, "erased_at": NOON}
    assert row["hash"] == row_hash(EVENT, erased, b"n" * 32)


def test_the_digest_tells_nothing_without_the_salt() -> None:
    """Equal texts have different digests, and the text decides it."""
    assert text_digest(EVENT, ROW, SALT) == text_digest(EVENT, ROW, SALT)
    assert text_digest(EVENT, ROW, SALT) != text_digest(EVENT, ROW, new_salt())
    assert text_digest(EVENT, ROW, SALT) != text_digest(EVENT, ROW | {"event_data": {}}, SALT)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (100, 1e2),
        (0, -0.0),
        (0.0, -0.0),
        (2**53, float(2**53)),
        (-(2**63), -float(2**63)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1.0}),
    ],
)
def test_what_jsonb_takes_for_equal_is_one(one: object, other: object) -> None:
    """Numbers by their value, objects whatever the order of their keys."""
    assert canonical({"v": [one]}) == canonical({"v": [other]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (0.5, "0.5"),
        (1, "1"),
        (1, True),
        (0, None),
        (None, "null"),
        ([1, 2], [12]),
        ([[1], 2], [[1, 2]]),
        ({"a": 1}, ["a", 1]),
        ("", None),
        (0.1, 0.1 + 2**-56),
        (2**53, 2**53 + 1),
        (5e-324, 0.0),
        (1e300, 1e299),
    ],
)
def test_what_differs_is_two(one: object, other: object) -> None:
    """A number is no text, and no digit is lost."""
    assert canonical({"v": [one]}) != canonical({"v": [other]})


def test_a_null_among_the_facts_is_as_if_it_were_not_there() -> None:
    """So that a column that is added later changes no hash of a row from before."""
    assert canonical({"a": 1}) == canonical({"a": 1, "b": None})
    assert canonical({"a": {}}) != canonical({"a": {"b": None}})


def test_what_a_driver_gives_is_taken_for_what_it_is() -> None:
    """A time in another zone, a subclass of UUID, a value object."""

    class Driven(UUID):
        pass

    call = ToolCall(tool_id="t", tool_name="n", input={"x": 0.5}, success=True, latency_ms=1)
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5)))
    assert canonical({"t": NOON, "i": ID}) == canonical({"t": elsewhere, "i": Driven(int=ID.int)})
    assert canonical({"c": [call]}) == canonical({"c": [call.model_dump(mode="json")]})
    with pytest.raises(TypeError, match="no canonical form"):
        canonical({"a": {1, 2}})


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_keeps_its_form_when_it_is_read_again(value: float) -> None:
    """As JSON text holds it, with or without an exponent or a fraction."""
    written = [json.dumps(value), f"{value:.17g}", f"{value:.1f}" if abs(value) > 1e15 else repr(value)]
    assert {canonical({"v": value})} == {canonical({"v": float(text)}) for text in written}


def test_keys_are_never_shown() -> None:
    """Their ids are."""
    assert "AuditKeys(new, old)" == repr(KEYS) == str(KEYS)
    assert ("new", ("new", "old")) == (KEYS.newest, KEYS.ids)
    assert (b"o" * 32, None, None) == (KEYS.get("old"), KEYS.get("x"), KEYS.get(None))


def test_lanes_are_so_many() -> None:
    """And none of them is the nil UUID."""
    lanes = {lane(number) for number in range(1000)}
    assert LANES == len(lanes)
    assert UUID(int=0) not in lanes
