"""
Builds the application: the bare data plane for `/v1/*`, FastAPI for everything a person or a monitor looks at.

No module-level app: `build_app` is called once, by `assemble`.
"""

from asyncio import to_thread
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from secrets import compare_digest
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from localfleet import __version__
from localfleet.core.feedback import Feedback
from localfleet.core.fleet import EngineState, Fleet, Model
from localfleet.core.gpu import GpuView
from localfleet.errors import BadAsk, FleetError, NotFound, Unauthenticated
from localfleet.people.tickets import Tickets
from localfleet.ports import LedgerHealth
from localfleet.server.auth import bearer, check_same_machine
from localfleet.server.batch_plane import BatchPlane
from localfleet.server.data_plane import Porch
from localfleet.server.errors import envelope
from localfleet.server.exchange import Receive, Scope, Send
from localfleet.server.feedback import add_feedback
from localfleet.server.metrics import Metrics
from localfleet.server.openapi import describe
from localfleet.server.tickets import Counter, add_tickets

__all__ = ["Books", "Front", "build_app"]

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src '{script}'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


FILES = ("/v1/files", "/v1/batches")
By = Literal["model", "tier", "label", "task", "key", "reason", "day", "api"]


class Books(Protocol):
    """What the admin API may read of the ledger."""

    @property
    def health(self) -> LedgerHealth:
        """From memory."""
        ...

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """The newest receipts as plain values."""
        ...

    def summary(self, *, by: By, since: float) -> list[dict[str, Any]]:
        """Totals by one dimension as plain values."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """What the pages show."""

    fleet: Callable[[], Fleet]
    settings: Callable[[], dict[str, Any]]
    """Which `models.yaml` holds, and since when."""
    reload: Callable[[], Awaitable[dict[str, Any]]]
    """Reads it again; raises `ConfigError` or `ReloadRefused`, and then all is as it was."""
    books: Books
    metrics: Metrics
    gpus: Callable[[], GpuView]
    admin_token: str
    now: Callable[[], float]
    console: bytes
    feedback: Callable[[Feedback], None] = lambda _: None
    """Keeps what somebody says of an answer."""
    tickets: Tickets | None = None
    """Requests that wait for a person."""
    heads: Callable[[], list[dict[str, Any]]] = list
    """How the places stand that get the ledger's heads."""


def build_app(porch: Porch, front: Front, batches: BatchPlane | None = None) -> Callable[[Scope, Receive, Send], Any]:
    """The ASGI callable: `/v1/` goes straight to the data plane, which FastAPI's layers would slow down."""
    pages = _pages(porch, front)

    def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http" or not scope["path"].startswith("/v1/"):
            return pages(scope, receive, send)
        if batches is not None and scope["path"].startswith(FILES):
            return batches(scope, receive, send)
        return porch.plane(scope, receive, send)

    return app


def _pages(porch: Porch, front: Front) -> FastAPI:
    app = FastAPI(
        title="localfleet",
        version=__version__,
        docs_url=None,  # the interactive docs load scripts from elsewhere (law 10)
        redoc_url=None,
    )
    _answer_errors(app)
    _add_operations(app, porch, front)
    _add_admin(app, porch, front)
    counter = Counter(
        tickets=lambda: front.tickets, doorkeeper=lambda: porch.plane.doorkeeper, admin_token=front.admin_token
    )
    add_tickets(app, counter)
    add_feedback(
        app,
        doorkeeper=lambda: porch.plane.doorkeeper,
        health=lambda: front.books.health,
        keep=front.feedback,
        admin_token=front.admin_token,
        now=front.now,
        print_key=lambda: porch.plane.gateway.print_key,
    )
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _answer_errors(app: FastAPI) -> None:
    @app.exception_handler(FleetError)
    async def fleet_error(_: Request, exc: FleetError) -> Response:
        return Response(envelope(exc, None), status_code=exc.status, media_type="application/json")

    @app.exception_handler(RequestValidationError)
    async def unreadable(_: Request, exc: RequestValidationError) -> Response:
        # FastAPI's own handler would echo the input.
        name = _parameter(exc)
        error = BadAsk(f"{_wrong(exc, name)}. /openapi.json describes it.", param=name)
        return Response(envelope(error, None), status_code=400, media_type="application/json")

    @app.exception_handler(HTTPException)
    async def no_such_page(_: Request, exc: HTTPException) -> Response:
        error = NotFound("No such page. /console shows the fleet, /v1/models the models.")
        return Response(envelope(error, None), status_code=exc.status_code, media_type="application/json")


def _wrong(exc: RequestValidationError, name: str | None) -> str:
    """What is wrong, in words of ours alone."""
    kinds = {found["type"]: found for found in exc.errors() if found["loc"] == ("body",)}
    if "model_attributes_type" in kinds:
        return "The body is no JSON object: send one, with `content-type: application/json`"
    if "value_error" in kinds:  # raised by our own forms, whose sentences hold nothing of the input
        sentence = str(kinds["value_error"]["ctx"]["error"])
        return sentence[0].upper() + sentence[1:]
    return f"{'A parameter' if name is None else f'`{name}`'} is missing or has the wrong form"


