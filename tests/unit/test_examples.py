from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
KEYS = ["role", "content", "user", "channel", "timestamp", "language"]
CHANNELS = {"whatsapp", "slack", "webchat", "email", "voice", "api"}
LANGUAGES = {"harbor-and-pine.en": "english", "lumen-energie.de": "german"}
MODES = {"suggest", "exclusive", "fallback"}
UPDATE_POLICIES = {
    "on_each_turn",
    "on_demand",
    "on_scenario_entry",
    "on_session_start",
    "replace",
    "append",
    "merge",
}
FICTIONAL_PHONE = re.compile(r"(\+1 )?202 555 01\d\d|030 23125 \d{3}")
PHONE = re.compile(r"(?<![\w-])(?:\+\d|0\d{2,}|\d{3} \d{3})[\d ]{6,}\d")

each_file = pytest.mark.parametrize("stem", LANGUAGES)


def messages(stem: str) -> list[dict[str, str]]:
    text = (EXAMPLES / f"{stem}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def agents() -> dict[str, Any]:
    return json.loads((EXAMPLES / "agents.json").read_text(encoding="utf-8"))


def test_there_are_at_least_400_messages_in_two_languages() -> None:
    """The transcripts hold 400 messages or more, in English and in German."""
    every = [message for stem in LANGUAGES for message in messages(stem)]
    assert len(every) >= 400
    assert {"english", "german"} == {message["language"] for message in every}


def test_no_transcript_lies_beside_the_described_ones() -> None:
    """Every transcript has its entry in agents.json, and every entry its transcript."""
    assert set(LANGUAGES) == {path.stem for path in EXAMPLES.glob("*.jsonl")}
    assert set(LANGUAGES) == set(agents())


@each_file
def test_every_line_has_the_documented_keys_and_values(stem: str) -> None:
    """A line holds the six keys in order, a known role, channel and language, and text."""
    for number, message in enumerate(messages(stem), 1):
        assert list(message) == KEYS, number
        assert message["role"] in {"user", "assistant"}, number
        assert message["channel"] in CHANNELS, number
        assert LANGUAGES[stem] == message["language"], number
        assert message["content"] == message["content"].strip() != "", number
        assert re.fullmatch(r"[a-z]+[a-z.-]*[a-z]", message["user"]), number


@each_file
def test_timestamps_are_utc_and_strictly_increasing(stem: str) -> None:
    """A file is sorted by time, in UTC, without two messages at one instant."""
    times = [datetime.fromisoformat(message["timestamp"]) for message in messages(stem)]
    assert {timedelta(0)} == {time.utcoffset() for time in times}
    assert sorted(set(times)) == times


@each_file
def test_no_longer_content_occurs_twice(stem: str) -> None:
    """Nothing longer than 25 characters is said twice in the same words."""
    counts = Counter(message["content"] for message in messages(stem) if len(message["content"]) > 25)
    assert not [content for content, count in counts.items() if count > 1]


@each_file
def test_customers_talk_long_enough_and_on_several_channels(stem: str) -> None:
    """Eight customers or more, 18 to 40 messages each; both roles speak; five channels or more."""
    roles = defaultdict(list)
    for message in messages(stem):
        roles[message["user"]].append(message["role"])
    assert len(roles) >= 8
    for user, said in roles.items():
        assert 18 <= len(said) <= 40, user
        assert {"user", "assistant"} == set(said), user
    assert len({message["channel"] for message in messages(stem)}) >= 5


@each_file
def test_addresses_and_numbers_are_fictional(stem: str) -> None:
    """E-mail addresses are at example.com or .org, telephone numbers from fictional ranges."""
    text = "\n".join(message["content"] for message in messages(stem))
    assert {"example.com", "example.org"} >= set(re.findall(r"@([\w.-]+\w)", text))
    found = PHONE.findall(text)
    assert found
    assert not [number for number in found if not FICTIONAL_PHONE.fullmatch(number)]


def test_a_customer_comes_back_on_a_second_channel() -> None:
    """In each file somebody writes on two channels."""
    for stem in LANGUAGES:
        channels = defaultdict(set)
        for message in messages(stem):
            channels[message["user"]].add(message["channel"])
        assert any(len(used) > 1 for used in channels.values()), stem


@each_file
def test_questions_expect_what_the_transcript_says(stem: str) -> None:
    """Each question's expected text occurs in its transcript, in one or two messages."""
    questions = agents()[stem]["questions"]
    assert len(questions) == 6
    for question in questions:
        found = [message for message in messages(stem) if question["expect"] in message["content"]]
        assert 1 <= len(found) <= 2, question["expect"]


@each_file
def test_scenario_steps_hang_together(stem: str) -> None:
    """One entry, an end, every transition to an existing step, and every step within reach."""
    scenario = agents()[stem]["scenario"]
    steps = {step["id"]: step for step in scenario["steps"]}
    assert len(scenario["steps"]) == len(steps)
    assert 4 <= len(steps) <= 6
    assert [scenario["entry_step_id"]] == [key for key, step in steps.items() if step["is_entry"]]
    assert any(step["is_terminal"] for step in steps.values())
    targets = {edge["to_step_id"] for step in steps.values() for edge in step["transitions"]}
    assert set(steps) == targets | {scenario["entry_step_id"]}
    for step in steps.values():
        assert step["is_terminal"] == (not step["transitions"]), step["id"]


@each_file
def test_an_agent_is_configured_within_the_domain_s_limits(stem: str) -> None:
    """Rules, templates and variables are named once and keep to the values the stores accept."""
    config = agents()[stem]
    assert LANGUAGES[stem] == config["language"]
    assert config["tenant"]
    assert UUID(config["tenant_id"]).version == 7
    for kind, (least, most) in {"rules": (8, 12), "templates": (3, 5), "variables": (3, 4)}.items():
        names = [item["name"] for item in config[kind]]
        assert least <= len(names) <= most, kind
        assert len(set(names)) == len(names), kind
    assert all(-100 <= rule["priority"] <= 100 for rule in config["rules"])
    assert all(rule["condition_text"] and rule["action_text"] for rule in config["rules"])
    assert {template["mode"] for template in config["templates"]} <= MODES
    assert {variable["update_policy"] for variable in config["variables"]} <= UPDATE_POLICIES
    assert all(re.fullmatch(r"[a-z_][a-z0-9_]{0,49}", item["name"]) for item in config["variables"])


def test_tenants_differ() -> None:
    """The two files belong to two tenants."""
    assert len(LANGUAGES) == len({config["tenant_id"] for config in agents().values()})


@each_file
def test_the_readme_counts_the_messages(stem: str) -> None:
    """The number of messages in examples/README.md is the number in the file."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    counted = re.search(rf"`{re.escape(stem)}\.jsonl`.*\| (\d+) \|", readme)
    assert counted is not None
    assert len(messages(stem)) == int(counted[1])
