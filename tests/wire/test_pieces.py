"""Which texts of a body an application brought in from elsewhere, and which carry a label of their own."""

from typing import Any

import pytest

from localfleet.wire.marks import MARK, labelled_in
from localfleet.wire.pieces import brought_in

CALL: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"messages": [{"role": "user", "content": "typed"}]}, []),
        ({"messages": [CALL, {"role": "tool", "tool_call_id": "c1", "content": "a"}]}, ["a"]),
        ({"messages": [{"role": "tool", "content": "old"}, CALL, {"role": "tool", "content": "new"}]}, ["new"]),
        ({"messages": [CALL, {"role": "tool", "content": [{"type": "text", "text": "a"}]}, {"role": "user"}]}, ["a"]),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "a"}]}]},
            ["a"],
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "text", "text": "typed"}]},
                    {"role": "user", "content": [{"type": "search_result", "title": "t", "content": [{"text": "a"}]}]},
                ]
            },
            ["t", "a"],
        ),
        (
            {"input": [{"type": "function_call"}, {"type": "function_call_output", "call_id": "c", "output": "a"}]},
            ["a"],
        ),
        ({"input": "typed", "documents": [{"text": "a"}, "b"]}, ["a", "b"]),
        ({"messages": "nonsense", "documents": "typed"}, []),
        ({"messages": [7, {"role": "tool", "content": "a"}]}, ["a"]),
    ],
)
def test_what_was_brought_in(body: dict[str, Any], texts: list[str]) -> None:
    """Results of tools, documents and search results of the last turns; not what a person typed."""
    assert [*brought_in(body)] == texts


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"messages": [{"role": "tool", "content": "a", MARK: "restricted"}]}, ("a",)),
        ({"messages": [{"role": "user", "content": [{"text": "a", MARK: "RESTRICTED"}, {"text": "b"}]}]}, ("a",)),
        ({"messages": [{"role": "system", "content": [{"text": "a", MARK: "restricted"}, {"text": "b"}]}]}, ("a",)),
        ({"documents": [{"text": "a", MARK: 7}, {"text": "b", MARK: "internal"}]}, ("a",)),
        ({"x": {"deep": [{"text": "a", "more": ["b"], MARK: "restricted"}]}}, ("a", "b")),
        ({"documents": [{"text": "a", "metadata": {"page": "b", MARK: "restricted"}}, {"text": "c"}]}, ("a",)),
        ({"messages": [{"role": "system", "content": "be kind", MARK: "restricted"}]}, ()),
        ({"messages": [{"role": "user", "content": "a"}], MARK: "restricted"}, ()),
        ({"metadata": {"note": "a", MARK: "restricted"}}, ()),
    ],
)
def test_what_carries_a_label_of_its_own(body: dict[str, Any], texts: tuple[str, ...]) -> None:
    """The object with the mark; a word about the whole request, or a standing instruction, names no piece."""
    assert labelled_in(body) == texts
