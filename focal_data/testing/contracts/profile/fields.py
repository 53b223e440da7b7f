"""What is known of a customer: one current value of each name, and its history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from focal_data.domain.profile import CustomerProfile, FieldSource
from focal_data.errors import DuplicateError, InvalidDataError, NotFoundError
from focal_data.stores.profile import ProfileStore
from focal_data.testing.contracts.profile.base import (
    FAR_OFF,
    LONG_AGO,
    NOON,
    STORES_OWN,
    ProfileSuite,
    a_field,
)

TICK = timedelta(microseconds=1)


class FieldsContract(ProfileSuite):
    """``update_field``, ``get_fields`` and ``get_field_history``."""

    async def test_a_field_comes_back_with_everything_known_of_it(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """What update_field returns is what is read."""
        field = a_field(
            ada,
            {"street": "Ådgatan", "numbers": [1, None, 2.5, {"x": True}]},
            source=FieldSource.DOCUMENT_EXTRACTED,
            source_session_id=uuid4(),
            source_scenario_id=uuid4(),
            source_step_id=uuid4(),
            verified=True,
            verification_method="post",
            verified_at=NOON,
            verified_by="eve",
            confidence=0.25,
            requires_confirmation=True,
            collected_at=NOON,
            expires_at=FAR_OFF,
            valid_from=NOON - timedelta(days=1),
            created_at=LONG_AGO,
        )
        stored = await profiles.update_field(ada.id, field)
        assert {"city": stored} == await profiles.get_fields(ada.id)
        assert [stored] == await profiles.get_field_history(ada.id, "city")
        assert field.model_dump(exclude=STORES_OWN) == stored.model_dump(exclude=STORES_OWN)
        assert (1, ada.tenant_id) == (stored.revision, stored.tenant_id)
        assert stored.created_at is not None
        assert NOON < stored.created_at == stored.updated_at

    @pytest.mark.parametrize(
        "value",
        [
            None,
            False,
            0,
            -(2**63),
            2**63 - 1,
            2.5,
            1e19,
            1e308,
            -0.0,
            1.0,
            "",
            "é\u0301 🦊",
            [],
            {},
            {"": [[]]},
        ],
    )
    async def test_a_value_is_kept_whatever_it_is(
        self, profiles: ProfileStore, ada: CustomerProfile, value: object
    ) -> None:
        """Null too, which is a value; a float stays a float."""
        stored = await profiles.update_field(ada.id, a_field(ada, value))
        found = (await profiles.get_fields(ada.id))["city"]
        assert stored == found
        assert (value, type(value)) == (found.value, type(found.value))

    async def test_a_value_of_ten_megabytes_is_kept(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """Nothing is cut off."""
        await profiles.update_field(ada.id, a_field(ada, "å" * 5_000_000))
        assert "å" * 5_000_000 == (await profiles.get_fields(ada.id))["city"].value

    async def test_a_value_that_a_caller_changes_is_not_the_stored_one(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """Inside of a value, before and after."""
        given = a_field(ada, {"list": [1]})
        stored = await profiles.update_field(ada.id, given)
        read = await profiles.get_fields(ada.id)
        past = await profiles.get_field_history(ada.id, "city")
        for field in (given, stored, read["city"], past[0]):
            assert isinstance(field.value, dict)
            field.value["list"] = "changed"
        assert {"list": [1]} == (await profiles.get_fields(ada.id))["city"].value

    async def test_a_field_has_one_current_value_and_its_history(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """The old value ends where the new one begins, and has its next revision."""
        old = await profiles.update_field(ada.id, a_field(ada, "Rome"))
        new = await profiles.update_field(ada.id, a_field(ada, "Bonn"))
        assert {"city": new} == await profiles.get_fields(ada.id)
        history = await profiles.get_field_history(ada.id, "city")
        assert [new.id, old.id] == [field.id for field in history]
        ended = old.evolve(valid_to=new.valid_from, revision=2, updated_at=history[1].updated_at)
        assert [new, ended] == history
        assert (None, 1) == (new.valid_to, new.revision)

    async def test_a_value_from_the_past_begins_right_after_the_current_one(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """So that periods never overlap, nor are empty."""
        old = await profiles.update_field(ada.id, a_field(ada, "Rome", valid_from=NOON))
        new = await profiles.update_field(ada.id, a_field(ada, "Bonn", valid_from=LONG_AGO))
        same = await profiles.update_field(ada.id, a_field(ada, "Oslo", valid_from=new.valid_from))
        assert [NOON, NOON + TICK, NOON + 2 * TICK] == [f.valid_from for f in (old, new, same)]
        history = await profiles.get_field_history(ada.id, "city")
        assert [None, same.valid_from, new.valid_from] == [field.valid_to for field in history]

    async def test_a_value_from_the_future_is_current_at_once(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """The current value is the one without an end, wherever it begins."""
        await profiles.update_field(ada.id, a_field(ada, "Rome"))
        ahead = await profiles.update_field(ada.id, a_field(ada, "Bonn", valid_from=FAR_OFF))
        assert {"city": ahead} == await profiles.get_fields(ada.id)
        now = await profiles.update_field(ada.id, a_field(ada, "Oslo"))
        assert FAR_OFF + TICK == now.valid_from
        assert {"city": now} == await profiles.get_fields(ada.id)

    async def test_a_value_may_begin_until_the_last_day(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """Which is refused: what begins right after must have a time as well."""
        last_day = datetime(9999, 12, 31, tzinfo=UTC)
        late = await profiles.update_field(ada.id, a_field(ada, "Rome", valid_from=last_day - TICK))
        later = await profiles.update_field(ada.id, a_field(ada, "Bonn"))
        for begin in (last_day, datetime.max.replace(tzinfo=UTC) - TICK):
            with pytest.raises(InvalidDataError) as caught:
                await profiles.update_field(ada.id, a_field(ada, "Oslo", valid_from=begin))
            assert "valid_from" == caught.value.field
        assert last_day == later.valid_from
        assert [later.id, late.id] == [f.id for f in await profiles.get_field_history(ada.id, "city")]

    async def test_what_has_expired_is_not_read(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """In the history it stays; what it replaced does not come back; a new value is read again."""
        await profiles.update_field(ada.id, a_field(ada, "Rome"))
        expired = await profiles.update_field(ada.id, a_field(ada, "Bonn", expires_at=NOON))
        kept = await profiles.update_field(ada.id, a_field(ada, 7, name="age", expires_at=FAR_OFF))
        assert {"age": kept} == await profiles.get_fields(ada.id)
        assert {} == await profiles.get_fields(ada.id, ["city"])
        history = await profiles.get_field_history(ada.id, "city")
        assert expired == history[0]
        renewed = await profiles.update_field(ada.id, a_field(ada, "Oslo"))
        assert {"city": renewed} == await profiles.get_fields(ada.id, ["city"])
        assert 3 == len(await profiles.get_field_history(ada.id, "city"))

    async def test_fields_can_be_chosen_by_name(self, profiles: ProfileStore, ada: CustomerProfile) -> None:
        """However they are collected; an empty choice is none, an unknown name is nothing."""
        for name in ("city", "first_name", "Å 🦊"):
            await profiles.update_field(ada.id, a_field(ada, name, name=name))
        for names in (["city", "unknown", "city"], ("city",), {"city"}, frozenset({"city"}), {"city": 1}):
            assert {"city"} == (await profiles.get_fields(ada.id, names)).keys()
        assert {} == await profiles.get_fields(ada.id, [])
        found = await profiles.get_fields(ada.id)
        assert ["city", "first_name", "Å 🦊"] == sorted(found)
        assert [*found] == [field.name for field in found.values()]

    async def test_names_have_histories_of_their_own(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """For each profile."""
        mine = await profiles.update_field(ada.id, a_field(ada, 1))
        named = await profiles.update_field(ada.id, a_field(ada, 2, name="City"))
        theirs = await profiles.update_field(bob.id, a_field(bob, 3))
        assert {"city": mine, "City": named} == await profiles.get_fields(ada.id)
        assert [[mine], [named], [theirs]] == [
            await profiles.get_field_history(ada.id, "city"),
            await profiles.get_field_history(ada.id, "City"),
            await profiles.get_field_history(bob.id, "city"),
        ]
        assert [] == await profiles.get_field_history(ada.id, "unknown")

    async def test_a_value_stored_once_is_not_stored_again(
        self, profiles: ProfileStore, ada: CustomerProfile
    ) -> None:
        """And leaves the one that it would have ended."""
        stored = await profiles.update_field(ada.id, a_field(ada, "Rome"))
        with pytest.raises(InvalidDataError) as revised:
            await profiles.update_field(ada.id, stored)
        assert "revision" == revised.value.field
        for again in (stored.evolve(revision=0), stored.evolve(revision=0, name="other")):
            with pytest.raises(DuplicateError) as caught:
                await profiles.update_field(ada.id, again)
            assert ("id",) == caught.value.fields
        with pytest.raises(InvalidDataError) as ended:
            await profiles.update_field(ada.id, a_field(ada, "x", valid_to=FAR_OFF))
        assert "valid_to" == ended.value.field
        assert {"city": stored} == await profiles.get_fields(ada.id)
        assert [stored] == await profiles.get_field_history(ada.id, "city")

    async def test_a_field_of_nobody_is_refused(
        self, profiles: ProfileStore, ada: CustomerProfile, bob: CustomerProfile
    ) -> None:
        """As is one that names another profile than the call."""
        nobody = CustomerProfile()
        for field in (a_field(nobody, 1), a_field(ada, 1)):
            with pytest.raises(NotFoundError) as caught:
                await profiles.update_field(nobody.id, field)
            assert "CustomerProfile" == caught.value.entity
        for other in (bob, nobody):
            with pytest.raises(InvalidDataError) as named:
                await profiles.update_field(ada.id, a_field(other, "Rome"))
            assert "profile_id" == named.value.field
        assert {} == await profiles.get_fields(nobody.id)
        assert [] == await profiles.get_field_history(nobody.id, "city")
        assert {} == await profiles.get_fields(ada.id)
