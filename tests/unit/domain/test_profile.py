"""Who the customer is: the rules of each object."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from focal_data.domain.profile import (
    Channel,
    ChannelIdentity,
    CustomerProfile,
    FieldSource,
    ProfileAsset,
    ProfileField,
    VerificationLevel,
)
from focal_data.ids import new_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def field(**fields: Any) -> ProfileField:
    return ProfileField(**{"profile_id": new_id(), "name": "city", "value": "Albany"} | fields)


def test_a_new_profile_is_unverified() -> None:
    """Nothing is known of it."""
    profile = CustomerProfile()
    assert (VerificationLevel.UNVERIFIED, None, []) == (
        profile.verification_level,
        profile.customer_id,
        profile.consents,
    )


def test_a_profile_is_not_merged_into_itself() -> None:
    """That would be a loop."""
    same = new_id()
    with pytest.raises(ValidationError, match="merged_into_id"):
        CustomerProfile(id=same, merged_into_id=same)


@pytest.mark.parametrize("customer_id", ["", "x" * 256])
def test_a_customer_id_is_1_to_255_characters(customer_id: str) -> None:
    """Shorter or longer is refused."""
    with pytest.raises(ValidationError, match="customer_id"):
        CustomerProfile(customer_id=customer_id)


def test_an_unknown_channel_is_refused() -> None:
    """Only the values of the enumeration are taken."""
    with pytest.raises(ValidationError, match="channel"):
        ChannelIdentity(profile_id=new_id(), channel="fax", channel_user_id="u")


@pytest.mark.parametrize(
    ("expected", "value"),
    [
        ("string", "x"),
        ("integer", 1),
        ("number", 1.5),
        ("boolean", True),
        ("null", None),
        ("array", []),
        ("object", {}),
    ],
)
def test_the_type_of_a_value_is_told_when_left_out(expected: str, value: Any) -> None:
    """In the words of JSON Schema."""
    assert expected == field(value=value).value_type


def test_the_type_of_a_value_may_be_given() -> None:
    """In the caller's own words."""
    assert "postcode" == field(value_type="postcode").value_type


def test_a_field_is_valid_from_when_it_was_collected() -> None:
    """Unless said otherwise."""
    assert NOON == field(collected_at=NOON).valid_from


def test_a_fields_period_ends_after_it_begins() -> None:
    """An empty period is refused."""
    with pytest.raises(ValidationError, match="valid_to"):
        field(valid_from=NOON, valid_to=NOON)


@pytest.mark.parametrize("size", [-1, 2**63])
def test_a_size_is_a_number_of_bytes(size: int) -> None:
    """Negative ones and those beyond 64 bits are refused."""
    with pytest.raises(ValidationError, match="size_bytes"):
        ProfileAsset(
            profile_id=new_id(),
            name="id.png",
            asset_type="id",
            storage_provider="s3",
            storage_path="a",
            mime_type="image/png",
            size_bytes=size,
            checksum="c",
        )


@pytest.mark.parametrize(
    ("expected", "enumeration"),
    [
        ("whatsapp slack webchat email voice api", Channel),
        ("unverified email_verified phone_verified document_verified kyc_complete", VerificationLevel),
        (
            "user_provided llm_extracted tool_result document_extracted human_entered system_inferred",
            FieldSource,
        ),
    ],
)
def test_enumerations(expected: str, enumeration: Any) -> None:
    """The values are those of the contract."""
    assert expected.split() == [member.value for member in enumeration]
