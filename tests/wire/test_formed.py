"""A model's own words in bodies of each API, and chat streams made alike at any cut of their bytes."""

import orjson
import pytest

from localfleet.core.ask import Api
from localfleet.core.form import AnswerForm, Form
from localfleet.wire.formed import CleanEvents, clean_whole, formed

FORM = Form(before="A", after="Z")


@pytest.mark.parametrize(
    ("api", "body", "sent"),
    [
        (Api.CHAT, {"messages": []}, {"messages": [{"role": "system", "content": "A\n\nZ"}]}),
        (
            Api.CHAT,
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]},
            {"messages": [{"role": "system", "content": "A\n\ns\n\nZ"}, {"role": "user", "content": "u"}]},
        ),
        (
            Api.MESSAGES,
            {"system": [{"type": "text", "text": "s"}]},
            {"system": [{"type": "text", "text": text} for text in "AsZ"]},
        ),
        (Api.MESSAGES, {}, {"system": "A\n\nZ"}),
        (Api.RESPONSES, {"instructions": "s"}, {"instructions": "A\n\ns\n\nZ"}),
        (Api.COMPLETION, {"prompt": "s"}, {"prompt": "A\n\ns\n\nZ"}),
        (Api.COMPLETION, {"prompt": ["s"]}, {"prompt": ["s"]}),
        (Api.EMBEDDING, {"input": "s"}, {"input": "s"}),
    ],
)
def test_words_stand_around_the_system_prompt(api: Api, body: dict[str, object], sent: dict[str, object]) -> None:
    """In each API where that API has it; the caller's body is not touched, and no form adds nothing."""
    before = orjson.dumps(body)
    assert formed(api, body, FORM) == sent
    assert orjson.dumps(body) == before
    assert formed(api, body, None) is formed(api, body, Form()) is body


ANSWER = AnswerForm(thinking="apart", unfence=True, finish={"eos": "stop"})
PIECES = ("<th", "ink>höre", "</think>", "\n```json\n", '{"a":1}', "\n``", "`")


def stream() -> bytes:
    """Two choices, the second without any thought."""
    chunks: list[dict[str, object]] = [{"choices": [{"index": 0, "delta": {"content": p}}]} for p in PIECES]
    chunks.insert(2, {"choices": [{"index": 1, "delta": {"content": "[2]"}}]})
    chunks += [{"choices": [{"index": i, "delta": {}, "finish_reason": "eos"}]} for i in (0, 1)]
    return b"".join(b"data: %b\n\n" % orjson.dumps(one) for one in chunks) + b": ping\n\ndata: [DONE]\n\n"


def told(raw: bytes) -> dict[int, tuple[str, str, object]]:
    """Text, thought and finish reason of each choice."""
    said: dict[int, tuple[str, str, object]] = {}
    for line in raw.split(b"\n\n"):
        if line.startswith(b"data: {"):
            (choice,) = orjson.loads(line[6:])["choices"]
            text, thought, _ = said.get(choice["index"], ("", "", None))
            delta = choice["delta"]
            text, thought = text + delta.get("content", ""), thought + delta.get("reasoning_content", "")
            said[choice["index"]] = (text, thought, choice.get("finish_reason"))
    return said


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_a_stream_is_made_alike_at_any_cut(size: int) -> None:
    """Bytes cut inside of letters, tags and events change nothing; comments and the end pass."""
    events, raw = CleanEvents(ANSWER, json=True), stream()
    shown = b"".join(events.feed(raw[at : at + size]) for at in range(0, len(raw), size)) + events.finish()
    assert told(shown) == {0: ('{"a":1}', "höre", "stop"), 1: ("[2]", "", "stop")}
    assert shown.endswith(b": ping\n\ndata: [DONE]\n\n")


def test_a_whole_answer_is_made_alike() -> None:
    """The same for an answer in one piece; what is no answer stays as it is."""
    message = {"role": "assistant", "content": "".join(PIECES)}
    raw = orjson.dumps({"choices": [{"message": message, "finish_reason": "eos"}]})
    (choice,) = orjson.loads(clean_whole(raw, ANSWER, json=True))["choices"]
    assert choice["message"] == {"role": "assistant", "content": '{"a":1}', "reasoning_content": "höre"}
    assert choice["finish_reason"] == "stop"
    for odd in (b"no", b"[]", b'{"choices":[]}', b'{"choices":7}'):
        assert clean_whole(odd, ANSWER, json=True) == odd
