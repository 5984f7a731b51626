"""
OpenAI's Responses API, in stateless use, spoken through chat completions: the request one way, the answer back.

`to_chat` translates the request, `from_chat` a whole answer, `StreamFromChat` a stream. Pure: no clock, no sockets.
"""

from localfleet.wire.responses.reply import from_chat
from localfleet.wire.responses.request import to_chat
from localfleet.wire.responses.stream import StreamFromChat

__all__ = ["StreamFromChat", "from_chat", "to_chat"]
