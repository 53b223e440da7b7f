"""One thing of each kind that tenant A keeps, and the same things as tenant B would like to slip them in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from focal_data.data_layer import DataLayer, Tenant
from focal_data.domain import audit, config, ideation, memory, profile, session
from focal_data.domain.base import ValueObject
from focal_data.domain.embedding import Embedding
from focal_data.ids import new_id
from focal_data.stores.ideation import IdeationStores

SECRET = "the-other-tenants-secret"
"""In every text that tenant A keeps, and nowhere else."""

QUERY = Embedding([1.0, 2.0, 3.0], model="test")
THEN = datetime(2026, 1, 1, tzinfo=UTC)

_IDS = (
    *(
        "agent",
        "deleted_agent",
        "rule",
        "deleted_rule",
        "scenario",
        "step",
        "template",
        "variable",
        "tool",
        "plan",
    ),
    *("archive", "episode", "entity", "other_entity", "relationship", "turn", "event", "session"),
    *("deleted_scenario", "deleted_template", "deleted_variable"),
    *("idle_agent", "idle_entity", "idle_customerprofile"),  # which nothing else names
    *("profile", "other_profile", "merged_profile", "identity", "field", "asset"),
    *("ideation", "ideation_user", "message", "requirement", "draft", "story"),
)


@dataclass(frozen=True)
class World:
    """What tenant A has. Names from outside are the world's own too, so that several worlds don't meet."""

    tenant: Tenant
    ids: dict[str, UUID] = field(default_factory=lambda: {name: new_id() for name in _IDS})
    outside: str = field(default_factory=lambda: f"outside-{uuid4()}")
    deleted_at: datetime | None = None
    """When its deleted agent went, with the parts it had."""

    def kept(self, mark: str, *, number: int = 1) -> dict[type[ValueObject], Any]:
        """One thing of each kind, with ``mark`` in its texts: revision 0, and no tenant yet.

        Where something must be unique, things of another ``number`` differ.
        """
        ids, agent = self.ids, self.ids["agent"]
        outside = self.outside if number == 1 else f"{self.outside}-{number}"
        steps = [config.ScenarioStep(id=ids["step"], name=mark)]
        scenario = config.Scenario(
            id=ids["scenario"],
            agent_id=agent,
            name=mark,
            entry_step_id=ids["step"],
            steps=steps,
            embedding=QUERY,
        )
        things: list[ValueObject] = [
            config.Agent(id=agent, name=mark),
            config.Rule(
                id=ids["rule"],
                agent_id=agent,
                name=mark,
                condition_text=mark,
                action_text=mark,
                scope=config.Scope.SCENARIO,
                scope_id=ids["scenario"],
                embedding=QUERY,
            ),
            scenario,
            config.ScenarioArchive(
                id=ids["archive"],
                scenario_id=scenario.id,
                version=number,
                scenario=scenario.evolve(version=number),
            ),
            config.Template(id=ids["template"], agent_id=agent, name=mark, text=mark),
            config.Variable(id=ids["variable"], agent_id=agent, name=f"order_{number}", description=mark),
            config.ToolActivation(
                id=ids["tool"], agent_id=agent, tool_id=outside, policy_override={"a": mark}
            ),
            config.MigrationPlan(
                id=ids["plan"],
                scenario_id=scenario.id,
                from_version=number,
                to_version=number + 1,
                scenario_checksum_v1=mark,
                scenario_checksum_v2=mark,
            ),
            memory.Episode(
                id=ids["episode"],
                agent_id=agent,
                customer_profile_id=ids["profile"],
                session_id=ids["session"],
                group_id=self.outside,
                content=f"{mark} {SECRET_WORD}",
                embedding=QUERY,
                occurred_at=THEN,
            ),
            memory.Entity(
                id=ids["entity"],
                agent_id=agent,
                customer_profile_id=ids["profile"],
                name=mark,
                entity_type="dog",
                group_id=self.outside,
                valid_from=THEN,
                embedding=QUERY,
            ),
            memory.Relationship(
                id=ids["relationship"],
                from_entity_id=ids["entity"],
                to_entity_id=ids["other_entity"],
                relation_type="owns",
                attributes={"a": mark},
                group_id=self.outside,
                valid_from=THEN + timedelta(days=number - 1),
            ),
            audit.TurnRecord(
                id=ids["turn"],
                session_id=ids["session"],
                agent_id=agent,
                turn_number=number,
                user_message=mark,
            ),
            audit.AuditEvent(
                id=ids["event"], session_id=ids["session"], event_type="login", event_data={"a": mark}
            ),
            profile.CustomerProfile(
                id=ids["profile"],
                customer_id=outside,
                consents=[profile.Consent(consent_type=mark, granted=True)],
            ),
            profile.ChannelIdentity(
                id=ids["identity"],
                profile_id=ids["profile"],
                channel=profile.Channel.EMAIL,
                channel_user_id=outside,
            ),
            profile.ProfileField(
                id=ids["field"], profile_id=ids["profile"], name=f"name_{number}", value=mark
            ),
            profile.ProfileAsset(
                id=ids["asset"],
                profile_id=ids["profile"],
                name=mark,
                asset_type="image",
                storage_provider="s3",
                storage_path=mark,
                mime_type="image/png",
                size_bytes=1,
                checksum="c",
            ),
            session.Session(
                session_id=ids["session"],
                agent_id=agent,
                channel=profile.Channel.EMAIL,
                channel_user_id=self.outside,
                customer_profile_id=ids["profile"],
                active_scenario_id=ids["scenario"],
                active_scenario_version=1,
                variables={"a": mark},
                step_history=[
                    session.StepVisit(
                        step_id=ids["step"], entered_at=THEN, turn_number=1, step_content_hash="hash"
                    )
                ],
            ),
        ]
        return {type(thing): thing for thing in (*things, *self._studio(mark))}

    def text_id(self, name: str) -> str:
        """An id that is text."""
        return str(self.ids[name])

    def _studio(self, mark: str) -> list[ValueObject]:
        """The ideation studio's."""
        part = {"session_id": self.text_id("ideation")}
        wish = {"title": mark, "as_a": mark, "i_want": mark, "so_that": mark}
        return [
            ideation.IdeationSession(
                id=part["session_id"], project_name=mark, user_id=self.text_id("ideation_user")
            ),
            ideation.ChatMessage(
                id=self.text_id("message"), role=ideation.MessageRole.USER, content=mark, **part
            ),
            ideation.ExtractedRequirement(id=self.text_id("requirement"), description=mark, **part),
            ideation.MaturityState(level=mark, **part),
            ideation.PRDDraft(id=self.text_id("draft"), title=mark, **part),
            ideation.UserStory(id=self.text_id("story"), **wish, **part),
        ]


