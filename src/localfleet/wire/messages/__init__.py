"""
Anthropic's Messages API spoken through OpenAI chat completions: the request one way, the answer back.

`to_chat` translates the request, `from_chat` a whole answer, `StreamFromChat` a stream. Pure: no clock, no sockets.
"""

from localfleet.wire.messages.reply import from_chat
from localfleet.wire.messages.request import to_chat
from localfleet.wire.messages.stream import StreamFromChat

__all__ = ["StreamFromChat", "from_chat", "to_chat"]
