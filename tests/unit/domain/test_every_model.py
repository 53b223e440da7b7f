"""What holds for every model of the domain, tried on one sample of each, field by field."""

from __future__ import annotations

import inspect
import math
from datetime import UTC, datetime
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import pytest
from pydantic import AwareDatetime, ValidationError

from focal_data.domain import audit, config, filters, ideation, memory, profile, session
from focal_data.domain.base import MAX_JSON_DEPTH, PlainValue, ValueObject
from focal_data.domain.embedding import Embedding
from focal_data.ids import new_id

MODULES = [config, memory, audit, profile, session, ideation, filters]
ID = new_id()
AWARE = datetime(2999, 1, 1, tzinfo=UTC)
STEP = config.ScenarioStep(id=ID, name="Ask")
SCENARIO = config.Scenario(agent_id=ID, name="Returns", entry_step_id=ID, steps=[STEP], tags=["a"])
SESSION = session.Session(agent_id=ID, channel=profile.Channel.WEBCHAT, channel_user_id="u")

SAMPLES: list[ValueObject] = [
    config.AgentSettings(),
    config.Agent(name="Ada"),
    config.Rule(agent_id=ID, name="Greet", condition_text="hello", action_text="greet"),
    config.StepTransition(to_step_id=ID, condition_text="yes"),
    STEP,
    SCENARIO,
    config.ScenarioArchive(scenario_id=SCENARIO.id, version=1, scenario=SCENARIO),
    config.Template(agent_id=ID, name="Bye", text="Good bye"),
    config.Variable(agent_id=ID, name="order"),
    config.ToolActivation(agent_id=ID, tool_id="search"),
    config.NodeChanges(),
    config.AnchorTransformation(
        anchor_content_hash="h",
        anchor_name="Ask",
        anchor_node_id_v1=ID,
        anchor_node_id_v2=ID,
        migration_scenario=config.MigrationScenario.CLEAN_GRAFT,
    ),
    config.TransformationMap(),
    config.ScopeFilter(),
    config.AnchorMigrationPolicy(anchor_content_hash="h", anchor_name="Ask"),
    config.MigrationSummary(counts={"sessions": 1}),
    config.MigrationPlan(
        scenario_id=ID, from_version=1, to_version=2, scenario_checksum_v1="a", scenario_checksum_v2="b"
    ),
    memory.Episode(agent_id=ID, content="Hello"),
    memory.Entity(agent_id=ID, name="Biscuit", entity_type="dog"),
    memory.Relationship(from_entity_id=ID, to_entity_id=ID, relation_type="owns"),
    audit.ToolCall(tool_id="search", tool_name="Search", success=True, latency_ms=1),
    audit.TurnRecord(session_id=ID, agent_id=ID, turn_number=1, user_message="Hello"),
    audit.AuditEvent(event_type="login"),
    profile.Consent(consent_type="mail", granted=True),
    profile.CustomerProfile(),
    profile.ChannelIdentity(profile_id=ID, channel=profile.Channel.EMAIL, channel_user_id="u"),
    profile.ProfileField(profile_id=ID, name="city", value="Albany"),
    profile.ProfileAsset(
        profile_id=ID,
        name="id.png",
        asset_type="id",
        storage_provider="s3",
        storage_path="a/b",
        mime_type="image/png",
        size_bytes=1,
        checksum="c",
    ),
    session.StepVisit(step_id=ID, entered_at=AWARE, turn_number=0),
    session.PendingMigration(
        target_version=2, anchor_content_hash="h", migration_plan_id=ID, marked_at=AWARE
    ),
    SESSION,
    ideation.IdeationSession(project_name="Shop", user_id="u"),
    ideation.ChatMessage(session_id="s", role=ideation.MessageRole.USER, content="Hello"),
    ideation.ExtractedRequirement(session_id="s", description="It sells."),
    ideation.MaturityCategory(id="c", name="Scope"),
    ideation.MaturityState(session_id="s", level="concept"),
    ideation.PRDSection(heading="Goals", content="Sell", order=1),
    ideation.PRDDraft(session_id="s", title="Shop"),
    ideation.UserStory(session_id="s", title="Buy", as_a="customer", i_want="to buy", so_that="I have it"),
    filters.RuleFilter(),
    filters.ScenarioFilter(),
    filters.EpisodeFilter(),
    filters.EntityFilter(),
    filters.RelationshipFilter(),
]