SECRET_WORD = "biscuit"
"""A word to search for."""


async def populated(data: DataLayer) -> World:
    """A world, kept by a tenant of its own."""
    world = World(data.tenant(uuid4()))
    things, tenant, ids = world.kept(SECRET), world.tenant, world.ids
    await _configured(tenant, things, ids)
    for name in ("rule", "scenario", "template", "variable"):
        await _deleted(tenant, name, things, ids)
    deleted_at = await _deleted_agent(tenant, things, ids)
    await _known(tenant, things, ids)
    await _remembered(tenant, things, ids)
    await tenant.audit.save_turn(things[audit.TurnRecord])
    await tenant.audit.save_event(things[audit.AuditEvent])
    await tenant.sessions.save(things[session.Session])
    return replace(world, deleted_at=deleted_at)


async def _configured(tenant: Tenant, things: dict[type, Any], ids: dict[str, UUID]) -> None:
    store = tenant.config
    await store.save_agent(things[config.Agent])
    await store.save_agent(config.Agent(id=ids["idle_agent"], name=f"{SECRET} idle"))
    await store.save_rule(things[config.Rule])
    await store.save_scenario(things[config.Scenario])
    ids["archive"] = (await store.archive_scenario_version(things[config.Scenario])).id
    await store.save_template(things[config.Template])
    await store.save_variable(things[config.Variable])
    await store.save_tool_activation(things[config.ToolActivation])
    await store.save_migration_plan(things[config.MigrationPlan])


PARTS = {
    "rule": config.Rule,
    "scenario": config.Scenario,
    "template": config.Template,
    "variable": config.Variable,
}


async def _deleted(tenant: Tenant, name: str, things: dict[type, Any], ids: dict[str, UUID]) -> None:
    thing = things[PARTS[name]].evolve(id=ids[f"deleted_{name}"])
    named = thing.evolve(name="gone") if name == "variable" else thing
    await getattr(tenant.config, f"save_{name}")(named)
    await getattr(tenant.config, f"delete_{name}")(named.id)


async def _deleted_agent(tenant: Tenant, things: dict[type, Any], ids: dict[str, UUID]) -> datetime | None:
    """The parts that the agent had went with it."""
    store = tenant.config
    agent = await store.save_agent(config.Agent(id=ids["deleted_agent"], name=f"{SECRET} gone"))
    for name, kind in PARTS.items():
        await getattr(store, f"save_{name}")(things[kind].evolve(id=new_id(), agent_id=agent.id))
    await store.delete_agent(agent.id)
    gone = await store.get_agent(agent.id, include_deleted=True)
    assert gone is not None
    return gone.deleted_at


async def _known(tenant: Tenant, things: dict[type, Any], ids: dict[str, UUID]) -> None:
    store = tenant.profiles
    await store.save(things[profile.CustomerProfile])
    for name in ("other_profile", "merged_profile", "idle_customerprofile"):
        await store.save(profile.CustomerProfile(id=ids[name]))
    await store.link_channel(ids["profile"], things[profile.ChannelIdentity])
    await store.update_field(ids["profile"], things[profile.ProfileField])
    await store.add_asset(ids["profile"], things[profile.ProfileAsset])
    await store.merge_profiles(ids["merged_profile"], ids["profile"])


async def _remembered(tenant: Tenant, things: dict[type, Any], ids: dict[str, UUID]) -> None:
    store = tenant.memory
    await store.add_episode(things[memory.Episode])
    entity = await store.add_entity(things[memory.Entity])
    for name in ("other_entity", "idle_entity"):
        await store.add_entity(things[memory.Entity].evolve(id=ids[name]))
    await store.update_entity(entity.evolve(attributes={"a": SECRET}))  # so that there is a history
    await store.add_relationship(things[memory.Relationship])


async def ideated(stores: IdeationStores, world: World) -> None:
    """Keep what the studio has in ``stores``, of the world's tenant."""
    things = world.kept(SECRET)
    await stores.sessions.create(things[ideation.IdeationSession])
    await stores.messages.create(things[ideation.ChatMessage])
    await stores.requirements.create(things[ideation.ExtractedRequirement])
    await stores.maturity.save(things[ideation.MaturityState])
    await stores.prd.save_draft(things[ideation.PRDDraft])
    await stores.prd.save_user_stories(world.text_id("ideation"), [things[ideation.UserStory]])
