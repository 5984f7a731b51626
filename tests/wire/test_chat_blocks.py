"""The order of blocks: nothing lost, nothing twice, one open at a time, whatever the engine's order."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from localfleet.wire.chat_blocks import Block, Blocks, Kind, Step, What


def _call(index: int, arguments: str = "", *, name: str = "", call_id: str = "") -> dict[str, Any]:
    call: dict[str, Any] = {"index": index, "function": {"arguments": arguments}}
    if name:
        call["function"]["name"] = name
    if call_id:
        call["id"] = call_id
    return {"tool_calls": [call]}


def _run(deltas: list[dict[str, Any]]) -> tuple[list[Step], list[Block]]:
    blocks = Blocks()
    steps = [step for delta in deltas for step in blocks.take(delta)]
    return steps + blocks.end(), blocks.shown


def _check_order(steps: list[Step]) -> None:
    """One block open at a time, numbered from 0, its deltas between its opening and its closing."""
    current: Block | None = None
    opened = 0
    for step in steps:
        if step.what is What.OPEN:
            assert current is None
            assert step.block.number == opened
            current, opened = step.block, opened + 1
        else:
            assert step.block is current
            current = None if step.what is What.CLOSE else current
    assert current is None


def test_two_calls_in_turns_keep_their_own_arguments() -> None:
    """Interleaved pieces of two calls end up in two blocks, each whole."""
    steps, shown = _run(
        [
            _call(0, '{"a":', name="one", call_id="c1"),
            _call(1, '{"b":', name="two", call_id="c2"),
            _call(0, "1}"),
            _call(1, "2}"),
        ]
    )
    _check_order(steps)
    assert [(block.name, block.call_id, block.text) for block in shown] == [
        ("one", "c1", '{"a":1}'),
        ("two", "c2", '{"b":2}'),
    ]


def test_a_second_call_is_shown_at_once_when_the_first_is_whole() -> None:
    """Live order: the second call opens with its own chunk, not at the end."""
    blocks = Blocks()
    blocks.take(_call(0, "{}", name="one"))
    steps = blocks.take(_call(1, '{"x"', name="two"))
    assert [step.what for step in steps] == [What.CLOSE, What.OPEN, What.DELTA]


def test_text_after_an_unfinished_call_waits_and_is_not_lost() -> None:
    """Text that comes in between is shown after the call."""
    steps, shown = _run([_call(0, '{"a"', name="one"), {"content": "mid"}, _call(0, ":1}"), {"content": "dle"}])
    _check_order(steps)
    assert [block.text for block in shown] == ['{"a":1}', "middle"]


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    """Some engines number every parallel call 0, or give no number."""
    _, same = _run([_call(0, "{}", name="one", call_id="a"), _call(0, "{}", name="two", call_id="b")])
    bare = [{"tool_calls": [{"id": i, "function": {"name": i, "arguments": "{}"}}]} for i in "xy"]
    _, none = _run([*bare, {"tool_calls": [{"function": {"arguments": " "}}]}])
    assert [block.name for block in same] == ["one", "two"]
    assert [block.name for block in none] == ["x", "y"]


def test_a_name_that_comes_late_opens_the_call_late() -> None:
    """A call is not shown before its name is known; its early arguments are kept."""
    blocks = Blocks()
    assert blocks.take(_call(0, '{"a"')) == []
    steps = blocks.take(_call(0, ":1}", name="late"))
    assert [(step.what, step.text) for step in steps] == [(What.OPEN, ""), (What.DELTA, '{"a":1}')]


_LETTERS = st.text('abc{}\\" é', max_size=4)
_DELTAS = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, _LETTERS),
        st.builds(lambda text: {"reasoning_content": text}, _LETTERS),
        st.builds(lambda text: {"refusal": text}, _LETTERS),
        st.builds(lambda i, text: _call(i, text, name=f"f{i}", call_id=f"id{i}"), st.integers(0, 2), _LETTERS),
    ),
    max_size=30,
)


@given(_DELTAS)
def test_no_text_is_lost_whatever_the_order(deltas: list[dict[str, Any]]) -> None:
    """All text, thinking and refusals come out in order; arguments too, until their object is whole and left."""
    steps, shown = _run(deltas)
    _check_order(steps)
    told = [(step.block.kind, step.text) for step in steps if step.what is What.DELTA]
    for kind, field in ((Kind.TEXT, "content"), (Kind.THINKING, "reasoning_content"), (Kind.REFUSAL, "refusal")):
        expected = "".join(delta.get(field, "") for delta in deltas)
        assert "".join(text for told_kind, text in told if told_kind is kind) == expected
    for block in shown:
        assert block.text == "".join(s.text for s in steps if s.block is block and s.what is What.DELTA)
    _check_calls(deltas, shown)


def _check_calls(deltas: list[dict[str, Any]], shown: list[Block]) -> None:
    sent: dict[str, str] = {}
    for delta in deltas:
        for call in delta.get("tool_calls", []):
            sent[call["id"]] = sent.get(call["id"], "") + call["function"]["arguments"]
    got = {block.call_id: block for block in shown if block.kind is Kind.CALL}
    assert sent.keys() == got.keys()
    for call_id, arguments in sent.items():
        block = got[call_id]
        assert arguments == block.text or (arguments.startswith(block.text) and block.text.rstrip().endswith("}"))
