"""Reading a body: what becomes a fact, what is refused, and that no odd value ends in anything but `BadAsk`."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from localfleet.core.ask import WORDLESS, Api, Ask, Caller, Need, Priority
from localfleet.core.classify import FieldRule, Rules, classify
from localfleet.core.label import Label
from localfleet.errors import BadAsk
from localfleet.wire.read import Letter, parse_body, read_ask, read_wishes

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
USER = {"role": "user", "content": "hello"}
BODIES: dict[Api, dict[str, Any]] = {
    Api.CHAT: {"model": "auto", "messages": [USER]},
    Api.MESSAGES: {"model": "auto", "messages": [USER], "max_tokens": 9},
    Api.COMPLETION: {"model": "auto", "prompt": "hello"},
    Api.EMBEDDING: {"model": "auto", "input": "hello"},
    Api.RERANK: {"model": "auto", "query": "hello", "documents": ["hello"]},
    Api.RESPONSES: {"model": "auto", "input": "hello"},
}


def read(api: Api, headers: dict[str, str] | None = None, *, ruled: tuple[str, ...] = (), **fields: Any) -> Letter:
    """Read a small body with some fields more, through bytes."""
    raw = json.dumps({**BODIES[api], **fields}).encode()
    return read_ask(
        parse_body(raw), api=api, headers=headers or {}, caller=CALLER, request_id="r", size=len(raw),
        fields=frozenset(ruled),
    )  # fmt: skip


def asked(headers: dict[str, str] | None = None, **fields: Any) -> Ask:
    """A chat request's facts."""
    return read(Api.CHAT, headers, **fields).ask


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"null", b"[]", b'"a"', b"1", b"{", b'{"a":1', b'{"a":1,}', b"{'a':1}", b'{"a":NaN}',
        b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e400}', b'{"a":"\xff"}', b'{"a":"\xc3"}',
        b'{"a":"\\ud800"}', b'{"\\udc00":1}',
        b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16"), b'{"a":"\x00"}', b'{"a":1}{"b":2}', b'{"a":01}', b'{"a":+1}',
        b'{"a":"\xed\xa0\x80"}', b"\x1f\x8b\x08\x00",
    ],
)  # fmt: skip
def test_what_is_not_one_json_object_in_utf8_is_refused(raw: bytes) -> None:
    """One reading or none: no replacement characters, no second value, no numbers that JSON does not have."""
    with pytest.raises(BadAsk):
        parse_body(raw)


