"""Customer profiles, and their parts, which go when the profile goes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import JsonValue
from sqlalchemy import BigInteger, Text
from sqlmodel import Field

from focal_data.domain.profile import Channel, Consent, FieldSource, VerificationLevel
from focal_data.tables.base import MutableTable
from focal_data.tables.columns import (
    JsonDict,
    TypedJSON,
    at_least,
    check,
    given,
    index,
    index_present,
    refers_to,
    string_enum,
    unique,
    unique_among,
    utc,
    valid_period,
)


class CustomerProfileTable(MutableTable, table=True):
    """Profiles; a merged one points to the one that it is part of now."""

    __tablename__ = "customer_profiles"
    __table_args__ = (
        refers_to("customer_profiles", "merged_into_id"),
        index_present("merged_into_id"),
        unique_among("customer_id IS NOT NULL", "customer_id", name="uq_customer_profiles_customer_id"),
        check("merged_into_id <> id", "merged_into_another"),
        *given("customer_id"),
    )

    customer_id: str | None = Field(default=None, max_length=255)
    verification_level: VerificationLevel = Field(
        sa_type=string_enum(VerificationLevel, "verification_level")
    )
    consents: list[Consent] = Field(sa_type=TypedJSON(list[Consent]))
    last_interaction_at: datetime | None = Field(default=None, sa_type=utc())
    merged_into_id: UUID | None = None


class ChannelIdentityTable(MutableTable, table=True):
    """Who a profile is on its channels."""

    __tablename__ = "channel_identities"
    __table_args__ = (
        refers_to("customer_profiles", "profile_id", ondelete="CASCADE"),
        unique("channel", "channel_user_id"),
        index("profile_id"),
        *given("channel_user_id"),
    )

    profile_id: UUID
    channel: Channel = Field(sa_type=string_enum(Channel, "channel"))
    channel_user_id: str = Field(max_length=255)
    verified: bool
    verified_at: datetime | None = Field(default=None, sa_type=utc())
    primary: bool


class ProfileFieldTable(MutableTable, table=True):
    """What is and was known about a customer; the current value of a name is the one without ``valid_to``."""

    __tablename__ = "profile_fields"
    __table_args__ = (
        refers_to("customer_profiles", "profile_id", ondelete="CASCADE"),
        unique_among("valid_to IS NULL", "profile_id", "name", name="uq_profile_fields_profile_id_name"),
        index("profile_id", "name", "valid_from"),
        check("confidence BETWEEN 0 AND 1", "confidence_range"),
        *given("name", "value_type", "verification_method", "verified_by"),
        valid_period(),
    )

    profile_id: UUID
    name: str = Field(max_length=255)
    value: Any = Field(default=None, sa_type=TypedJSON(JsonValue), nullable=True)  # JSON's null is SQL's
    value_type: str = Field(max_length=255)
    source: FieldSource = Field(sa_type=string_enum(FieldSource, "source"))
    source_session_id: UUID | None = None
    source_scenario_id: UUID | None = None
    source_step_id: UUID | None = None
    verified: bool
    verification_method: str | None = Field(default=None, max_length=255)
    verified_at: datetime | None = Field(default=None, sa_type=utc())
    verified_by: str | None = Field(default=None, max_length=255)
    confidence: float
    requires_confirmation: bool
    collected_at: datetime = Field(sa_type=utc())
    expires_at: datetime | None = Field(default=None, sa_type=utc())
    valid_from: datetime = Field(sa_type=utc())
    valid_to: datetime | None = Field(default=None, sa_type=utc())


class ProfileAssetTable(MutableTable, table=True):
    """Files of customers, which are kept elsewhere."""

    __tablename__ = "profile_assets"
    __table_args__ = (
        refers_to("customer_profiles", "profile_id", ondelete="CASCADE"),
        index("profile_id"),
        *given(
            "name",
            "asset_type",
            "storage_provider",
            "storage_path",
            "mime_type",
            "checksum",
            "retention_policy",
        ),
        *at_least(0, "size_bytes"),
    )

    profile_id: UUID
    name: str = Field(max_length=255)
    asset_type: str = Field(max_length=255)
    storage_provider: str = Field(max_length=255)
    storage_path: str = Field(sa_type=Text)
    mime_type: str = Field(max_length=255)
    size_bytes: int = Field(sa_type=BigInteger)
    checksum: str = Field(max_length=255)
    uploaded_at: datetime = Field(sa_type=utc())
    uploaded_in_session_id: UUID | None = None
    verified: bool
    verification_result: JsonDict | None = Field(default=None, sa_type=TypedJSON(JsonDict))
    retention_policy: str = Field(max_length=255)
    expires_at: datetime | None = Field(default=None, sa_type=utc())
