"""Reading transcripts: the forms they come in, and how each bad line is named."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from focal_data.cli.demo import records
from focal_data.cli.demo.messages import Message, Role
from focal_data.cli.demo.plans import shipped_transcripts
from focal_data.cli.demo.records import BadLine
from focal_data.cli.demo.transcripts import SHOWN, check, read
from focal_data.domain.memory import Language
from focal_data.domain.profile import Channel

HELLO = {"role": "user", "content": "Hello"}
HI = {"role": "assistant", "content": "Hi"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chat.jsonl"


def lines(*values: object) -> str:
    return "".join(f"{value if isinstance(value, str) else json.dumps(value)}\n" for value in values)


def messages(path: Path) -> list[Message]:
    found = list(read(path))
    assert not [bad for bad in found if isinstance(bad, BadLine)]
    return [message for message in found if isinstance(message, Message)]


def said(path: Path) -> list[tuple[int, str, str, str]]:
    return [(m.line, m.role.value, m.user, m.content) for m in messages(path)]


@pytest.mark.parametrize("path", shipped_transcripts(), ids=lambda path: path.stem)
def test_the_shipped_transcripts_are_good(path: Path) -> None:
    """Every line is a message."""
    checked = check(path)
    assert [] == checked.bad
    assert len(path.read_text(encoding="utf-8").splitlines()) == checked.messages


def test_a_line_may_say_everything(file: Path) -> None:
    """Each key is read; the time is kept in UTC."""
    value = HELLO | {
        "user": "mara",
        "channel": "email",
        "timestamp": "2026-03-03T16:02:11+01:00",
        "language": "english",
    }
    file.write_text(lines(value))
    time = datetime(2026, 3, 3, 15, 2, 11, tzinfo=UTC)
    assert [Message(1, 1, Role.USER, "Hello", "mara", Channel.EMAIL, time, Language.ENGLISH)] == messages(
        file
    )


def test_a_line_may_say_no_more_than_it_must(file: Path) -> None:
    """User, channel and language have their defaults; times follow each other, the same in every reading."""
    file.write_text(lines(HELLO, HI | {"user": None, "channel": None, "timestamp": None, "language": None}))
    first, second = messages(file)
    assert ("user", Channel.WEBCHAT, Language.SIMPLE) == (first.user, first.channel, first.language)
    assert ("user", Channel.WEBCHAT, Language.SIMPLE) == (second.user, second.channel, second.language)
    assert timedelta(seconds=30) == second.timestamp - first.timestamp
    assert [first, second] == messages(file)


def test_a_message_without_a_time_follows_the_one_before(file: Path) -> None:
    """Half a minute later."""
    file.write_text(lines(HELLO | {"timestamp": "2026-03-03T15:00:00Z"}, HI))
    assert datetime(2026, 3, 3, 15, 0, 30, tzinfo=UTC) == messages(file)[1].timestamp


@pytest.mark.parametrize(
    "text",
    [
        lines(HELLO, HI).replace("\n", "\r\n"),
        "\n \n" + lines(HELLO, "", HI),
        "\ufeff" + lines(HELLO, HI),
        lines(HELLO, HI).rstrip("\n"),
        lines(HELLO | {"name": "x", "annotations": []}, HI | {"id": "msg_1", "usage": {"tokens": 3}}),
        json.dumps([HELLO, HI]),
        json.dumps([HELLO, HI], indent=2),
        "\ufeff\n" + json.dumps([HELLO, HI], indent=2) + "\n",
        lines({"messages": [HELLO, HI]}),
        json.dumps({"model": "m", "system": "Be kind.", "messages": [HELLO, HI]}, indent=2),
    ],
    ids=[
        "crlf",
        "blank",
        "bom",
        "no-end",
        "other-keys",
        "list",
        "wide-list",
        "bom-list",
        "line-of",
        "request",
    ],
)
def test_a_file_has_one_of_many_forms(file: Path, text: str) -> None:
    """All of these say the same."""
    file.write_bytes(text.encode())
    assert [("user", "user", "Hello"), ("assistant", "user", "Hi")] == [entry[1:] for entry in said(file)]


def test_parts_of_text_are_joined_and_others_passed_over(file: Path) -> None:
    """As OpenAI and Anthropic have them."""
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:"}},
        {"type": "input_text", "text": "And that?"},
    ]
    answer = [
        {"type": "thinking", "thinking": "…"},
        {"type": "output_text", "text": "A cat."},
        {"type": "refusal", "refusal": "No."},
    ]
    file.write_text(lines({"role": "user", "content": parts}, {"role": "assistant", "content": answer}))
    assert ["What is this?\nAnd that?", "A cat.\nNo."] == [message.content for message in messages(file)]


def test_what_says_nothing_to_a_customer_is_passed_over(file: Path) -> None:
    """Instructions, calls of tools and their results."""
    file.write_text(
        lines(
            {"role": "system", "content": "Be kind."},
            {"role": "developer", "content": "Be brief."},
            HELLO,
            {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]},
            {"role": "tool", "content": "42", "tool_call_id": "1"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "2", "name": "f", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "2", "content": "42"}]},
            {"role": "assistant", "content": "", "tool_calls": [{"id": "3"}]},
            HI,
        )
    )
    assert [(3, "Hello"), (9, "Hi")] == [(line, content) for line, _, _, content in said(file)]


def test_each_list_of_messages_is_a_conversation_of_its_own(file: Path) -> None:
    """As in files for fine-tuning: a list on each line."""
    file.write_text(lines({"messages": [HELLO, HI]}, {"messages": [HELLO]}))
    assert [(1, "user"), (1, "user"), (2, "user-2")] == [(line, user) for line, _, user, _ in said(file)]
    file.write_text(lines([HELLO, HI], [HELLO]))
    assert [(1, "user"), (1, "user"), (2, "user-2")] == [(line, user) for line, _, user, _ in said(file)]


def test_a_list_longer_than_what_is_read_at_once(file: Path) -> None:
    """Its elements and their lines are found all the same."""
    values = [HELLO | {"content": f"ä{number} " * 40} for number in range(3000)]
    file.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")
    found = said(file)
    assert [value["content"] for value in values] == [content for *_, content in found]
    assert [2 + 4 * number for number in range(3000)] == [line for line, *_ in found]


NO_JSON = "not valid JSON"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"role": "user", "content": }', "not valid JSON: Expecting value, at column 29"),
        ('{"role": "user"', "not valid JSON"),
        ("Hello", "not valid JSON: Expecting value, at column 1"),
        ("role,content", "not valid JSON"),
        ('{"role": "user", "content": "a\x01b"}', "not valid JSON: Invalid control character"),
        ('{"role": "user", "content": 1' + "0" * 5000 + "}", "not valid JSON"),
        ('{"role": "user", "content": ' + "[" * 200_000 + "]" * 200_000 + "}", "not valid JSON"),
        (b'{"role": "user", "content": "caf\xe9"}', "not UTF-8, at byte 33 of the line"),
        ("12", "must be a JSON object with role and content"),
        ('"Hello"', "must be a JSON object with role and content"),
        ('{"content": "Hello"}', "role is missing"),
        ('{"role": "customer", "content": "Hello"}', "role must be user or assistant"),
        ('{"role": ["user"], "content": "Hello"}', "role must be user or assistant"),
        ('{"role": "user"}', "content is missing"),
        ('{"role": "user", "content": null}', "content is empty"),
        ('{"role": "user", "content": ""}', "content is empty"),
        ('{"role": "user", "content": " \\n"}', "content is empty"),
        ('{"role": "user", "content": []}', "content is empty"),
        ('{"role": "user", "content": 5}', "content must be text, or a list of parts"),
        ('{"role": "user", "content": {"type": "text"}}', "content must be text, or a list of parts"),
        ('{"role": "user", "content": [5]}', "content[0] must be an object or text"),
        (
            '{"role": "user", "content": ["a", {"type": "text", "text": 1}]}',
            "content[1].text must be text",
        ),
        ('{"role": "user", "content": "a\\u0000b"}', "content must not contain NUL"),
        ('{"role": "user", "content": "a\\ud800b"}', "content must not contain a lone surrogate"),
        ('{"role": "user", "content": "' + "x" * 10_000_000 + '"}', "content is longer than 1,000,000"),
        ('{"role": "user", "content": "Hello", "user": 7}', "user must be text"),
        ('{"role": "user", "content": "Hello", "user": " "}', "user is empty"),
        ('{"role": "user", "content": "Hello", "user": "\\u0000"}', "user must not contain NUL"),
        ('{"role": "user", "content": "Hello", "user": "' + "x" * 256 + '"}', "user is longer than 255"),
        ('{"role": "user", "content": "Hello", "channel": "fax"}', "channel must be one of whatsapp, slack"),
        ('{"role": "user", "content": "Hello", "channel": 3}', "channel must be one of"),
        ('{"role": "user", "content": "Hello", "language": "en"}', "language must be one of simple, arabic"),
        (
            '{"role": "user", "content": "Hello", "timestamp": "2026-03-03T15:02:11"}',
            "timestamp must have a zone",
        ),
        (
            '{"role": "user", "content": "Hello", "timestamp": "yesterday"}',
            "timestamp must be an ISO 8601 time",
        ),
        (
            '{"role": "user", "content": "Hello", "timestamp": 1767225600}',
            "timestamp must be an ISO 8601 time",
        ),
        (
            '{"role": "user", "content": "Hello", "timestamp": "0001-01-01T00:00:00+05:00"}',
            "timestamp must be of the years 1900 to 2999",
        ),
        ('{"messages": [{"role": "user"}]}', "message 1 of the list: content is missing"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_line_is_named(file: Path, line: str | bytes, reason: str) -> None:
    """By its number and the reason; the lines around it are good."""
    bad = line if isinstance(line, bytes) else line.encode()
    file.write_bytes(lines(HELLO).encode() + bad + b"\n" + lines(HI).encode())
    checked = check(file)
    assert [2] == [found.line for found in checked.bad]
    assert reason in checked.bad[0].reason
    assert 2 == checked.messages
    assert f"{file}:2: {checked.bad[0].reason}" == next(checked.complaints())


def test_a_first_line_without_its_end_is_named(file: Path) -> None:
    """Though it might have been the beginning of a value of many lines."""
    file.write_text('{"role": "user", "content": "Hello"\n' + lines(HI))
    assert [1] == [bad.line for bad in check(file).bad]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (json.dumps([HELLO, {"role": "user"}], indent=1), 6, "content is missing"),
        (json.dumps([HELLO, 5], indent=1), 6, "must be a JSON object"),
        ('[\n{"role": "user", "content": "Hello"}\n{}]', 3, "Expecting ']'"),
        ('[\n{"role": "user", "content": "Hello"},\n', 3, NO_JSON),
        ('[\n{"role": "user", "content": "Hello",\n]', 2, "on line 3"),
        ('[\n{"role": "user", "content": "Hello"}] x', 2, NO_JSON),
        (b'[\n{"role": "user",\n "content": "caf\xe9"}]', 3, "not UTF-8"),
    ],
    ids=range(7),
)
def test_a_bad_element_of_a_list_is_named(file: Path, text: str | bytes, line: int, reason: str) -> None:
    """By the line where it begins."""
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    checked = check(file)
    assert [line] == [bad.line for bad in checked.bad]
    assert reason in checked.bad[0].reason


def test_what_was_said_is_not_in_a_complaint(file: Path) -> None:
    """It may be anybody's secret."""
    secret = {"role": "secret", "content": "secret"}
    values = [secret, HELLO | {"channel": "secret"}, HELLO | {"timestamp": "secret"}, '{"role": secret}']
    file.write_text(lines(*values))
    assert 4 == check(file).bad_count
    assert not [text for text in check(file).complaints() if "secret" in text]