@pytest.mark.parametrize("levels", [201, 254, 300, 1000, 1024, 1025, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_body_nested_too_deeply_is_refused(levels: int, opening: str, closing: str) -> None:
    """The parser reads 1024 levels, but nobody could write more than some 250 again."""
    inner = opening * levels + "1" + closing * levels
    raw = b'{"model":"auto","messages":[{"role":"user","content":"hi"}],"x":%s}' % inner.encode()
    with pytest.raises(BadAsk):
        parse_body(raw)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_accepted_can_be_written_again(opening: str, closing: str) -> None:
    """At the limit of depth, in a turn and elsewhere, with room for what a translation wraps around it."""
    deep = json.loads(opening * 190 + "1" + closing * 190)
    letter = read(Api.CHAT, messages=[{**USER, "note": deep}], x_note=deep)
    assert orjson.loads(orjson.dumps({"a": {"b": [{"c": dict(letter.body)}]}}))


def test_turns_from_elsewhere_that_nest_too_deeply_are_refused() -> None:
    """A recalled answer of an engine never went through `parse_body`: its depth is found out where it is read."""
    deep: Any = 1
    for _ in range(300):
        deep = [deep]
    with pytest.raises(BadAsk, match="nested too deeply"):
        read_ask(
            {"model": "auto", "input": [{"role": "user", "content": "a", "x": deep}]},
            api=Api.RESPONSES, headers={}, caller=CALLER, request_id="r", size=9,
        )  # fmt: skip


def test_many_brackets_in_a_text_are_no_depth() -> None:
    """Program text is full of them."""
    assert asked(messages=[{"role": "user", "content": "[{" * 5000}]).spans


def test_a_body_of_too_many_parts_is_refused() -> None:
    """Two bytes of input may cost a hundred of memory; there is a limit."""
    with pytest.raises(BadAsk, match="too many parts"):
        parse_body(b'{"x":[' + b"[]," * 1_000_001 + b"1]}")


def test_of_two_keys_the_last_is_read_and_sent() -> None:
    """What was classified is what leaves, for a duplicate key as well."""
    letter_body = parse_body(b'{"model":"auto","messages":[],"messages":[{"role":"user","content":"b"}]}')
    assert orjson.dumps(letter_body).count(b"messages") == 1
    assert letter_body["messages"] == [{"role": "user", "content": "b"}]


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
        st.sampled_from(["user", "text", "image_url", "public", "restricted", "live", "json_schema", "document"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["type", "role", "content", "format", "source", "text", "privacy", "priority", "x", "file_id"]
            ),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)  # fmt: skip
FIELDS = [
    "model", "messages", "prompt", "input", "system", "instructions", "metadata", "stream", "stream_options", "n",
    "best_of", "max_tokens", "max_completion_tokens", "max_output_tokens", "tools", "functions", "response_format",
    "text", "query", "documents", "top_n", "return_documents", "output_config", "output_format", "logprobs",
    "previous_response_id", "conversation", "container", "x_note",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(api=st.sampled_from(Api), fields=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=3))
@example(api=Api.CHAT, fields={"messages": [{"role": ["user"]}]})
@example(api=Api.CHAT, fields={"messages": [{"role": {"a": 1}}]})
@example(api=Api.CHAT, fields={"metadata": {"priority": []}})
@example(api=Api.CHAT, fields={"metadata": {"privacy": []}})
@example(api=Api.CHAT, fields={"response_format": {"type": []}})
@example(api=Api.CHAT, fields={"messages": [{"role": "user", "content": [{"type": []}]}]})
@example(api=Api.RESPONSES, fields={"text": {"format": {"type": {}}}})
def test_any_value_in_any_field_is_read_or_refused(api: Api, fields: dict[str, Any]) -> None:
    """Only `BadAsk` comes out, its message holds nothing of the input, and what is read can be classified."""
    raw = json.dumps({**BODIES[api], **fields}).encode()
    try:
        letter = read_ask(parse_body(raw), api=api, headers={}, caller=CALLER, request_id="r", size=len(raw))
    except BadAsk as exc:
        refused = exc.message
    else:
        refused = ""
        assert classify(letter.ask, Rules()).label in Label
        assert orjson.dumps(dict(letter.body))
    assert refused.isascii()


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["privacy", "task", "session", "max-cost-usd", "deadline-ms", "priority"]), st.text(max_size=20))
def test_any_header_value_is_read_or_refused(name: str, value: str) -> None:
    """Header values are bytes of any kind, seen as latin-1."""
    text = value.encode().decode("latin-1")
    try:
        wishes = read_wishes({f"x-localfleet-{name}": text}, None)
    except BadAsk as exc:
        refused = exc.message
    else:
        refused = ""
        assert (wishes.label is not None) is (name == "privacy")
    assert refused.isascii()
    assert name != "privacy" or not refused


LABELS: list[tuple[Any, Label | None]] = [
    (None, None), ("public", Label.PUBLIC), ("Internal ", Label.INTERNAL), ("RESTRICTED", Label.RESTRICTED),
    ("", Label.RESTRICTED), ("secret", Label.RESTRICTED), (7, Label.RESTRICTED), ([], Label.RESTRICTED),
    ({"a": "public"}, Label.RESTRICTED), (True, Label.RESTRICTED), ("public\x00", Label.RESTRICTED),
]  # fmt: skip


@pytest.mark.parametrize(("by_meta", "meta"), LABELS)
@pytest.mark.parametrize(("by_header", "head"), [row for row in LABELS if row[0] is None or isinstance(row[0], str)])
def test_the_higher_of_header_and_metadata_counts(
    by_header: str | None, head: Label | None, by_meta: Any, meta: Label | None
) -> None:
    """Neither lowers the other, and one that cannot be read is restricted."""
    headers = {} if by_header is None else {"x-localfleet-privacy": by_header}
    wishes = read_wishes(headers, {"privacy": by_meta})
    assert wishes.label == max((label for label in (head, meta) if label is not None), default=None)


@pytest.mark.parametrize(
    ("value", "label"),
    [
        ("public, internal", Label.INTERNAL), ("restricted, public", Label.RESTRICTED), ("public,", Label.RESTRICTED),
        ("public, public", Label.PUBLIC), ("public\xa0", Label.PUBLIC), ("\xff\xfe", Label.RESTRICTED),
    ],
)  # fmt: skip
def test_of_several_header_values_the_highest_counts(value: str, label: Label) -> None:
    """Two headers of one name arrive joined by a comma."""
    assert read_wishes({"x-localfleet-privacy": value}, None).label is label


