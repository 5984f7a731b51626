"""
`/v1/files` and `/v1/batches`: OpenAI's endpoints for work in files, in front of the desk.

What it knows of HTTP ends here. Bodies are held in memory, never in a temporary file.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from localfleet.batches.desk import Desk
from localfleet.batches.runner import Answered
from localfleet.batches.shapes import ENDPOINTS
from localfleet.core.ask import Api, Caller
from localfleet.errors import BadAsk, FleetError, NotFound, ShuttingDown, TooLarge, TooSlow
from localfleet.server.data_plane import DataPlane, Porch
from localfleet.server.errors import LAST_RESORT, NO_ENDPOINT, envelope
from localfleet.server.headers import Headers, read_headers
from localfleet.wire.multipart import parts_of
from localfleet.wire.read import parse_body

__all__ = ["BatchPlane", "answer_line"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
BODY_S = 300.0
FORM_BYTES = 64 * 1024
"""What a form may have beside its file."""
KEPT_HEADERS = ("x-localfleet-privacy", "x-localfleet-task", "x-localfleet-max-cost-usd")
"""What the creator of a batch may say of all its lines."""
LISTED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: who asks, what of, and its body to come."""

    caller: Caller
    headers: Headers
    receive: Receive
    name: str
    """The id in the path, if there is one."""


@dataclass(slots=True, kw_only=True)
class BatchPlane:
    """ASGI application for the two paths. `file_bytes` is the most that one file may have."""

    porch: Porch
    desk: Desk
    file_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; never raises for anything a caller does, never echoes."""
        try:
            with LAST_RESORT:
                answer = await self._serve(scope, receive)
        except FleetError as exc:
            answer = Response(envelope(exc, None), status_code=exc.status, media_type="application/json")
            if exc.retry_after_s is not None:
                answer.headers["retry-after"] = str(exc.retry_after_s)
        await answer(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive) -> Response:
        if self.porch.plane.traffic.draining:
            raise ShuttingDown("This router is shutting down. Try another, or again soon.", retry_after_s=5)
        headers = read_headers(scope["headers"])
        caller = self.porch.plane.doorkeeper.admit(headers)
        parts = scope["path"].split("/")[2:]
        name = parts[1] if len(parts) > 1 else ""
        shape = "/".join((parts[0], *("*" for _ in parts[1:2]), *parts[2:]))
        ask = Asked(caller=caller, headers=headers, receive=receive, name=name)
        steps = {
            "POST files": self._put_file,
            "GET files": self._files,
            "GET files/*": self._show_file,
            "GET files/*/content": self._content,
            "DELETE files/*": self._delete_file,
            "POST batches": self._open_batch,
            "GET batches": self._batches,
            "GET batches/*": self._show_batch,
            "POST batches/*/cancel": self._cancel,
        }
        step = steps.get(f"{scope['method']} {shape}")
        if step is None:
            raise NotFound(NO_ENDPOINT)
        return await step(ask)

    async def _put_file(self, ask: Asked) -> Response:
        body = await self._body(ask, self.file_bytes + FORM_BYTES)
        parts = {part.name: part for part in parts_of(ask.headers.get("content-type", ""), body)}
        file, purpose = parts.get("file"), parts.get("purpose")
        if file is None or purpose is None or purpose.content != b"batch":
            raise BadAsk("A file comes with the fields `purpose` (`batch`) and `file`.", param="purpose")
        filename = (file.filename or "batch.jsonl")[:255]
        kept = await self.desk.keep_file(ask.caller, file.content, filename=filename, purpose="batch")
        return JSONResponse(kept.shown())

    async def _files(self, ask: Asked) -> Response:
        return _listed([one.shown() for one in self.desk.files.values() if one.key_id == ask.caller.key_id])

    async def _show_file(self, ask: Asked) -> Response:
        return JSONResponse(self.desk.file(ask.caller, ask.name).shown())

    async def _content(self, ask: Asked) -> Response:
        return Response(await self.desk.content(ask.caller, ask.name), media_type="application/octet-stream")

    async def _delete_file(self, ask: Asked) -> Response:
        await self.desk.delete_file(ask.caller, ask.name)
        return JSONResponse({"id": ask.name, "object": "file", "deleted": True})

    async def _batches(self, ask: Asked) -> Response:
        return _listed([one.shown() for one in self.desk.batches.values() if one.key_id == ask.caller.key_id])

    async def _show_batch(self, ask: Asked) -> Response:
        return JSONResponse(self.desk.batch(ask.caller, ask.name).shown())

    async def _cancel(self, ask: Asked) -> Response:
        return JSONResponse((await self.desk.cancel(ask.caller, ask.name)).shown())

    async def _open_batch(self, ask: Asked) -> Response:
        body = parse_body(await self._body(ask, FORM_BYTES))
        endpoint, file_id = body.get("endpoint"), body.get("input_file_id")
        if not isinstance(endpoint, str) or endpoint not in ENDPOINTS:
            raise BadAsk(f"`endpoint` is one of {', '.join(ENDPOINTS)}.", param="endpoint")
        if not isinstance(file_id, str):
            raise BadAsk("`input_file_id` is the id of a file from POST /v1/files.", param="input_file_id")
        batch = await self.desk.open_batch(
            ask.caller,
            input_file_id=file_id,
            endpoint=endpoint,
            window=str(body.get("completion_window") or "24h")[:16],
            headers={name: ask.headers[name] for name in KEPT_HEADERS if name in ask.headers},
            metadata=_metadata(body.get("metadata")),
        )
        return JSONResponse(batch.shown())

    async def _body(self, ask: Asked, most: int) -> bytes:
        declared = ask.headers.get("content-length", "0")
        parts: list[bytes] = []
        size = int(declared[:12]) if declared.isascii() and declared.isdigit() else 0
        try:
            async with asyncio.timeout(BODY_S):
                while size <= most:
                    message = await ask.receive()
                    if message["type"] == "http.disconnect":
                        break
                    parts.append(message.get("body", b""))
                    size = sum(map(len, parts))
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise TooSlow("The body did not arrive in time. Send it faster, or in smaller files.") from None
        if size > most:
            raise TooLarge(f"The file is over the limit of {self.file_bytes // 2**20} MiB (batches.file_mib).")
        return b"".join(parts)


async def answer_line(plane: DataPlane, api: Api, headers: Headers, caller: Caller, raw: bytes) -> Answered:
    """One line of a batch: status, request id and body, as a client of its own would have got them."""
    request_id = next(plane.request_ids)
    visit, letter, error = await plane.read(api, request_id, headers, caller, raw)
    if letter is None:
        return Answered(status=error.status, request_id=request_id, body=envelope(error, api))
    answer = await plane.gateway.answer(letter, visit)
    if answer.error is not None:
        return Answered(status=answer.status, request_id=request_id, body=envelope(answer.error, api))
    return Answered(status=answer.status, request_id=request_id, body=answer.whole or b"{}")


def _metadata(value: Any) -> dict[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise BadAsk("`metadata` is an object of texts.", param="metadata")
    return value


def _listed(rows: list[dict[str, Any]]) -> Response:
    newest = sorted(rows, key=lambda row: (-row["created_at"], row["id"]))[:LISTED]
    first, last = (newest[0]["id"], newest[-1]["id"]) if newest else (None, None)
    more = len(rows) > LISTED
    return JSONResponse({"object": "list", "data": newest, "has_more": more, "first_id": first, "last_id": last})
