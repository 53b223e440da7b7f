"""What a config store refuses: with the field's name, never with its value, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from focal_data.errors import InvalidDataError, StaleRevisionError
from focal_data.ids import new_id
from focal_data.stores.config import ConfigStore
from focal_data.testing.contracts.config.base import ConfigContract
from focal_data.testing.contracts.config.kinds import (
    AGENT,
    ALL,
    LONG_AGO,
    RULE,
    Kind,
    a_rule,
    a_tool,
    an_agent,
    each,
)


class RefusalContract(ConfigContract):
    """Bad data, for every kind."""

    @each(ALL)
    async def test_what_is_no_entity_of_the_kind_is_refused(self, config: ConfigStore, kind: Kind) -> None:
        """``None``, a mapping, a text, or another kind's."""
        another = an_agent() if kind is not AGENT else a_rule(new_id())
        refused: list[Any] = [None, {}, "s3cr3t", new_id(), another, kind.domain]
        for wrong in refused:
            with pytest.raises(InvalidDataError) as caught:
                await kind.save(config, wrong)
            assert "entity" == caught.value.field
            assert "s3cr3t" not in str(caught.value)

    @each(ALL)
    async def test_text_of_ten_megabytes_is_kept(self, config: ConfigStore, kind: Kind) -> None:
        """Where there is no limit to a text; a limited one that was changed past validation is refused."""
        stored, long = await kind.stored(config), "é" * 5_000_000
        bloated = stored.model_copy(update={kind.text: long})
        if "max_length" in repr(kind.domain.model_fields[kind.text]):
            with pytest.raises(InvalidDataError) as caught:
                await kind.save(config, bloated)
            assert kind.text == caught.value.field
        else:
            await kind.save(config, bloated)
            assert long == getattr(await kind.get(config, stored), kind.text)

    @each(ALL)
    @pytest.mark.parametrize("bad", ["s3cr3t\0", "s3cr3t\ud800", 5, ["s3cr3t"]], ids=ascii)
    async def test_text_changed_past_validation_is_refused(
        self, config: ConfigStore, kind: Kind, bad: Any
    ) -> None:
        """The error names the field, never the value; nothing is written."""
        stored = await kind.stored(config)
        for spoilt in (
            stored.model_copy(update={kind.text: bad}),
            stored.model_copy(update={kind.text: bad, "id": new_id(), "revision": 0}),
        ):
            with pytest.raises(InvalidDataError) as caught:
                await kind.save(config, spoilt)
            assert kind.text == caught.value.field
            assert "s3cr3t" not in str(caught.value)
        assert stored == await kind.get(config, stored)
        assert [stored.id] == [e.id for e in await kind.listed(config, stored) if e.id == stored.id]

    @each(ALL)
    @pytest.mark.parametrize(
        "change",
        [
            {"id": "s3cr3t"},
            {"id": None},
            {"tenant_id": "s3cr3t"},
            {"revision": -1},
            {"revision": "s3cr3t"},
            {"revision": None},
            {"revision": 2**31},
        ],
        ids=repr,
    )
    async def test_a_key_or_revision_changed_past_validation_is_refused(
        self, config: ConfigStore, kind: Kind, change: dict[str, Any]
    ) -> None:
        """As any other field."""
        stored = await kind.stored(config)
        with pytest.raises(InvalidDataError) as caught:
            await kind.save(config, stored.model_copy(update=change))
        assert [*change] == [caught.value.field]
        assert "s3cr3t" not in str(caught.value)
        assert stored == await kind.get(config, stored)

    @pytest.mark.parametrize(
        "bad", [float("nan"), float("inf"), 2**63, "s3cr3t\0", {1: 1}, {"s3cr3t"}], ids=ascii
    )
    async def test_json_that_not_every_backend_keeps_is_refused(self, config: ConfigStore, bad: Any) -> None:
        """Also when it was put into a document of an entity after its validation."""
        rule = await RULE.stored(config)
        rule.action_config["x"] = [bad]
        with pytest.raises(InvalidDataError) as caught:
            await config.save_rule(rule)
        assert "action_config" == caught.value.field
        assert "s3cr3t" not in str(caught.value)
        assert 1 == (await RULE.get(config, rule)).revision

    async def test_a_naive_time_changed_past_validation_is_refused(self, config: ConfigStore) -> None:
        """Times are in UTC."""
        naive = LONG_AGO.replace(tzinfo=None)
        agent = await config.save_agent(an_agent())
        with pytest.raises(InvalidDataError) as caught:
            await config.save_tool_activation(a_tool(agent.id).model_copy(update={"enabled_at": naive}))
        assert "enabled_at" == caught.value.field

    @each(ALL)
    async def test_the_last_revision_there_can_be_is_stale(self, config: ConfigStore, kind: Kind) -> None:
        """It is a number as any other."""
        stored = await kind.stored(config)
        with pytest.raises(StaleRevisionError) as stale:
            await kind.save(config, stored.model_copy(update={"revision": 2**31 - 1}))
        assert stored.revision == stale.value.current_revision

    @pytest.mark.parametrize("flag", [None, 1, "yes", [True]], ids=repr)
    async def test_only_true_or_false_is_a_flag(self, config: ConfigStore, flag: Any) -> None:
        """By its name."""
        anything = new_id()
        for name, calls in {
            "include_deleted": (
                config.get_agent(anything, include_deleted=flag),
                config.get_agents(include_deleted=flag),
                config.get_rule(anything, include_deleted=flag),
                config.get_rules(anything, include_deleted=flag),
                config.get_scenario(anything, include_deleted=flag),
                config.get_scenarios(anything, include_deleted=flag),
                config.get_template(anything, include_deleted=flag),
                config.get_templates(anything, include_deleted=flag),
                config.get_variable(anything, include_deleted=flag),
                config.get_variable_by_name(anything, "name", include_deleted=flag),
                config.get_variables(anything, include_deleted=flag),
            ),
            "enabled_only": (
                config.get_agents(flag),
                config.get_rules(anything, enabled_only=flag),
                config.get_scenarios(anything, flag),
                config.get_tool_activations(anything, flag),
            ),
        }.items():
            for call in calls:
                with pytest.raises(InvalidDataError, match=f"^{name}: "):
                    await call
