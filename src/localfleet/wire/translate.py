"""Which translation goes with which API, for engines that speak another."""

from collections.abc import Mapping
from typing import Any

from localfleet.core.ask import Api
from localfleet.wire import messages, ranking, responses
from localfleet.wire.relay import Translator

__all__ = ["from_asked", "from_chat", "stream_from_chat", "to_asked", "to_chat"]

RERANK = Api.RERANK


def to_asked(api: Api, asked: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request of `api` for an engine that is asked in `asked`; raise `ValueError` where no translation exists."""
    if api is RERANK:
        return ranking.to_ranker(body) if asked is api else ranking.to_vectors(body)
    return dict(body) if asked is api else to_chat(api, body)


def to_chat(api: Api, body: Mapping[str, Any]) -> dict[str, Any]:
    """The chat body of a Messages or Responses request; raise `ValueError` for an API that is not translated."""
    if api is Api.MESSAGES:
        return messages.to_chat(body)
    if api is Api.RESPONSES:
        return responses.to_chat(body)
    raise ValueError("this API is not translated")


def from_asked(
    api: Api, body: Mapping[str, Any], reply: Mapping[str, Any], *, model: str, request_id: str
) -> dict[str, Any]:
    """A whole answer in the caller's API, to the request `body`; raise `ValueError` if it holds none."""
    if api is RERANK:
        return ranking.ranked(body, reply, model=model, request_id=request_id)
    return from_chat(api, reply, model=model, request_id=request_id)


def from_chat(api: Api, reply: Mapping[str, Any], *, model: str, request_id: str) -> dict[str, Any]:
    """A whole chat answer in the caller's API; raise `ValueError` if it holds no message."""
    translate = messages.from_chat if api is Api.MESSAGES else responses.from_chat
    return translate(reply, model=model, request_id=request_id)


def stream_from_chat(api: Api, *, model: str, request_id: str) -> Translator:
    """A translator for one stream."""
    translator = messages.StreamFromChat if api is Api.MESSAGES else responses.StreamFromChat
    return translator(model, request_id)