def test_many_bad_lines_are_counted(file: Path) -> None:
    """The first of them are named."""
    file.write_text(lines(*[5] * 50))
    complaints = list(check(file).complaints())
    assert SHOWN + 1 == len(complaints)
    assert f"{file}: and 40 more bad lines" == complaints[-1]


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "[]", '{"messages": []}'])
def test_a_file_without_a_message_is_bad(file: Path, text: str) -> None:
    """There is nothing to show."""
    file.write_text(text, encoding="utf-8")
    assert ["there is no message in it"] == [bad.reason for bad in check(file).bad]


def test_what_can_not_be_read_is_bad(tmp_path: Path) -> None:
    """A missing file, and a folder."""
    missing = tmp_path / "nothing.jsonl"
    assert [f"{missing}: there is no such file"] == list(check(missing).complaints())
    assert ["not a regular file"] == [bad.reason for bad in check(tmp_path).bad]


@pytest.mark.parametrize("start", ['{"role": "user", "content": "', '[{"role": "user", "content": "'])
def test_a_value_without_end_is_not_kept(file: Path, start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is bad as soon as it is too long."""
    monkeypatch.setattr(records, "MAX_RECORD", 200_000)
    file.write_text(lines(HELLO)[: 0 if start[0] == "[" else None] + start + "x" * 2_000_000)
    checked = check(file)
    assert 1 == checked.bad_count
    assert "longer than" in checked.bad[0].reason


def test_questions_are_those_that_users_ask(file: Path) -> None:
    """The first three, each once."""
    asked = [f"Where is my order number {number}?" for number in (1, 1, 2, 3, 4)]
    file.write_text(
        lines(HI | {"content": "What can I do for you?"}, *(HELLO | {"content": text} for text in asked))
    )
    assert [asked[0], asked[2], asked[3]] == check(file).questions


def test_where_users_ask_little_the_memory_is_asked_for_what_they_say(file: Path) -> None:
    """Questions first."""
    said = ("Hello", "I wait for my parcel.", "Where is it, please?", "Thanks", "Bye")
    file.write_text(lines(*(HELLO | {"content": text} for text in said)))
    assert ["Where is it, please?", "Hello", "I wait for my parcel."] == check(file).questions
