"""Bad data and bad arguments: refused with the field's name, told without the value, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import pytest

from focal_data.domain.profile import Channel, Consent, CustomerProfile
from focal_data.errors import ConflictError, InvalidDataError
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.base import all_told
from focal_data.testing.contracts.profile.base import ProfileSuite, a_field, a_link, an_asset, spoiled

SECRET: Final = "hunter2 🦊"
NAIVE: Final = datetime(2026, 1, 1)  # noqa: DTZ001
Call = Callable[[ProfileStore, CustomerProfile], Coroutine[Any, Any, object]]


def _consent(**changes: object) -> list[Consent]:
    return [spoiled(Consent(consent_type="x", granted=True), **changes)]


BAD_DATA: Final[dict[str, tuple[str, Call]]] = {
    "NUL": ("customer_id", lambda p, a: p.save(spoiled(a, customer_id=f"{SECRET}\x00"))),
    "a lone surrogate": ("customer_id", lambda p, a: p.save(spoiled(a, customer_id=f"{SECRET}\ud800"))),
    "a long name": ("customer_id", lambda p, a: p.save(spoiled(a, customer_id=SECRET * 99))),
    "no level": ("verification_level", lambda p, a: p.save(spoiled(a, verification_level=SECRET))),
    "a naive time": ("last_interaction_at", lambda p, a: p.save(spoiled(a, last_interaction_at=NAIVE))),
    "no consent": ("consents.0", lambda p, a: p.save(spoiled(a, consents=[SECRET]))),
    "a bad consent": (
        "consents.0.consent_type",
        lambda p, a: p.save(spoiled(a, consents=_consent(consent_type=SECRET * 99))),
    ),
    "no revision": ("revision", lambda p, a: p.save(spoiled(a, revision=-1))),
    "no id": ("id", lambda p, a: p.save(spoiled(a, id=SECRET))),
    "merged into itself": ("entity", lambda p, a: p.save(spoiled(a, merged_into_id=a.id))),
    "NaN": ("value", lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), value=[SECRET, float("nan")]))),
    "infinity": ("value", lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), value=float("inf")))),
    "65 bits": ("value", lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), value={"a": 2**63}))),
    "no JSON": ("value", lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), value={SECRET}))),
    "no key": ("value", lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), value={1: SECRET}))),
    "NUL in JSON": (
        "value",
        lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), value=[f"{SECRET}\x00"])),
    ),
    "a surrogate in JSON": (
        "value",
        lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), value={f"{SECRET}\udfff": 1})),
    ),
    "above one": ("confidence", lambda p, a: p.update_field(a.id, spoiled(a_field(a, SECRET), confidence=2))),
    "confident NaN": (
        "confidence",
        lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), confidence=float("nan"))),
    ),
    "a naive start": (
        "valid_from",
        lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), valid_from=NAIVE)),
    ),
    "a naive expiry": ("expires_at", lambda p, a: p.add_asset(a.id, spoiled(an_asset(a), expires_at=NAIVE))),
    "no name": ("name", lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), name=""))),
    "ten megabytes of name": (
        "name",
        lambda p, a: p.update_field(a.id, spoiled(a_field(a, 1), name="x" * 10**7)),
    ),
    "below zero": ("size_bytes", lambda p, a: p.add_asset(a.id, spoiled(an_asset(a), size_bytes=-1))),
    "too large": ("size_bytes", lambda p, a: p.add_asset(a.id, spoiled(an_asset(a), size_bytes=2**63))),
    "no result": (
        "verification_result",
        lambda p, a: p.add_asset(a.id, spoiled(an_asset(a), verification_result=[SECRET])),
    ),
    "no channel": ("channel", lambda p, a: p.link_channel(a.id, spoiled(a_link(a, "x"), channel=SECRET))),
}
NO_ENTITIES: Final[dict[str, Call]] = {
    "save": lambda p, a: p.save(SECRET),  # type: ignore[arg-type]
    "save None": lambda p, a: p.save(None),  # type: ignore[arg-type]
    "save a field": lambda p, a: p.save(a_field(a, SECRET)),  # type: ignore[arg-type]
    "update_field": lambda p, a: p.update_field(a.id, SECRET),  # type: ignore[arg-type]
    "update_field None": lambda p, a: p.update_field(a.id, None),  # type: ignore[arg-type]
    "update_field a dict": lambda p, a: p.update_field(a.id, a_field(a, 1).model_dump()),  # type: ignore[arg-type]
    "update_field an asset": lambda p, a: p.update_field(a.id, an_asset(a)),  # type: ignore[arg-type]
    "link_channel": lambda p, a: p.link_channel(a.id, SECRET),  # type: ignore[arg-type]
    "link_channel None": lambda p, a: p.link_channel(a.id, None),  # type: ignore[arg-type]
    "link_channel a field": lambda p, a: p.link_channel(a.id, a_field(a, 1)),  # type: ignore[arg-type]
    "add_asset": lambda p, a: p.add_asset(a.id, [SECRET]),  # type: ignore[arg-type]
    "add_asset None": lambda p, a: p.add_asset(a.id, None),  # type: ignore[arg-type]
    "add_asset a link": lambda p, a: p.add_asset(a.id, a_link(a, "x")),  # type: ignore[arg-type]
}
NO_ID: Final = [SECRET, str(uuid4()), None, 5, b"0" * 16, [uuid4()]]
BY_ID: Final[
    dict[str, tuple[str, Callable[[ProfileStore, CustomerProfile, Any], Coroutine[Any, Any, object]]]]
] = {
    "get_by_id": ("profile_id", lambda p, a, bad: p.get_by_id(bad)),
    "get_fields": ("profile_id", lambda p, a, bad: p.get_fields(bad)),
    "get_field_history": ("profile_id", lambda p, a, bad: p.get_field_history(bad, "city")),
    "list_channels": ("profile_id", lambda p, a, bad: p.list_channels(bad)),
    "list_assets": ("profile_id", lambda p, a, bad: p.list_assets(bad)),
    "get_merged_ids": ("profile_id", lambda p, a, bad: p.get_merged_ids(bad)),
    "delete_profile": ("profile_id", lambda p, a, bad: p.delete_profile(bad)),
    "unlink_channel": ("profile_id", lambda p, a, bad: p.unlink_channel(bad, Channel.WEBCHAT, "ada")),
    "update_field": ("profile_id", lambda p, a, bad: p.update_field(bad, a_field(a, 1))),
    "link_channel": ("profile_id", lambda p, a, bad: p.link_channel(bad, a_link(a, "x"))),
    "add_asset": ("profile_id", lambda p, a, bad: p.add_asset(bad, an_asset(a))),
    "delete_asset": ("asset_id", lambda p, a, bad: p.delete_asset(bad)),
    "the source": ("source_id", lambda p, a, bad: p.merge_profiles(bad, a.id)),
    "the target": ("target_id", lambda p, a, bad: p.merge_profiles(a.id, bad)),
}
BAD_TEXTS: Final = [f"{SECRET}\x00", f"{SECRET}\ud800", 5, b"hunter2", [SECRET]]
BY_TEXT: Final[
    dict[str, tuple[str, Callable[[ProfileStore, CustomerProfile, Any], Coroutine[Any, Any, object]]]]
] = {
    "get_by_customer_id": ("customer_id", lambda p, a, bad: p.get_by_customer_id(bad)),
    "get_or_create": ("customer_id", lambda p, a, bad: p.get_or_create(Channel.API, "x", bad)),
    "a user": ("channel_user_id", lambda p, a, bad: p.get_or_create(Channel.API, bad)),
    "get_by_channel_identity": (
        "channel_user_id",
        lambda p, a, bad: p.get_by_channel_identity(Channel.WEBCHAT, bad),
    ),
    "unlink_channel": ("channel_user_id", lambda p, a, bad: p.unlink_channel(a.id, Channel.WEBCHAT, bad)),
    "a channel": ("channel", lambda p, a, bad: p.get_or_create(bad, "x")),
    "a known channel": ("channel", lambda p, a, bad: p.get_by_channel_identity(bad, "ada")),
    "a linked channel": ("channel", lambda p, a, bad: p.unlink_channel(a.id, bad, "ada")),
    "a name": ("name", lambda p, a, bad: p.get_field_history(a.id, bad)),
    "a name of many": ("names", lambda p, a, bad: p.get_fields(a.id, ["city", bad])),
}


class ProfileRefusalsContract(ProfileSuite):
    """``InvalidDataError``, whatever it is that can't be kept."""

    @pytest.mark.parametrize("name", BAD_DATA)
    async def test_bad_data_is_named_and_not_shown(
        self, profiles: ProfileStore, ada: CustomerProfile, name: str
    ) -> None:
        """Nor stored."""
        field, call = BAD_DATA[name]
        await self._refused(call(profiles, ada), field)
        assert ada == await profiles.get_by_id(ada.id)
        assert ({}, []) == (await profiles.get_fields(ada.id), await profiles.list_assets(ada.id))
        assert 1 == len(await profiles.list_channels(ada.id))

    @pytest.mark.parametrize("name", NO_ENTITIES)
    async def test_what_is_no_entity_is_refused(
        self, profiles: ProfileStore, ada: CustomerProfile, name: str
    ) -> None:
        """As is one of another kind."""
        await self._refused(NO_ENTITIES[name](profiles, ada), "entity")
        assert ada == await profiles.get_by_id(ada.id)

    @pytest.mark.parametrize("bad", NO_ID, ids=lambda bad: type(bad).__name__)
    @pytest.mark.parametrize("name", BY_ID)
    async def test_what_is_no_id_is_refused(
        self, profiles: ProfileStore, ada: CustomerProfile, name: str, bad: object
    ) -> None:
        """Its text neither, and None."""
        field, call = BY_ID[name]
        await self._refused(call(profiles, ada, bad), field)
        assert ada == await profiles.get_by_channel_identity(Channel.WEBCHAT, "ada")

    @pytest.mark.parametrize("bad", BAD_TEXTS, ids=ascii)
    @pytest.mark.parametrize("name", BY_TEXT)
    async def test_what_is_no_text_is_refused(
        self, profiles: ProfileStore, ada: CustomerProfile, name: str, bad: object
    ) -> None:
        """Before anything is read or written."""
        field, call = BY_TEXT[name]
        await self._refused(call(profiles, ada, bad), field)
        assert ada == await profiles.get_by_channel_identity(Channel.WEBCHAT, "ada")

    @pytest.mark.parametrize("names", [SECRET, b"hunter2", 5])
    async def test_names_are_a_collection(
        self, profiles: ProfileStore, ada: CustomerProfile, names: Any
    ) -> None:
        """One text is a collection too, of letters, and not meant."""
        await self._refused(profiles.get_fields(ada.id, names), "names")

    async def test_a_text_that_no_name_can_be_finds_nothing(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """However long."""
        for text in ("", "x" * 10_000_000):
            assert await profiles.get_by_customer_id(text) is None
            assert await profiles.get_by_channel_identity(Channel.WEBCHAT, text) is None
            assert not await profiles.unlink_channel(ada.id, Channel.WEBCHAT, text)
            assert [] == await profiles.get_field_history(ada.id, text)
            assert {} == await profiles.get_fields(ada.id, [text])

    async def test_a_conflict_does_not_tell_what_is_stored(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """A driver's own message might quote the row."""
        bob = await profiles.get_or_create(Channel.API, SECRET, f"{SECRET} 1")
        for call in (
            profiles.get_or_create(Channel.API, SECRET, f"{SECRET} 2"),
            profiles.get_or_create(Channel.WEBCHAT, "ada", f"{SECRET} 1"),
            profiles.save(CustomerProfile(customer_id=f"{SECRET} 1")),
            profiles.link_channel(ada.id, a_link(ada, SECRET, channel=Channel.API)),
            profiles.merge_profiles(bob.id, bob.id),
        ):
            with pytest.raises(ConflictError) as caught:
                await call
            assert SECRET not in all_told(caught.value)

    async def _refused(self, call: Coroutine[Any, Any, object], field: str) -> None:
        with pytest.raises(InvalidDataError) as caught:
            await call
        assert field == caught.value.field
        assert "hunter2" not in all_told(caught.value)
