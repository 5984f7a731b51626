"""Law 2: what nothing here can read is named, wherever a body hides it; what can be read is not."""

import base64
import random
from typing import Any

import pytest

from localfleet.core.ask import Api, Caller
from localfleet.core.label import Label
from localfleet.errors import BadAsk
from localfleet.wire.read import read_ask

CALLER = Caller(key_id="k", name="k", default_label=Label.PUBLIC)
BLOB = base64.b64encode(random.Random(7).randbytes(900)).decode()
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
TEXT = {"type": "text", "text": "hello"}
USER = {"role": "user", "content": "hello"}
PLAIN: dict[Api, dict[str, Any]] = {
    Api.CHAT: {"messages": [USER]},
    Api.MESSAGES: {"messages": [USER], "max_tokens": 9},
    Api.COMPLETION: {"prompt": "hello"},
    Api.EMBEDDING: {"input": "hello"},
    Api.RERANK: {"query": "hello", "documents": ["hello"]},
    Api.RESPONSES: {"input": "hello"},
}


def kinds(api: Api, **fields: Any) -> set[str]:
    """What is unreadable in a body."""
    body = {"model": "auto", **PLAIN[api], **fields}
    letter = read_ask(body, api=api, headers={}, caller=CALLER, request_id="r", size=100)
    return set(letter.ask.unreadable)


def chat(content: Any, **more: Any) -> set[str]:
    """One chat message."""
    return kinds(Api.CHAT, messages=[{"role": "user", "content": content, **more}])


def claude(content: Any) -> set[str]:
    """One Messages turn."""
    return kinds(Api.MESSAGES, messages=[{"role": "user", "content": content}])


def said(*items: Any) -> set[str]:
    """Items of a Responses input."""
    return kinds(Api.RESPONSES, input=list(items))


