"""Real text, from what any machine has: documentation strings of Python's libraries, package descriptions, manual pages.

Nothing is fetched. Passages of 100 to 800 characters, none twice, each with its topic (a package, or a family of commands).
"""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import site
import sys
import sysconfig
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import orjson

SHORTEST, LONGEST = 100, 800
MOST_OF_A_TOPIC: Final = 15_000
_LARGEST_FILE: Final = 2_000_000
_DOCSTRING: Final = re.compile(r"^[ \t]*[rRuU]?(\"\"\"|\'\'\')(.+?)\1", re.MULTILINE | re.DOTALL)
_MANUALS: Final = Path("/usr/share/man")
_DEBIAN: Final = Path("/var/lib/dpkg/status")
_SYSTEM: Final = Path("/usr/lib/python3/dist-packages")


class Passage(NamedTuple):
    """A piece of text, and what it is about."""

    topic: str
    text: str


def passages(folder: Path, wanted: int) -> list[Passage]:
    """``wanted`` of this machine's passages, or all when there are fewer; kept in ``folder``."""
    kept = folder / f"passages-{wanted}.jsonl.gz"
    if not kept.exists():
        found = _chosen(wanted)
        folder.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(gzip.compress(b"\n".join(orjson.dumps([*passage]) for passage in found), 1))
    return [Passage(*orjson.loads(line)) for line in gzip.decompress(kept.read_bytes()).splitlines()]


def _chosen(wanted: int) -> list[Passage]:
    """By topic, the largest first; what of a large topic is left out is left out at random."""
    topics: dict[str, list[str]] = defaultdict(list)
    seen: set[bytes] = set()
    total = 0
    for topic, text in _documents():
        if total >= 3 * wanted:
            break
        for piece in split(text):
            key = hashlib.blake2b(re.sub(r"\W+", " ", piece).lower().encode(), digest_size=12).digest()
            if key not in seen:
                seen.add(key)
                topics[topic].append(piece)
                total += 1
    chance = random.Random(7)  # noqa: S311
    for texts in topics.values():
        chance.shuffle(texts)
        del texts[MOST_OF_A_TOPIC:]
    largest = sorted(topics.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Passage(topic, text) for topic, texts in largest for text in texts][:wanted]


def split(text: str) -> Iterator[str]:
    """``text`` in pieces of ``SHORTEST`` to ``LONGEST`` characters, ended where a paragraph or a sentence ends."""
    piece = ""
    for paragraph in re.split(r"\n\s*\n", text):
        for part in _parts(" ".join(paragraph.split())):
            if len(piece) + len(part) >= LONGEST and len(piece) >= SHORTEST:
                yield piece
                piece = ""
            piece = f"{piece} {part}".strip()[:LONGEST]
        if len(piece) >= SHORTEST * 3:
            yield piece
            piece = ""
    if len(piece) >= SHORTEST:
        yield piece


def _parts(paragraph: str) -> list[str]:
    if len(paragraph) < LONGEST:
        return [paragraph]
    return re.split(r"(?<=[.!?:;]) ", paragraph)


def _documents() -> Iterator[Passage]:
    yield from _docstrings()
    yield from _descriptions()
    yield from _debian_descriptions()
    yield from _manuals()


def _roots() -> list[Path]:
    """The standard library, and wherever packages are installed."""
    ours = [sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")]
    base = Path(sys.base_prefix, "lib", f"python{sys.version_info[0]}.{sys.version_info[1]}", "site-packages")
    places = [*map(Path, ours), *map(Path, site.getsitepackages()), base, _SYSTEM]
    return list(dict.fromkeys(place.resolve() for place in places if place.is_dir()))


def _docstrings() -> Iterator[Passage]:
    roots = _roots()
    for root in roots:
        for file in _files(root, "*.py", without=roots):
            topic = file.relative_to(root).parts[0].removesuffix(".py")
            for text in docstrings(file.read_text(encoding="utf-8", errors="ignore")):
                yield Passage(topic, text)


def _files(root: Path, pattern: str, *, without: Iterable[Path] = ()) -> Iterator[Path]:
    inner = [place for place in without if place != root and place.is_relative_to(root)]
    for file in sorted(root.rglob(pattern)):
        if not any(file.is_relative_to(place) for place in inner) and file.stat().st_size < _LARGEST_FILE:
            yield file


def docstrings(source: str) -> Iterator[str]:
    """What stands in triple quotes at the beginning of a line: parsing the code would take minutes, and find the same."""
    return (found[2] for found in _DOCSTRING.finditer(source))


def _descriptions() -> Iterator[Passage]:
    for root in _roots():
        for file in [*root.glob("*.dist-info/METADATA"), *root.glob("*.egg-info/PKG-INFO")]:
            _, _, text = file.read_text(encoding="utf-8", errors="ignore").partition("\n\n")
            yield Passage(file.parent.name.partition("-")[0].lower(), text)


def _debian_descriptions() -> Iterator[Passage]:
    if _DEBIAN.exists():
        for entry in _DEBIAN.read_text(encoding="utf-8", errors="ignore").split("\n\n"):
            if found := re.search(r"^Description: (.*(?:\n .*)*)", entry, re.MULTILINE):
                section = re.search(r"^Section: (\S+)", entry, re.MULTILINE)
                text = found[1].replace("\n .\n", "\n\n")
                yield Passage(f"debian {section[1] if section else 'misc'}", text)


def _manuals() -> Iterator[Passage]:
    for file in sorted(_MANUALS.glob("man[1-8]/*.gz")):
        topic = f"man {re.split(r'[-_.:0-9]', file.name)[0].lower() or 'other'}"
        try:
            source = gzip.decompress(file.read_bytes()).decode(errors="ignore")
        except (OSError, EOFError):
            continue
        yield Passage(topic, plain(source))


_MACRO: Final = re.compile(
    r"^[.'](?:\\\"|TH|S[hHS]|de|ds|if|ie|el|nr|so|ft|hy|ad|nh|Dd|Dt|Os)\b.*$", re.MULTILINE
)
_BREAK: Final = re.compile(r"^[.'](?:[LIPT]?P|HP|TP|sp|Pp|It|br)\b.*$", re.MULTILINE)
_OTHER: Final = re.compile(r"^[.'][A-Za-z]+ ?", re.MULTILINE)
_ESCAPE: Final = re.compile(
    r"\\(?:f(?:\[[^]]*\]|\(..|.)|s[-+]?\d+|[&/,:|^%]|\*\[[^]]*\]|\*\(..|\*.|\([a-z]{2})"
)


def plain(source: str) -> str:
    """A manual page's prose, its markup left out as far as it goes."""
    text = _OTHER.sub("", _BREAK.sub("\n", _MACRO.sub("\n", source)))
    return _ESCAPE.sub("", text).replace("\\-", "-").replace("\\", "").replace('"', "")