@pytest.mark.parametrize("key", ["privacy", "Privacy", "x-localfleet-privacy", "X_Localfleet_Privacy", " privacy "])
def test_a_label_in_metadata_is_found_in_any_spelling(key: str) -> None:
    """Who writes the header's name into metadata means it."""
    assert read_wishes({}, {key: "restricted", "other": "public"}).label is Label.RESTRICTED


@pytest.mark.parametrize("metadata", ["privacy: restricted", [], ["restricted"], 1, True, ""])
def test_metadata_of_another_shape_is_restricted(metadata: Any) -> None:
    """Law 2: a field that cannot be read."""
    assert asked(metadata=metadata).declared is Label.RESTRICTED
    assert asked(metadata=None).declared is None


def test_a_header_goes_before_metadata_for_everything_but_the_label() -> None:
    """Header and metadata may both say it; the header wins."""
    metadata = {"task": "m", "session": "m", "action": "m", "max_cost_usd": 1, "deadline_ms": 5, "priority": "batch"}
    headers = {
        "x-localfleet-task": "h", "x-localfleet-session": "h", "x-localfleet-max-cost-usd": "0.5",
        "x-localfleet-deadline-ms": "7", "x-localfleet-priority": "live", "x-localfleet-action": "h",
    }  # fmt: skip
    meta, both = read_wishes({}, metadata), read_wishes(headers, metadata)
    assert (meta.task, meta.session, meta.max_cost_usd, meta.deadline_ms) == ("m", "m", Decimal(1), 5)
    assert (both.task, both.session, both.max_cost_usd, both.deadline_ms) == ("h", "h", Decimal("0.5"), 7)
    assert (meta.action, both.action) == ("m", "h")
    assert (meta.priority, both.priority) == (Priority.BATCH, Priority.LIVE)


@pytest.mark.parametrize(
    "metadata",
    [
        {"max_cost_usd": "-1"}, {"max_cost_usd": "NaN"}, {"max_cost_usd": "sNaN"}, {"max_cost_usd": "Infinity"},
        {"max_cost_usd": True}, {"max_cost_usd": []}, {"max_cost_usd": "1e9999999999999999999"}, {"deadline_ms": 0},
        {"deadline_ms": -5}, {"deadline_ms": 1.5}, {"deadline_ms": "²"}, {"deadline_ms": 10**9}, {"deadline_ms": True},
        {"priority": "soon"}, {"priority": []}, {"priority": {}}, {"task": 5}, {"task": ""}, {"session": "x" * 513},
        {"action": ""},
    ],
)  # fmt: skip
def test_a_wish_that_means_nothing_is_refused(metadata: dict[str, Any]) -> None:
    """Guessing at a budget or a deadline would be worse than a 400."""
    with pytest.raises(BadAsk):
        read_wishes({}, metadata)


def test_a_name_that_is_too_long_is_told_how_long_it_may_be() -> None:
    """The sentence says the bound, since it says what to send instead."""
    with pytest.raises(BadAsk, match="texts of 1 to 512 characters"):
        read_wishes({"x-localfleet-action": "x" * 513}, None)


def test_the_output_limit_is_the_one_its_api_keeps() -> None:
    """What another API calls its limit limits nothing here: it must not shrink the reservation (law 9)."""
    assert asked(max_tokens=500, max_output_tokens=1).max_output_tokens == 500
    assert asked(max_tokens=1, max_completion_tokens=900).max_output_tokens == 900
    assert asked(max_output_tokens=1).max_output_tokens is None
    assert read(Api.RESPONSES, max_tokens=1, max_output_tokens=70).ask.max_output_tokens == 70
    assert read(Api.RESPONSES, max_tokens=1).ask.max_output_tokens is None
    assert read(Api.MESSAGES, max_tokens=70, max_completion_tokens=1).ask.max_output_tokens == 70


@pytest.mark.parametrize("value", [-1, 1.5, "5", True, [], {}, 10**10])
@pytest.mark.parametrize("key", ["max_tokens", "n"])
def test_a_number_that_is_none_is_refused(key: str, value: Any) -> None:
    """Limits and counts are whole numbers."""
    with pytest.raises(BadAsk, match="whole number"):
        asked(**{key: value})


