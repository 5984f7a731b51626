"""A provider's safety refusal, told from answers that only speak of one."""

import json

import pytest

from localfleet.core.ask import Api
from localfleet.wire.declined import declined

SAYS = 'it said "finish_reason": "content_filter" and "refusal": "no"'


@pytest.mark.parametrize(
    ("api", "answer", "refused"),
    [
        (Api.CHAT, {"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]}, True),
        (Api.CHAT, {"choices": [{"finish_reason": "stop", "message": {"refusal": "I cannot"}}]}, True),
        (Api.CHAT, {"choices": [{"finish_reason": "stop", "message": {"refusal": None, "content": SAYS}}]}, False),
        (Api.MESSAGES, {"type": "message", "stop_reason": "refusal", "content": []}, True),
        (Api.MESSAGES, {"stop_reason": "tool_use", "content": [{"input": {"refusal": "x"}}]}, False),
        (Api.RESPONSES, {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, True),
        (Api.RESPONSES, {"output": [{"content": [{"type": "refusal", "refusal": "no"}]}]}, True),
        (Api.RESPONSES, {"output": [{"content": [{"type": "output_text", "text": SAYS}]}]}, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_what_the_api_says_and_not_what_the_text_says(
    api: Api, answer: dict[str, object], separators: tuple[str, str], *, refused: bool
) -> None:
    """Whole or as an event of a stream, in either spelling of JSON."""
    said = json.dumps(answer, separators=separators).encode()
    assert declined(said, api) is refused
    assert declined(b"data: " + said + b"\n\n", api) is refused
