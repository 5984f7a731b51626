"""
An upstream that streams: 20 chat chunks, the first at once, then one each 5 ms. `python bench/sse_upstream.py PORT`.

Raw asyncio, so that its own share of the time to the first token is as small as it gets.
"""

import asyncio
import sys

import orjson

__all__ = ["main"]

CHUNKS = 20
PAUSE_S = 0.005
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BASE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_763_790_000, "model": "bench"}


def event(number: int) -> bytes:
    """One chat chunk as an HTTP chunk."""
    delta = {"role": "assistant", "content": "Hello"} if number == 0 else {"content": " again"}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return framed(b"data: " + orjson.dumps(BASE | {"choices": [choice]}) + b"\n\n")


def framed(data: bytes) -> bytes:
    """Data as an HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


EVENTS = [event(number) for number in range(CHUNKS)]
END = framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request after the other on a connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(size.partition(b":")[2]))
            writer.write(HEAD + EVENTS[0])
            for chunk in EVENTS[1:]:
                await asyncio.sleep(PAUSE_S)
                writer.write(chunk)
            writer.write(END)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
