"""Which translation goes with which API, for engines that speak only chat."""

from collections.abc import Mapping
from typing import Any

from localfleet.core.ask import Api
from localfleet.wire import messages, responses
from localfleet.wire.relay import Translator

__all__ = ["from_chat", "stream_from_chat", "to_chat"]


def to_chat(api: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """The chat body of a Messages or Responses request; raise `ValueError` for an API that is not translated."""
    if api is Api.MESSAGES:
        return messages.to_chat(body)
    if api is Api.RESPONSES:
        return responses.to_chat(body)
    raise ValueError("this API is not translated")


def from_chat(api: Api, reply: Mapping[str, Any], *, model: str, request_id: str) -> dict[str, Any]:
    """A whole chat answer in the caller's API; raise `ValueError` if it holds no message."""
    translate = messages.from_chat if api is Api.MESSAGES else responses.from_chat
    return translate(reply, model=model, request_id=request_id)


def stream_from_chat(api: Api, *, model: str, request_id: str) -> Translator:
    """A translator for one stream."""
    translator = messages.StreamFromChat if api is Api.MESSAGES else responses.StreamFromChat
    return translator(model, request_id)