SECRET = "swordfish"
every_model = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: type(sample).__name__)


def accepts(sample: ValueObject, **changes: Any) -> bool:
    try:
        sample.evolve(**changes)
    except ValidationError:
        return False
    return True


def accepting(value: Any) -> list[Any]:
    """Each sample with each of its fields that takes ``value``."""
    return [
        pytest.param(sample, field, id=f"{type(sample).__name__}.{field}")
        for sample in SAMPLES
        for field in type(sample).model_fields
        if accepts(sample, **{field: value})
    ]


takes_text = pytest.mark.parametrize(("sample", "field"), accepting("x"))
takes_texts = pytest.mark.parametrize(("sample", "field"), accepting(["x"]))
takes_time = pytest.mark.parametrize(("sample", "field"), accepting(AWARE))
takes_json = pytest.mark.parametrize(("sample", "field"), accepting({"x": None}))


def test_every_model_of_the_domain_has_a_sample() -> None:
    """A model that is added without a sample here fails."""
    models = {
        model.__name__
        for module in MODULES
        for _, model in inspect.getmembers(module, inspect.isclass)
        if issubclass(model, ValueObject)
        and model.__module__ == module.__name__
        and not model.__name__.startswith("_")
    }
    assert sorted(models) == sorted(type(sample).__name__ for sample in SAMPLES)


@every_model
def test_is_frozen(sample: ValueObject) -> None:
    """A field can't be assigned."""
    with pytest.raises(ValidationError):
        setattr(sample, next(iter(type(sample).model_fields)), None)


@every_model
def test_refuses_unknown_fields(sample: ValueObject) -> None:
    """A field that the model does not have is refused, when made and when evolved."""
    with pytest.raises(ValidationError):
        sample.evolve(surprise=1)


@every_model
def test_comes_back_from_json(sample: ValueObject) -> None:
    """What was written as JSON is read as the same."""
    assert sample == type(sample).model_validate_json(sample.model_dump_json())


@every_model
@pytest.mark.parametrize("bad", [SECRET + "\x00", {"x": [SECRET, object()]}], ids=["text", "object"])
def test_errors_do_not_show_the_input(sample: ValueObject, bad: object) -> None:
    """The text of an error names fields and paths, and holds no value, whichever field was wrong."""
    for field in type(sample).model_fields:
        with pytest.raises(ValidationError) as caught:
            sample.evolve(**{field: bad, "surprise": SECRET})
        assert SECRET not in str(caught.value) + repr(caught.value)


@takes_text
@pytest.mark.parametrize("bad", ["\x00", "a\x00b", "\ud800", "a\udfff"], ids=ascii)
def test_text_has_no_nul_and_no_lone_surrogate(sample: ValueObject, field: str, bad: str) -> None:
    """Text that PostgreSQL or UTF-8 can't hold is refused."""
    assert not accepts(sample, **{field: bad})


@takes_texts
@pytest.mark.parametrize("bad", ["\x00", "\ud800"], ids=ascii)
def test_text_in_lists_is_checked_too(sample: ValueObject, field: str, bad: str) -> None:
    """One bad text makes a list bad."""
    assert not accepts(sample, **{field: ["x", bad]})


@takes_texts
def test_lists_are_copied(sample: ValueObject, field: str) -> None:
    """What becomes of a list afterwards does not change the object that was made from it."""
    given = ["x"]
    made = sample.evolve(**{field: given})
    given.append("y")
    assert ["x"] == list(getattr(made, field))


@takes_time
def test_naive_times_are_refused(sample: ValueObject, field: str) -> None:
    """A time without a time zone could be anywhere."""
    assert not accepts(sample, **{field: AWARE.replace(tzinfo=None)})


@takes_time
def test_times_are_kept_in_utc(sample: ValueObject, field: str) -> None:
    """A time given elsewhere comes back as the same moment in UTC."""
    made = sample.evolve(**{field: "2999-01-01T02:00:00+02:00"})
    assert (AWARE, UTC) == (getattr(made, field), getattr(made, field).tzinfo)


