"""JSON values out of a file, one after another, in memory that doesn't grow with it.

A file holds one value per line (JSON Lines), or values that span lines, such as one array of everything. Which of them it is
shows in its first line; of an array each element is a value of its own.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import JsonValue

MAX_RECORD: Final = 16 << 20
"""The most bytes of one value."""

_CHUNK: Final = 64 << 10
_TOO_LONG: Final = f"longer than {MAX_RECORD >> 20} MiB"
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_DECODER: Final = json.JSONDecoder()


@dataclass(frozen=True, slots=True)
class Record:
    """A value, and the line where it begins. ``list_number`` counts the arrays of the file, from 1; 0 is outside of any."""

    line: int
    value: JsonValue
    list_number: int = 0


@dataclass(frozen=True, slots=True)
class BadLine:
    """What is wrong with a file, and the line where it is; 0 is the file as a whole."""

    line: int
    reason: str


def records(path: Path) -> Iterator[Record | BadLine]:
    """The values in ``path``, and what is none. What can't be read at all raises ``OSError``."""
    with path.open("rb") as file:
        line, first = _first_line(file)
        text = first.strip()
        if text.startswith(b"[") or (text.startswith(b"{") and not text.endswith(b"}")):
            yield from _Values(line, chain((first,), iter(lambda: file.read(_CHUNK), b""))).read()
        elif text:
            yield from _lines(line, first, file)


def _first_line(file: BinaryIO) -> tuple[int, bytes]:
    """The number and the start of the first line that isn't blank, without a byte order mark."""
    number, line = 1, file.readline(MAX_RECORD + 1).removeprefix(codecs.BOM_UTF8)
    while line.isspace():
        number, line = number + 1, file.readline(MAX_RECORD + 1)
    return number, line


def _lines(number: int, line: bytes, file: BinaryIO) -> Iterator[Record | BadLine]:
    while line:
        if len(line) > MAX_RECORD:
            yield BadLine(number, f"the line is {_TOO_LONG}")
            while line and not line.endswith(b"\n"):
                line = file.readline(_CHUNK)
        elif not line.isspace():
            yield _parsed(number, line)
        number, line = number + 1, file.readline(MAX_RECORD + 1)


def _parsed(number: int, line: bytes) -> Record | BadLine:
    try:
        return Record(number, json.loads(line.decode().strip()))
    except UnicodeDecodeError as error:
        return BadLine(number, f"not UTF-8, at byte {error.start + 1} of the line")
    except json.JSONDecodeError as error:
        return BadLine(number, f"not valid JSON: {error.msg}, at column {error.colno}")
    except (ValueError, RecursionError):  # a number of thousands of digits, or nesting without end
        return BadLine(
            number, "not valid JSON that can be read: a number is too long, or it is nested too deep"
        )


class _UnreadableError(Exception):
    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.bad = BadLine(line, reason)


class _Values:
    """Values that span lines. ``text`` is what was read and not used yet; it begins on ``line``."""

    def __init__(self, line: int, chunks: Iterator[bytes]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._chunks = chunks
        self._ended = False
        self._line = line
        self._text = ""
        self._place = 0
        self._lists = 0

    def read(self) -> Iterator[Record | BadLine]:
        try:
            while self._next() is not None:
                if self._next() == "[":
                    yield from self._array()
                else:
                    yield self._value(0)
        except _UnreadableError as error:
            yield error.bad

    def _array(self) -> Iterator[Record]:
        self._take("[")
        self._lists += 1
        if self._next() == "]":
            self._take("]")
            return
        yield self._value(self._lists)
        while self._next() == ",":
            self._take(",")
            yield self._value(self._lists)
        self._take("]")

    def _next(self) -> str | None:
        """The next character that is no space; ``None`` at the end."""
        while True:
            self._skip(_SPACE.match(self._text, self._place).end())  # type: ignore[union-attr]
            if self._place < len(self._text):
                return self._text[self._place]
            if not self._more():
                return None

    def _take(self, mark: str) -> None:
        if self._next() != mark:
            raise _UnreadableError(self._line, f"not valid JSON: Expecting '{mark}'")
        self._place += 1

    def _value(self, list_number: int) -> Record:
        self._next()
        line = self._line
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
            except json.JSONDecodeError as error:
                if not self._more():
                    at = line + self._text.count("\n", self._place, error.pos)
                    raise _UnreadableError(line, f"not valid JSON: {error.msg}, on line {at}") from None
            except (ValueError, RecursionError):
                raise _UnreadableError(line, "not valid JSON that can be read") from None
            else:
                self._skip(end)
                return Record(line, value, list_number)

    def _skip(self, place: int) -> None:
        self._line += self._text.count("\n", self._place, place)
        self._place = place

    def _more(self) -> bool:
        """Read on; whether there was more. Raises when one value takes too much."""
        if self._ended:
            return False
        if len(self._text) - self._place > MAX_RECORD:
            raise _UnreadableError(self._line, f"a value is {_TOO_LONG}, or not valid JSON")
        chunk = next(self._chunks, b"")
        self._ended = not chunk
        try:
            more = self._decoder.decode(chunk, final=self._ended)
        except UnicodeDecodeError as error:
            line = (
                self._line + self._text.count("\n", self._place) + error.object.count(b"\n", 0, error.start)
            )
            raise _UnreadableError(line, "not UTF-8") from None
        self._text = self._text[self._place :] + more
        self._place = 0
        return True