def _parameter(exc: RequestValidationError) -> str | None:
    """The parameter that is wrong, where its name is ours: one that nobody asked for is the caller's word."""
    for found in exc.errors():
        if found["type"] != "extra_forbidden" and len(found["loc"]) == 2 and isinstance(found["loc"][1], str):
            return str(found["loc"][1])
    return None


def _add_operations(app: FastAPI, porch: Porch, front: Front) -> None:
    @app.get("/healthz", summary="Alive")
    async def healthz() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @app.get("/readyz", summary="A legal door is open", responses={503: {"description": "No door is open."}})
    async def readyz(request: Request) -> JSONResponse:
        if not porch.plane.doorkeeper.has_keys():
            check_same_machine(request.headers)
        fleet, health = front.fleet(), front.books.health
        models = {model.name: _readiness(fleet.state(model.name)) for model in fleet.models}
        ready = not porch.plane.traffic.draining and fleet.has_open_door
        ledger = {"ok": health.ok, "why": health.why, "unwritten": health.unwritten}
        heads, draining = front.heads(), porch.plane.traffic.draining
        body = {"ready": ready, "draining": draining, "ledger": ledger, "heads": heads, "models": models}
        return JSONResponse(body, status_code=200 if ready else 503)

    @app.get("/metrics", summary="Prometheus metrics")
    async def metrics(request: Request) -> Response:
        if not compare_digest((bearer(request.headers) or "").encode(), front.admin_token.encode()):
            porch.plane.doorkeeper.identify(request.headers)
        page = front.metrics.page(front.fleet().states, front.books.health, front.gpus())
        return Response(page, media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_admin(app: FastAPI, porch: Porch, front: Front) -> None:
    def admin(request: Request) -> None:
        if not porch.plane.doorkeeper.has_keys():
            check_same_machine(request.headers)
        if not compare_digest((bearer(request.headers) or "").encode(), front.admin_token.encode()):
            raise Unauthenticated("The admin API needs the console token that localfleet printed at start.")

    guarded = APIRouter(prefix="/api", dependencies=[Depends(admin)])

    @guarded.get("/status", summary="The fleet, its engines and the ledger")
    async def status() -> dict[str, Any]:
        fleet, health = front.fleet(), front.books.health
        return {
            "version": __version__,
            "in_flight": porch.plane.traffic.in_flight,
            "ledger": {"ok": health.ok, "why": health.why, "unwritten": health.unwritten},
            "models": [_shown(model, fleet) for model in fleet.models],
            "gpus": asdict(front.gpus()),
            "settings": front.settings(),
        }

    @guarded.post("/reload", summary="Read models.yaml again; any problem changes nothing")
    async def reload() -> dict[str, Any]:
        return await front.reload()

    @guarded.get("/receipts", summary="The newest receipts; they hold no words")
    async def receipts(limit: Annotated[int, Query(ge=1, le=500)] = 50) -> list[dict[str, Any]]:
        return await to_thread(front.books.recent, limit)

    @guarded.get("/summary", summary="Totals by one dimension")
    async def summary(
        by: By = "model",
        hours: Annotated[int, Query(ge=1, le=24 * 366)] = 24,
    ) -> list[dict[str, Any]]:
        return await to_thread(lambda: front.books.summary(by=by, since=front.now() - hours * 3600))

    headers = console_headers(front.console)

    @app.get("/console", summary="The web console", include_in_schema=False)
    async def console(request: Request) -> Response:
        if not porch.plane.doorkeeper.has_keys():
            check_same_machine(request.headers)
        return Response(front.console, media_type="text/html; charset=utf-8", headers=headers)

    app.include_router(guarded)


def console_headers(page: bytes) -> dict[str, str]:
    """Headers under which the page can run its own script, and no other."""
    script = page.partition(b"<script>")[2].partition(b"</script>")[0]
    digest = b64encode(sha256(script).digest()).decode()
    return {
        "content-security-policy": POLICY.format(script=f"sha256-{digest}"),
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "cache-control": "no-store",
    }


def _readiness(state: EngineState) -> dict[str, Any]:
    known = {} if state.ready_in_s is None else {"ready_in_s": round(state.ready_in_s, 1)}
    return {"state": state.readiness, "why": state.why, **known}


def _shown(model: Model, fleet: Fleet) -> dict[str, Any]:
    state = fleet.state(model.name)
    return {
        "name": model.name,
        "tier": model.tier,
        "accepts": "restricted" if model.accepts is None else model.accepts.word,
        "state": state.readiness,
        "why": state.why,
        "in_flight": state.in_flight,
        "waiting": state.waiting,
        "oldest_wait_s": round(state.oldest_wait_s, 3),
        "context_tokens": model.context_tokens,
        "apis": sorted(model.apis),
        "can": sorted(model.can),
        "usd_per_mtok_in": None if model.price is None else str(model.price.usd_per_mtok_in),
        "usd_per_mtok_out": None if model.price is None else str(model.price.usd_per_mtok_out),
        "price_version": None if model.price is None else model.price.version,
    }
