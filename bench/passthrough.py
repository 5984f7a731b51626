"""
The bare pass-through: uvicorn, one JSON parse and dump, an upstream client, and nothing else.

What a Python proxy pays at least. `python bench/passthrough.py PORT UPSTREAM_URL own|pyreqwest` serves until killed.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import uvicorn
from pyreqwest.client import ClientBuilder

from localfleet.engines.client import Headers, HttpClient

__all__ = ["main"]

Post = Callable[[bytes], Awaitable[tuple[int, bytes]]]
TIMEOUT_S = 60.0


def own_post(base_url: str) -> Post:
    """Post through localfleet's own client."""
    host = HttpClient().at(base_url)
    headers = Headers({"content-type": "application/json"})

    async def post(body: bytes) -> tuple[int, bytes]:
        deadline = asyncio.get_running_loop().time() + TIMEOUT_S
        response = await host.post("/chat/completions", headers, body, deadline=deadline, request_id="bench")
        return response.status, await response.read(deadline)

    return post


def pyreqwest_post(base_url: str) -> Post:
    """Post through the Rust client, kept alive and without proxies."""
    client = ClientBuilder().http1_only().no_proxy().build()
    url = f"{base_url}/chat/completions"

    async def post(body: bytes) -> tuple[int, bytes]:
        request = client.post(url).header("content-type", "application/json").body_bytes(body).build()
        response = await request.send()
        return response.status, bytes(await response.bytes())

    return post


def application(post: Post) -> Callable[..., Awaitable[None]]:
    """Return an ASGI application that forwards chat requests under another model's name."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        fields = orjson.loads(b"".join(parts))
        fields["model"] = "gpt-4o-mini"
        status, body = await post(orjson.dumps(fields))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def main() -> None:
    """Serve with the settings that localfleet itself uses."""
    port, base_url, client = sys.argv[1:]
    post = own_post(base_url) if client == "own" else pyreqwest_post(base_url)
    uvicorn.run(
        application(post),
        host="127.0.0.1",
        port=int(port),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )


if __name__ == "__main__":
    main()
