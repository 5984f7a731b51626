"""A real server of uvicorn's with a protocol of ours, and one client's part played to it over a real connection."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from uvicorn import Config, Server

__all__ = ["Play", "served"]

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
IN_TIME_S = 5


async def served(app: Any, http: type[asyncio.Protocol], play: Play, **settings: Any) -> None:
    """Serve this ASGI application until the play is over; raises `TimeoutError` where it takes too long."""
    config = Config(app, http=http, ws="none", lifespan="off", log_config=None, access_log=False, **settings)
    server = Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        await server.startup([sock])
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        try:
            async with asyncio.timeout(IN_TIME_S):
                await play(reader, writer)
        finally:
            writer.close()
            await asyncio.sleep(0.01)
            server.force_exit = True
            await server.shutdown([sock])