@pytest.mark.parametrize("api", [*Api])
def test_streams(api: Api) -> None:
    """A flag; embeddings have none, and an engine that answered one whole would look broken."""
    assert not read(api, stream=None).ask.stream
    assert not read(api, stream=False).ask.stream
    with pytest.raises(BadAsk):
        read(api, stream="yes")
    if api in WORDLESS:
        with pytest.raises(BadAsk, match="do not stream"):
            read(api, stream=True)
    else:
        assert read(api, stream=True).ask.stream


def test_many_answers_are_counted() -> None:
    """Output is paid for each answer: `n`, `best_of`, and each prompt of a list."""
    assert asked(n=3).choices == 3
    assert read(Api.COMPLETION, prompt=["a", "b"], n=2, best_of=5).ask.choices == 10
    assert read(Api.EMBEDDING, input=["a", "b"]).ask.choices == 1


def test_needs() -> None:
    """What a request asks of a model beyond text."""
    image = {"type": "image_url", "image_url": {"url": "https://example.org"}}
    nested = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [image]}]}
    assert asked().needs == frozenset()
    assert asked(tools=[{}]).needs == asked(functions=[{}]).needs == {Need.TOOLS}
    assert asked(logprobs=True).needs == {Need.LOGPROBS}
    assert asked(response_format={"type": "json_schema"}).needs == {Need.JSON}
    assert read(Api.RESPONSES, text={"format": {"type": "json_object"}}).ask.needs == {Need.JSON}
    assert read(Api.MESSAGES, output_config={"format": {"type": "json_schema"}}).ask.needs == {Need.JSON}
    assert asked(messages=[nested]).needs == {Need.VISION}


@pytest.mark.parametrize(
    ("where", "fields", "found"),
    [
        ("metadata.department", {"metadata": {"department": " LEGAL "}}, True),
        ("metadata.department", {"metadata": {"department": "legal team"}}, False),
        ("metadata.department", {"metadata": {"note": "legal"}}, False),
        ("metadata.cost_center", {"metadata": {"cost_center": "Legal"}}, True),
        ("metadata.cost_center", {"metadata": {"cost_center": 4711}}, True),
        ("metadata.cost_center", {"metadata": {"cost_center": 47110}}, True),
        ("metadata.secret", {"metadata": {"secret": True}}, True),
        ("messages[].name", {"messages": [USER, {**USER, "name": "Legal"}]}, True),
        ("messages[].name", {"messages": [{**USER, "content": "legal"}]}, False),
        ("messages[].role", {"messages": [{"role": "system", "content": "a"}]}, True),
        ("user", {"user": "legal"}, True),
        ("x_tags[].kind", {"x_tags": [{"kind": "a"}, {"kind": "legal"}]}, True),
    ],
)
def test_field_rules_match_whole_values(where: str, fields: dict[str, Any], *, found: bool) -> None:
    """Any case, white space around does not count, names that nobody else knows come in by the rule."""
    values = frozenset({"legal", "4711", "47110", "true", "system"})
    rules = Rules(fields=(FieldRule(name="r", label=Label.RESTRICTED, where=where, values=values),))
    names = tuple(part.removesuffix("[]") for part in where.split("."))
    assert (classify(read(Api.CHAT, ruled=names, **fields).ask, rules).label is Label.RESTRICTED) is found


def test_moving_a_cache_mark_changes_no_turn() -> None:
    """Anthropic's clients mark the newest block of each request: the turns before are the same conversation."""
    plain = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    marked = {"content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}], "role": "user"}
    assert read(Api.MESSAGES, messages=[plain]).ask.turns == read(Api.MESSAGES, messages=[marked]).ask.turns
    other = {"role": "user", "content": [{"type": "text", "text": "b"}]}
    assert read(Api.MESSAGES, messages=[plain]).ask.turns != read(Api.MESSAGES, messages=[other]).ask.turns


def test_recalled_turns_count_and_their_id_stays_here() -> None:
    """With `previous_response_id` the input was made longer than the bytes that came; the id means nothing outside."""
    raw = {"model": "auto", "previous_response_id": "resp_1", "input": [{"role": "user", "content": "word " * 999}]}
    letter = read_ask(raw, api=Api.RESPONSES, headers={}, caller=CALLER, request_id="r", size=50)
    assert letter.ask.input_bytes > 5000
    assert letter.ask.previous_response == "resp_1"
    assert "previous_response_id" not in letter.body
