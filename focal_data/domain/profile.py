"""Who the customer is: a profile, with its channels, fields and assets."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from focal_data.domain.base import (
    NO_NUL,
    ExternalId,
    Fraction,
    Json,
    JsonObject,
    MutableEntity,
    Name,
    NonEmptyText,
    UtcDatetime,
    ValueObject,
)
from focal_data.domain.validity import check_period, now

IpAddress = Annotated[str, Field(min_length=1, max_length=45), NO_NUL]


class VerificationLevel(StrEnum):
    """How sure we are of who the customer is, from least to most."""

    UNVERIFIED = "unverified"
    EMAIL_VERIFIED = "email_verified"
    PHONE_VERIFIED = "phone_verified"
    DOCUMENT_VERIFIED = "document_verified"
    KYC_COMPLETE = "kyc_complete"


class Channel(StrEnum):
    """The way by which a customer talks with an agent."""

    WHATSAPP = "whatsapp"
    SLACK = "slack"
    WEBCHAT = "webchat"
    EMAIL = "email"
    VOICE = "voice"
    API = "api"


class FieldSource(StrEnum):
    """Where the value of a profile field came from."""

    USER_PROVIDED = "user_provided"
    LLM_EXTRACTED = "llm_extracted"
    TOOL_RESULT = "tool_result"
    DOCUMENT_EXTRACTED = "document_extracted"
    HUMAN_ENTERED = "human_entered"
    SYSTEM_INFERRED = "system_inferred"


class Consent(ValueObject):
    """What the customer allowed, or no longer allows."""

    consent_type: Name
    granted: bool
    granted_at: UtcDatetime | None = None
    revoked_at: UtcDatetime | None = None
    source_session_id: UUID | None = None
    ip_address: IpAddress | None = None


class CustomerProfile(MutableEntity):
    """A person that agents talk with. ``customer_id`` is their id in another system, unique where present."""

    customer_id: ExternalId | None = None
    verification_level: VerificationLevel = VerificationLevel.UNVERIFIED
    consents: list[Consent] = Field(default_factory=list)
    last_interaction_at: UtcDatetime | None = None
    merged_into_id: UUID | None = None
    """The profile that this one is part of now; only a merge sets it."""

    @model_validator(mode="after")
    def _check_merge(self) -> Self:
        if self.merged_into_id == self.id:
            raise PydanticCustomError("merged_into_id", "merged_into_id must be another profile's")
        return self


class ChannelIdentity(MutableEntity):
    """Who a profile is on one channel. One for each channel and ``channel_user_id``."""

    profile_id: UUID
    channel: Channel
    channel_user_id: ExternalId
    verified: bool = False
    verified_at: UtcDatetime | None = None
    primary: bool = False


_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object", str: "string"}


class ProfileField(MutableEntity):
    """One thing known about a customer. A name has at most one current value; earlier ones are its history.

    The current value is the one without ``valid_to``; past ``expires_at`` it is no longer read.
    """

    profile_id: UUID
    name: Name
    value: Json
    value_type: Name = "null"
    """When left out, JSON Schema's word: string, integer, number, boolean, array, object or null."""
    source: FieldSource = FieldSource.USER_PROVIDED
    source_session_id: UUID | None = None
    source_scenario_id: UUID | None = None
    source_step_id: UUID | None = None
    verified: bool = False
    verification_method: Name | None = None
    verified_at: UtcDatetime | None = None
    verified_by: ExternalId | None = None
    confidence: Fraction = 1.0
    requires_confirmation: bool = False
    collected_at: UtcDatetime = Field(default_factory=now)
    expires_at: UtcDatetime | None = None
    valid_from: UtcDatetime = Field(default_factory=now)
    """``collected_at`` when left out."""
    valid_to: UtcDatetime | None = None

    @model_validator(mode="after")
    def _check_period(self) -> Self:
        given = self.model_fields_set
        if "value_type" not in given:  # the model is frozen, but not yet in use
            self.__dict__["value_type"] = _JSON_TYPES.get(type(self.value), "null")
        if "valid_from" not in given:
            self.__dict__["valid_from"] = self.collected_at
        check_period(self.valid_from, self.valid_to)
        return self


class ProfileAsset(MutableEntity):
    """A file of the customer's, kept elsewhere: ``storage_path`` at ``storage_provider`` says where."""

    profile_id: UUID
    name: Name
    asset_type: Name
    storage_provider: Name
    storage_path: NonEmptyText
    mime_type: Name
    size_bytes: Annotated[int, Field(ge=0, le=2**63 - 1)]
    checksum: Name
    uploaded_at: UtcDatetime = Field(default_factory=now)
    uploaded_in_session_id: UUID | None = None
    verified: bool = False
    verification_result: JsonObject | None = None
    retention_policy: Name = "permanent"
    expires_at: UtcDatetime | None = None
