"""What is set up for a transcript: its tenant, its agent and what that agent is told to do.

Shipped transcripts have theirs in ``agents.json``, by file name; any other file gets a small set that suits any conversation.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final
from uuid import UUID

from pydantic import Field, TypeAdapter

from focal_data.cli.demo.ids import DEMO, named
from focal_data.domain.base import JsonObject, Name, NonEmptyText, ValueObject
from focal_data.domain.memory import Language
from focal_data.ids import TenantId


class Question(ValueObject):
    """What the memory is asked. ``expect`` is a piece of the text that a good hit holds."""

    question: NonEmptyText
    expect: NonEmptyText


class Plan(ValueObject):
    """A tenant and its agent. Rules and the rest hold the fields of what they become; steps are named, not numbered."""

    tenant: Name
    tenant_id: TenantId
    agent: JsonObject
    rules: list[JsonObject]
    scenario: JsonObject
    templates: list[JsonObject]
    variables: list[JsonObject]
    questions: list[Question] = Field(default_factory=list)
    language: Language = Language.ENGLISH

    @property
    def near(self) -> float:
        """The cosine similarity from which on a message meets a condition.

        The local model was trained on English: there a message that means something else rarely reaches 0.3. Other languages
        fall into fewer and shorter pieces that sentences share, and what means something else often reaches 0.5.
        """
        return 0.35 if self.language is Language.ENGLISH else 0.55

    @property
    def near_to_one(self) -> float:
        """The same where there is one condition and not a dozen, of which the nearest counts."""
        return 0.35 if self.language is Language.ENGLISH else 0.42


_SHIPPED: Final = TypeAdapter(dict[str, Plan])


def examples() -> Path:
    """The folder of the shipped transcripts: in the wheel within the package, in a checkout beside it."""
    package = Path(str(files("focal_data")))
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "examples"


def shipped_transcripts() -> list[Path]:
    """The shipped transcripts, by name."""
    return sorted(examples().glob("*.jsonl"))


def plan_for(path: Path, questions: list[str]) -> Plan:
    """The plan for a transcript. One's own file has a tenant that its name decides, and is asked ``questions``."""
    shipped = _SHIPPED.validate_json((examples() / "agents.json").read_bytes())
    return shipped.get(path.stem) or _generic(path.stem.encode(errors="replace").decode(), questions)


def _generic(stem: str, questions: list[str]) -> Plan:
    return Plan(
        tenant=stem[:255] or "transcript",
        tenant_id=TenantId(named(DEMO, "tenant", stem)),
        agent={"name": "Assistant", "description": "Carries on the conversations of a transcript."},
        rules=_RULES,
        scenario=_SCENARIO,
        templates=[
            {
                "name": "ask-again",
                "mode": "fallback",
                "text": "I'm not sure I understood. Could you say it again?",
            },
            {"name": "handover", "mode": "exclusive", "text": "I'm connecting you to a colleague."},
        ],
        variables=[
            {"name": "reference", "description": "The number last mentioned, such as A-1000."},
            {"name": "mood", "default_value": "calm", "update_policy": "on_each_turn"},
        ],
        questions=[Question(question=question, expect=question) for question in questions],
    )


def nobody(tenant_id: UUID) -> TenantId:
    """A tenant without anything, for a run of one transcript to be kept apart from."""
    return TenantId(named(DEMO, "nobody", str(tenant_id)))


_RULES: Final[list[JsonObject]] = [
    {
        "name": "wants-a-person",
        "condition_text": "I want to talk to a real person, not a machine",
        "action_text": "Hand over to a colleague, with everything that is known.",
        "priority": 90,
        "is_hard_constraint": True,
    },
    {
        "name": "delete-my-data",
        "condition_text": "Please delete my account and my personal data",
        "action_text": "Say what is erased, what the law keeps, and by when.",
        "priority": 80,
        "is_hard_constraint": True,
    },
    {
        "name": "something-is-wrong",
        "condition_text": "It does not work, there is an error, it is broken or late",
        "action_text": "Apologise once, ask for what is needed to find the cause, and say what happens next.",
        "priority": 40,
    },
    {
        "name": "money",
        "condition_text": "What does it cost, the invoice is wrong, I want a refund",
        "action_text": "Name the amount, the date and the reference.",
        "priority": 30,
    },
    {
        "name": "how-to",
        "condition_text": "How do I do this, can you explain it step by step?",
        "action_text": "Answer in numbered steps, and ask whether they worked.",
    },
    {
        "name": "thanks",
        "condition_text": "Thank you very much, that helped, goodbye",
        "action_text": "Say goodbye in one sentence.",
        "priority": -10,
    },
]

_SCENARIO: Final[JsonObject] = {
    "name": "Help",
    "description": "From a question to its answer.",
    "entry_condition_text": "I need help with a problem, it does not work",
    "entry_step_id": "understand",
    "steps": [
        {
            "id": "understand",
            "name": "Understand",
            "is_entry": True,
            "transitions": [{"to_step_id": "solve", "condition_text": "Here is what you asked for"}],
        },
        {
            "id": "solve",
            "name": "Solve",
            "transitions": [{"to_step_id": "done", "condition_text": "Thank you, that works now"}],
        },
        {"id": "done", "name": "Done", "is_terminal": True},
    ],
    "tags": ["help"],
}
