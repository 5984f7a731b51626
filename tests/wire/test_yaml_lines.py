"""YAML with its lines: duplicates, loops and oddities are problems with a line, never an exception."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfleet.wire.yaml_lines import problems_of, read_yaml

TEXT = b"""\
version: 1
local:
  small:
    weights: w
    can: [tools, json]
"""


def test_values_know_their_lines() -> None:
    """By path; a path without a line of its own has its parent's."""
    data, lines, problems = read_yaml(TEXT)
    assert data == {"version": 1, "local": {"small": {"weights": "w", "can": ["tools", "json"]}}}
    assert problems == []
    paths: list[tuple[Any, ...]] = [(), ("version",), ("local", "small", "can", 1), ("local", "small", "none", "such")]
    assert [lines.of(path) for path in paths] == [1, 1, 5, 3]


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "twice (first in line 1)"),
        (b"a:\n  b: 1\n  b: 2\n", 3, "twice (first in line 2)"),
        (b"a: &x [*x]\n", 1, "contains itself"),
        (b"a: 1\n? [b]\n: 2\n", 2, "plain word"),
        (b"a: 1\nb: [\n", 3, "not valid YAML"),
        (b"a: !py x\n", 1, "not valid YAML"),
        (b"a: 1\nb: 2025-13-45\n", 2, "date or number"),
        (b"a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        (b"\xff\xfea", None, "UTF-8"),
        (b"a: \x00", None, "not valid YAML"),
        (b"[" * 1500, None, "not valid YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: bytes, line: int | None, word: str) -> None:
    """Each problem is a sentence."""
    _, _, problems = read_yaml(text)
    assert len(problems) == 1
    assert problems[0][0] == line
    assert word in problems[0][1]


def test_anchors_of_anchors_come_to_an_end() -> None:
    """A file of a few lines cannot grow to millions of values."""
    rows = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)]
    assert read_yaml("\n".join(rows).encode())[2] == [(None, "is not valid YAML")]


def test_a_tag_runs_nothing() -> None:
    """Python's own tags are refused or read as plain values."""
    data, _, _ = read_yaml(b"a: !!python/object/apply:os.getcwd []\n")
    assert data in ({}, {"a": []})


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text("ab:[]{}&*!?-,'\"\n 1.", max_size=60).map(str.encode)))
def test_any_bytes_are_data_or_a_problem(raw: bytes) -> None:
    """Nothing raises, and every line that is named exists."""
    _, _, problems = read_yaml(raw)
    assert all(line is None or 1 <= line <= raw.count(b"\n") + raw.count(b"\r") + 2 for line, _ in problems)


def test_a_list_or_a_word_is_told_once() -> None:
    """Both branches of a union complain; the one that says more is kept."""
    _, lines, _ = read_yaml(b"a: 1\ngpus:\n  - x: 1\n")
    inside = {"type": "missing", "loc": ("gpus", "tuple[Gpu, ...]", 0, "name"), "msg": ""}
    word = {"type": "literal_error", "loc": ("gpus", "literal['detect']"), "msg": "Input should be 'detect'"}
    assert problems_of([inside, word], lines) == ((3, "gpus.0.name", "`name:` is missing"),)
    no_list = {"type": "tuple_type", "loc": ("gpus", "tuple[Gpu, ...]"), "msg": "Input should be a valid tuple"}
    assert problems_of([no_list, word], lines) == ((2, "gpus", "'detect', or a list"),)