@takes_json
@pytest.mark.parametrize(
    "bad",
    [
        math.nan,
        math.inf,
        2**63,
        -(2**63) - 1,
        b"x",
        "\x00",
        "\ud800",
        {1: 2},
        {"\x00": 1},
        (1,),
        AWARE,
        UUID(int=1),
    ],
    ids=repr,
)
def test_json_is_what_every_backend_keeps(sample: ValueObject, field: str, bad: object) -> None:
    """Anything else in it is refused."""
    assert not accepts(sample, **{field: {"x": [bad]}})


@takes_json
def test_json_is_copied(sample: ValueObject, field: str) -> None:
    """What becomes of a nested list afterwards does not change the object that was made from it."""
    given: dict[str, list[int]] = {"x": [1]}
    if not accepts(sample, **{field: given}):
        pytest.skip("holds no lists")
    made = sample.evolve(**{field: given})
    given["x"].append(2)
    assert {"x": [1]} == getattr(made, field)


def test_json_nests_only_so_deep() -> None:
    """A document that is nested without end is refused, not followed."""
    deep: list[Any] = []
    for _ in range(MAX_JSON_DEPTH + 1):
        deep = [deep]
    assert not accepts(audit.AuditEvent(event_type="x"), event_data={"x": deep})


def test_values_inside_are_validated_again() -> None:
    """An object that was made around the checks is found out where it is put."""
    broken = config.AgentSettings.model_construct(temperature=9)
    with pytest.raises(ValidationError):
        config.Agent(name="Ada", settings=broken)


every_plain_value = pytest.mark.parametrize(
    "sample",
    [sample for sample in SAMPLES if isinstance(sample, PlainValue)],
    ids=lambda sample: type(sample).__name__,
)


def kinds(annotation: Any) -> list[Any]:
    """The types that a value of this annotation may have."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return kinds(inner[0])
    if get_origin(annotation) in (Union, UnionType):
        return [kind for one in inner for kind in kinds(one)]
    return [get_origin(annotation) or annotation]


@every_plain_value
def test_nothing_in_a_plain_value_can_change(sample: PlainValue) -> None:
    """Every field is of a type whose values stay as they were made."""
    fields = type(sample).model_fields.values()
    immutable = {UUID, str, int, float, bool, AwareDatetime, NoneType}
    assert set() == {kind for field in fields for kind in kinds(field.annotation)} - immutable


@every_plain_value
@pytest.mark.parametrize("way", ["model_construct", "model_copy"])
def test_there_is_no_way_around_the_checks_of_a_plain_value(sample: PlainValue, way: str) -> None:
    """It is not looked at again where it is put, so it can't be made wrong."""
    changes = {next(iter(type(sample).model_fields)): "\x00"}
    with pytest.raises(ValidationError):
        if way == "model_construct":
            type(sample).model_construct(**{**vars(sample), **changes})
        else:
            sample.model_copy(update=changes)


def test_a_plain_value_is_shared() -> None:
    """It is not copied; one of a class that its user derived is, since that may do as it likes."""

    class Derived(session.StepVisit):
        pass

    visit = session.StepVisit(step_id=ID, entered_at=AWARE, turn_number=0)
    derived = Derived(step_id=ID, entered_at=AWARE, turn_number=0)
    made = SESSION.evolve(step_history=[visit, derived])
    assert (True, session.StepVisit) == (made.step_history[0] is visit, type(made.step_history[1]))


def test_evolve_keeps_the_original() -> None:
    """A changed copy is another object."""
    agent = config.Agent(name="Ada")
    assert ("Ada", "Bo", agent.id) == (agent.name, agent.evolve(name="Bo").name, agent.evolve(name="Bo").id)


def test_evolve_validates() -> None:
    """A change that the model would refuse is refused, and the field is named."""
    with pytest.raises(ValidationError, match="current_version"):
        config.Agent(name="Ada").evolve(current_version=0)


def test_embeddings_come_back_from_json() -> None:
    """An entity with an embedding survives JSON, as archives need it to."""
    scenario = SCENARIO.evolve(embedding=Embedding([0.1, -2.5], model="m"))
    assert scenario == config.Scenario.model_validate_json(scenario.model_dump_json())


@pytest.mark.parametrize(
    "enumeration",
    [
        member
        for module in MODULES
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, StrEnum) and member is not StrEnum and member.__module__ == module.__name__
    ],
)
def test_enumerations_are_named_as_they_are_stored(enumeration: type[StrEnum]) -> None:
    """The stored text of every value is its name in lower case."""
    assert [member.name.lower() for member in enumeration] == [member.value for member in enumeration]
