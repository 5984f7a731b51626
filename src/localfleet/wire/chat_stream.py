"""A chat stream shown in another API: what such streams have in common, whatever their events look like."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from localfleet.wire.chat_answer import Answer

__all__ = ["ShownStream"]


class ShownStream(ABC):
    """
    One stream: `feed` each parsed chunk, then `finish`, or `error` where the engine died.

    Each returns the bytes of whole events, perhaps none; after `finish` or `error` there are no more.
    """

    def __init__(self, model: str, request_id: str) -> None:
        """`model` is the name shown to the client."""
        self._model = model
        self._request_id = request_id
        self._answer = Answer()
        self._ended = False

    def feed(self, chunk: Mapping[str, Any]) -> bytes:
        """Read one `chat.completion.chunk`; an odd one is read as far as it can be."""
        return b"" if self._ended else self._fed(chunk)

    def finish(self) -> bytes:
        """Close what is open and say why it ended."""
        return b"" if self._over() else self._finished()

    def error(self, code: str, message: str) -> bytes:
        """Return the last event of a stream that broke; `message` is a fixed sentence."""
        return b"" if self._over() else self._broken(code, message)

    def _over(self) -> bool:
        """End it; whether it had ended before."""
        before, self._ended = self._ended, True
        return before

    @abstractmethod
    def _fed(self, chunk: Mapping[str, Any]) -> bytes: ...

    @abstractmethod
    def _finished(self) -> bytes: ...

    @abstractmethod
    def _broken(self, code: str, message: str) -> bytes: ...