def test_what_can_be_read_is_not_unreadable() -> None:
    """Every readable part, call, result, thought, schema and plain document passes."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert chat("hello") == chat([TEXT, TEXT]) == chat(None, tool_calls=[call], audio=None, annotations=[]) == set()
    assert chat([{"type": "refusal", "refusal": "no"}], reasoning_content="hm") == set()
    assert kinds(Api.CHAT, messages=[{"role": "tool", "tool_call_id": "c", "content": [TEXT]}]) == set()
    assert kinds(Api.CHAT, prediction={"type": "content", "content": [TEXT]}) == set()
    schema = {"type": "object", "properties": {n: {"type": "string"} for n in ("file_id", "image", "file", "audio")}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert kinds(Api.CHAT, tools=[tool], metadata={"file_id": "7"}, stop=["a"], modalities=["text"]) == set()
    use = {"type": "tool_use", "id": "t", "name": "f", "input": {"type": "image", "file_id": "x", "n": list(range(99))}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [TEXT]}
    plain = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}}
    content = {"type": "document", "source": {"type": "content", "content": [TEXT]}}
    thought = {"type": "thinking", "thinking": "hm", "signature": BLOB}
    found = {"type": "search_result", "source": "s", "title": "t", "content": [TEXT]}
    assert claude([use, result, plain, content, thought, found, {**TEXT, "cache_control": {"type": "x"}}]) == set()
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}]}
    output = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "a"}]}
    idea = {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "s"}], "content": None}
    assert said(USER, answer, output, idea, {"type": "function_call", "name": "f", "arguments": "{}"}) == set()
    assert kinds(Api.COMPLETION, prompt=["a", "b"]) == kinds(Api.EMBEDDING, input=["a"]) == set()


@pytest.mark.parametrize("content", [5, True, 1.5, {"text": "a"}, [5], [None], [[1, 2]], [TEXT, 7], [{}], {}])
def test_content_of_an_odd_type_is_unknown(content: Any) -> None:
    """Content is text, or parts of a known type; token ids and anything else are not."""
    assert chat(content) == {"unknown"}
    assert claude(content) == {"unknown"}
    assert said({"role": "user", "content": content}) == {"unknown"}


@pytest.mark.parametrize("tokens", [[1, 2, 3], [[1], [2]], [True], [None]])
def test_token_ids_are_unknown(tokens: Any) -> None:
    """Numbers instead of words, in a prompt or an input."""
    assert "unknown" in kinds(Api.COMPLETION, prompt=tokens)
    assert "unknown" in kinds(Api.EMBEDDING, input=tokens)


PARTS: list[tuple[Any, str]] = [
    (IMAGE, "image"),
    ({"type": "image_url", "image_url": "https://example.org/a.png"}, "image"),
    ({"type": "input_image", "file_id": "f"}, "image"),
    ({"type": "image", "source": {"type": "url", "url": "https://example.org"}}, "image"),
    ({"type": "image", "source": {"type": "file", "file_id": "f"}}, "image"),
    ({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}, "audio"),
    ({"type": "video_url", "video_url": {"url": "https://example.org"}}, "video"),
    ({"type": "file", "file": {"file_id": "f"}}, "file"),
    ({"type": "input_file", "file_url": "https://example.org"}, "file"),
    ({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AA"}}, "file"),
    ({"type": "document", "source": {"type": "file", "file_id": "f"}}, "file"),
    ({"type": "document", "source": {"type": "content", "content": [IMAGE]}}, "image"),
    ({"type": "document"}, "file"),
    ({"type": "container_upload", "file_id": "f"}, "file"),
    ({"type": "redacted_thinking", "data": "AA"}, "encrypted"),
    ({"type": "hologram", "hologram": "x"}, "unknown"),
    ({"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}}, "unknown"),
    ({"type": ["text"], "text": "a"}, "unknown"),
    ({"type": {"a": 1}, "text": "a"}, "unknown"),
    ({"image_url": {"url": "https://example.org"}}, "image"),
    ({"role": "user", "image_url": {"url": "https://example.org"}}, "image"),
    ({**TEXT, "image_url": {"url": "https://example.org"}}, "image"),
    ({**TEXT, "file_id": "f"}, "file"),
    ({**TEXT, "source": {"type": "base64", "data": "AA"}}, "file"),
    ({**TEXT, "extra": {"inner": [IMAGE]}}, "image"),
    ({**TEXT, "input": IMAGE}, "image"),
    ({"type": "text", "text": {"data": "AA"}}, "unknown"),
    ({"type": "tool_result", "tool_use_id": "t", "content": [IMAGE]}, "image"),
    ({"type": "tool_result", "tool_use_id": "t", "content": IMAGE}, "image"),
    ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "tool_result", "content": [IMAGE]}]}, "image"),
    ({"type": "text", "text": f"look: ![x]({PIXEL})"}, "encoded"),
    ({"type": "text", "text": f"payload {BLOB}"}, "encoded"),
]


@pytest.mark.parametrize(("part", "kind"), PARTS)
def test_no_part_hides_what_cannot_be_read(part: Any, kind: str) -> None:
    """In every API, alone, beside text, nested in content, and as an object instead of a list."""
    for content in ([part], [TEXT, part], part, [[part]]):
        assert kind in chat(content)
        assert kind in claude(content)
        assert kind in said({"role": "user", "content": content})
        assert kind in said({"type": "function_call_output", "call_id": "c", "output": content})
    assert kind in kinds(Api.MESSAGES, system=[part])
    assert kind in kinds(Api.RESPONSES, instructions=[part])
    assert kind in kinds(Api.EMBEDDING, input=[part])
    assert kind in kinds(Api.COMPLETION, prompt=[part])


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"type": "item_reference", "id": "x"}, "reference"),
        ({"type": "reasoning", "summary": [], "encrypted_content": "AA"}, "encrypted"),
        ({"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}}, "unknown"),
        ({"type": "image_generation_call", "result": "AA"}, "unknown"),
        ({"type": "message", "role": "user", "content": [{"type": "input_file", "file_id": "f"}]}, "file"),
        ({"id": "x"}, "unknown"),
        (7, "unknown"),
    ],
)
def test_responses_items(item: Any, kind: str) -> None:
    """What a provider keeps, seals or draws."""
    assert kind in said(USER, item)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"audio": {"id": "audio_1"}}, "audio"),
        ({"images": ["AA"]}, "image"),
        ({"image_url": {"url": "https://example.org"}}, "image"),
        ({"tool_calls": [{"type": "function", "function": {"arguments": IMAGE}}]}, "image"),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "AA"}]}, "encrypted"),
    ],
)
def test_a_message_carries_nothing_beside_its_content(fields: dict[str, Any], kind: str) -> None:
    """Keys of a message that hold media."""
    assert kind in chat("hello", **fields)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"prediction": {"type": "content", "content": [IMAGE]}}, "image"),
        ({"documents": [{"type": "document", "source": {"type": "base64", "data": "AA"}}]}, "file"),
        ({"documents": [{"text": BLOB}]}, "encoded"),
        ({"conversation": "conv_1"}, "reference"),
        ({"conversation": {"id": "conv_1"}}, "reference"),
        ({"container": "c_1"}, "reference"),
        ({"prompt_embeds": "AA"}, "encoded"),
        ({"image_data": ["AA"]}, "image"),
        ({"images": ["AA"]}, "image"),
        ({"x_note": [[{"deep": IMAGE}]]}, "image"),
        ({"x_note": PIXEL}, "encoded"),
        ({"x_note": [0.5] * 64}, "encoded"),
        ({"metadata": {"note": BLOB}}, "encoded"),
        ({"metadata": {"signature": BLOB}}, "encoded"),
        ({"tools": [{"type": "code_interpreter", "container": {"type": "auto", "file_ids": ["f"]}}]}, "file"),
        ({"input_items": [{"type": "input_image", "image_url": "https://example.org"}]}, "image"),
        ({BLOB: 1}, "encoded"),
    ],
)
def test_other_fields_carry_nothing_unreadable(fields: dict[str, Any], kind: str) -> None:
    """Known options and unknown fields of any API."""
    for api in Api:
        if api is Api.RERANK and "source" in fields.get("documents", [{}])[0]:
            with pytest.raises(BadAsk):  # its documents are texts: nothing else gets as far as to be read
                kinds(api, **fields)
        else:
            assert kind in kinds(api, **fields)
    assert "reference" in kinds(Api.RESPONSES, prompt={"id": "pmpt_1"})


@pytest.mark.parametrize(
    "text",
    [
        "x" * 5000,
        "word " * 2000,
        "-" * 3000,
        "\n".join(f"user{i}" for i in range(900)),
        "https://example.org/" + "a/b1?c=%20&d=e" * 80,
        "def f(x):\n    return [x, 1]\n" * 200,
        "The marker is `;base64,` and it stands in data URLs.",
        "语言模型" * 500,
        "ACGT" * 900,
    ],
)
def test_ordinary_long_texts_are_not_encoded(text: str) -> None:
    """Prose, code, lists, rulers, links, other scripts."""
    assert chat(text) == set()


def test_encoded_text_is_found_at_any_offset_and_in_lines() -> None:
    """Wherever a run begins, in one piece or broken as mail and keys are."""
    lines = base64.encodebytes(random.Random(1).randbytes(900)).decode()
    hexa = random.Random(2).randbytes(400).hex()
    for blob in (BLOB, lines, hexa):
        for before in range(0, 300, 37):
            assert chat("a " * before + blob + " and so on") == {"encoded"}


def test_what_other_makers_call_media_is_found_too() -> None:
    """Google's names for bytes, files and attachments beside a message, and a document with more than its text."""
    inline = {"mime_type": "image/png", "data": "aGk="}
    assert chat([{**TEXT, "inline_data": inline}]) == {"file"}
    assert chat("hello", inlineData=inline) == chat("hello", fileData={"fileUri": "f"}) == {"file"}
    assert chat("hello", parts=[{"fileData": {"fileUri": "f"}}]) == {"file"}
    for name in ("file_id", "file_ids", "file_url", "file_data", "attachments"):
        assert kinds(Api.CHAT, **{name: ["f"]}) == {"file"}, name
    mask = {"type": "image_generation", "input_image_mask": {"image_url": "https://example.org/m.png"}}
    assert kinds(Api.RESPONSES, tools=[mask]) == {"image"}
    source = {"type": "text", "media_type": "text/plain", "data": "hello", "file_id": "f"}
    assert claude([{"type": "document", "source": source}]) == {"file"}


@pytest.mark.parametrize("prefix", ["DATA:IMAGE/PNG;BASE64,", "data:image/png; base64,", "data:image/png;BASE64, "])
def test_a_data_url_in_any_spelling_is_encoded(prefix: str) -> None:
    """Browsers read these as well."""
    assert chat(f"look: {prefix}{BLOB[:40]}") == {"encoded"}
    assert chat(f"write {prefix} and then the bytes") == set()
