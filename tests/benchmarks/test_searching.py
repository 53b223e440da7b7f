"""The benchmark of search: what it is made of, and that it runs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from benchmarks.searching import corpora, labelled, passages
from benchmarks.searching.exact import Exact
from benchmarks.searching.scale import QUICK

ROOT = Path(__file__).parents[2]


def test_questions_name_lines_of_their_transcript():
    """Every question has answers, each a line of its transcript, in its language."""
    asked = labelled.questions()
    said = {name: labelled.messages(name) for name in {question.transcript for question in asked}}
    assert 60 <= len({question.question for question in asked}) == len(asked)
    assert {"english", "german"} == {question.language for question in asked}
    for question in asked:
        lines = said[question.transcript]
        assert sorted(set(question.lines)) == list(question.lines)
        assert all(1 <= line <= len(lines) for line in question.lines), question
        assert {question.language} == {lines[line - 1]["language"] for line in question.lines}


def test_passages_are_of_a_bounded_length_and_lose_no_word():
    """A long text falls into pieces of 100 to 800 characters; what is too short at its end is left out."""
    sentences = [f"Sentence number {number} tells about the matter at hand." for number in range(200)]
    text = "\n\n".join(" ".join(sentences[start : start + 7]) for start in range(0, 200, 7))
    pieces = list(passages.split(text))
    assert all(passages.SHORTEST <= len(piece) <= passages.LONGEST for piece in pieces)
    assert " ".join(sentences).startswith(" ".join(pieces))
    assert len(" ".join(pieces)) > len(" ".join(sentences)) - passages.SHORTEST


def test_a_sentence_that_is_too_long_is_cut():
    """Where nothing ends, a piece ends at the most characters that it may have."""
    assert [passages.LONGEST] == [len(piece) for piece in passages.split("word " * 500)]


def test_docstrings_are_what_stands_in_triple_quotes_at_the_beginning_of_a_line():
    """Of either kind of quotes; a string within an expression is none."""
    source = 'def f():\n    """One\n\n    two."""\n    x = """no"""\n' + "    r'''three'''\n"
    assert ["One\n\n    two.", "three"] == list(passages.docstrings(source))


def test_markup_of_manual_pages_is_left_out():
    """What remains is prose, with its paragraphs."""
    source = '.TH LS 1 "now"\n.SH NAME\nls \\- list \\fIdirectory\\fR contents\n.PP\nSort \\fBentries\\fP.\n'
    assert "ls - list directory contents" in passages.plain(source)
    assert "\n\n" in passages.plain(source).strip()
    assert not {"\\", ".PP", ".TH"} & set(passages.plain(source).split())


@pytest.mark.slow
def test_recall_is_the_part_of_the_ten_nearest_that_was_found(tmp_path):
    """A row of another agent counts as not found, a row as near as the tenth as found, and a repeated one once."""
    corpus = corpora.synthetic(tmp_path, QUICK)
    ids = [uuid4() for _ in corpus.owners]
    truth, query = Exact(corpus, ids), 0
    mine = np.flatnonzero(corpus.owners == corpus.asked[query])
    near = corpus.vectors[mine].astype("f8") @ corpus.queries[query].astype("f8")
    ten = [ids[place] for place in mine[np.argsort(-near)[:10]]]
    other = [ids[place] for place in np.flatnonzero(corpus.owners != corpus.asked[query])[:5]]
    assert (1.0, 1.0) == (truth.recall({query: ten}).mean, truth.recall({query: ten}).fewest)
    assert 0.5 == truth.recall({query: [*ten[:5], *other]}).mean
    assert 0.5 == truth.recall({query: ten[:5] * 2}).mean
    assert 0.0 == truth.recall({query: []}).worst


@pytest.mark.slow
def test_queries_ask_each_size_class_and_are_not_stored(tmp_path):
    """So many for each class, by agents of that class; no held-out passage is a row."""
    corpus = corpora.synthetic(tmp_path, QUICK)
    asked = {name: len(queries) for name, queries in corpus.by_class().items()}
    assert dict.fromkeys(corpus.classes, QUICK.queries) == asked
    rows = {vector.tobytes() for vector in corpus.vectors}
    assert not rows & {vector.tobytes() for vector in corpus.queries}


@pytest.mark.slow
def test_it_runs(tmp_path):
    """At its small scale every part gives its table."""
    report = tmp_path / "report.md"
    arguments = ["-m", "benchmarks.searching", "--quick", "--folder", str(tmp_path), "--report", str(report)]
    ran = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert report.exists(), ran.stderr
    headings = [line for line in report.read_text(encoding="utf-8").splitlines() if line.startswith("### ")]
    assert [part for part in _parts() if not any(part in heading for heading in headings)] == []


def _parts() -> list[str]:
    """What is in the headings of a whole run; two parts need the local model."""
    parts = ["synthetic", "real text, svd", "Writing", "Text and hybrid", "Limits"]
    return [*parts, "real text, wordllama", "Labelled"] if find_spec("wordllama") else parts
