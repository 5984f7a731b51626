"""A search endpoint against real sockets: how it is asked, what is made of its answer, and every way it can fail."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from raw_server import Handler, Peer, RawServer
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, LocalRoute
from localfleet.engines.client import HttpClient, Secret
from localfleet.engines.search import SearchEngine
from localfleet.errors import EngineFailed
from localfleet.ports import Call
from localfleet.wire.search import SearchForm, documents_in

ROUTE = HostedRoute(model="web", label=Label.PUBLIC, worst_usd=None)
PLAIN = SearchForm(path="/search", params={"format": "json"})
SEARXNG = {"query": "wells", "number_of_results": 0, "results": [
    {"url": "https://a.example/1", "title": "Wells", "content": "Nine wells.", "engine": "x", "score": 1.0},
    {"url": "https://a.example/2", "title": "Lake", "content": "One lake."},
    {"url": "https://a.example/3", "title": None, "content": 7},
    "no result at all",
]}  # fmt: skip
BRAVE = {"web": {"results": [{"title": "Wells", "url": "https://a.example/1", "description": "Nine wells."}]}}


def call(text: Any = "wells", **more: Any) -> Call:
    """A query as a stage sends it."""
    body = {"model": "web", "messages": [{"role": "system", "content": "no"}, {"role": "user", "content": text}]}
    facts: dict[str, Any] = {"api": Api.CHAT, "stream": False, "wants_usage": False, "timeout_s": 2} | more
    return Call(request_id="r1", body=body, **facts)


def engine(url: str, form: SearchForm = PLAIN, key: str | None = None, timeout_s: float = 2) -> SearchEngine:
    """An engine for the endpoint at this server."""
    secret = None if key is None else (key, Secret("sk-search"))
    return SearchEngine(
        name="web", base_url=url.removesuffix("/v1"), form=form, key=secret, client=HttpClient(), timeout_s=timeout_s
    )


async def searched(door: SearchEngine, asked: Call) -> tuple[str, ...]:
    """The documents found."""
    reply = await door.send(ROUTE, asked)
    whole = b"".join([piece async for piece in reply])
    await reply.aclose()
    return documents_in(orjson.loads(whole)["choices"][0]["message"]["content"])


def finds(handler: Handler, form: SearchForm = PLAIN, key: str | None = None, **more: Any) -> tuple[Any, Peer]:
    """Search once: the documents, and the request as the server saw it."""

    async def story() -> tuple[Any, Peer]:
        async with RawServer(handler).running() as server:
            return await searched(engine(server.url, form, key), call(**more)), server.requests[0]

    return asyncio.run(story())


def fails(handler: Handler, asked: Call | None = None, *, timeout_s: float = 2, key: str | None = None) -> EngineFailed:
    """Search once, and return the failure."""

    async def story() -> EngineFailed:
        async with RawServer(handler).running() as server:
            door = engine(server.url, key=key, timeout_s=timeout_s)
            with pytest.raises(EngineFailed) as caught:
                await door.send(ROUTE, asked or call())
            assert door.state().in_flight == 0
            return caught.value

    return asyncio.run(story())


def answers(body: object, **more: Any) -> Handler:
    """A server with one answer."""

    async def handler(peer: Peer) -> None:
        await peer.answer(body if isinstance(body, bytes) else orjson.dumps(body), **more)

    return handler


def test_searxng_as_it_is() -> None:
    """A form in the body of a POST, so that no address in any log holds the query; results in order, odd ones out."""
    found, peer = finds(answers(SEARXNG), text="  wells \n of Münster ")
    assert found == ("Wells\nhttps://a.example/1\nNine wells.", "Lake\nhttps://a.example/2\nOne lake.")
    assert peer.head.startswith(b"POST /search HTTP/1.1")
    assert peer.body == b"q=wells+of+M%C3%BCnster&format=json"
    assert {"authorization", "cookie", "x-api-key"}.isdisjoint(peer.headers)


@pytest.mark.parametrize(
    ("form", "key", "line", "body", "header"),
    [
        (replace(PLAIN, send="query"), None, b"GET /search?q=a+b&format=json ", b"", ("accept", "application/json")),
        (replace(PLAIN, send="query", results=("web", "results"), params={"count": 3}), "x-subscription-token",
         b"GET /search?q=a+b&count=3 ", b"", ("x-subscription-token", "sk-search")),
        (replace(PLAIN, send="json", query_field="query", params={"raw": False}), "authorization",
         b"POST /search ", b'{"query":"a b","raw":false}', ("authorization", "Bearer sk-search")),
    ],
)  # fmt: skip
def test_other_endpoints(form: SearchForm, key: str | None, line: bytes, body: bytes, header: tuple[str, str]) -> None:
    """By GET or as JSON, with a key in its header, the list wherever it stands."""
    found, peer = finds(answers(SEARXNG | BRAVE), form, key, text="a b")
    assert found[0] == "Wells\nhttps://a.example/1\nNine wells."
    assert peer.head.startswith(line)
    assert peer.body == body
    assert peer.headers[header[0]] == header[1]


def test_what_is_long_is_cut() -> None:
    """Query at a word, results in number and text: a page cannot fill the next stage's context."""
    form = replace(PLAIN, most_results=1, result_chars=4, query_chars=9)
    found, peer = finds(answers(SEARXNG), form, text="wells of the town")
    assert found == ("Wells\nhttps://a.example/1\nNine",)
    assert peer.body == b"q=wells+of&format=json"
    assert finds(answers(SEARXNG), replace(PLAIN, query_chars=3), text="Wellington")[1].body == b"q=Wel&format=json"


def test_nothing_found_is_an_answer() -> None:
    """An empty list is no failure."""
    assert finds(answers({"results": []}))[0] == ()


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (answers(b"<html>", kind="text/html"), Reason.UPSTREAM_GARBLED),
        (answers(b"{"), Reason.UPSTREAM_GARBLED),
        (answers(b"[" * 100_000), Reason.UPSTREAM_GARBLED),
        (answers({"results": {"a": 1}}), Reason.UPSTREAM_GARBLED),
        (answers([1]), Reason.UPSTREAM_GARBLED),
        (answers(b" " * (4 * 2**20 + 1)), Reason.UPSTREAM_GARBLED),
        (answers(b"", status=302, more="location: https://elsewhere.example/\r\n"), Reason.UPSTREAM_GARBLED),
        (answers(b"wells wells", status=500), Reason.UPSTREAM_ERROR),
        (answers(b"{}", status=429, more="retry-after: 7\r\n"), Reason.RATE_LIMITED),
        (answers(b"{}", status=403), Reason.UPSTREAM_DENIED),
    ],
)
def test_a_rude_endpoint(handler: Handler, reason: Reason) -> None:
    """Garbage, too much, redirects and refusals are failures with a fixed sentence, and nothing of it is in there."""
    failure = fails(handler)
    assert failure.reason is reason
    assert "wells" not in failure.message
    assert failure.retry_after_s == (7 if reason is Reason.RATE_LIMITED else None)


def test_a_refusal_names_the_setting_that_is_usually_missing() -> None:
    """A SearXNG without JSON among its formats says 403; with a key of ours it is the key."""
    assert "search.formats" in fails(answers(b"", status=403)).message
    assert "key" in fails(answers(b"", status=403), key="x-api-key").message


def test_a_slow_endpoint_is_left() -> None:
    """The time is for the whole answer: one that comes drop by drop does not hold a request for ever."""

    async def drops(peer: Peer) -> None:
        await peer.stream(b"{", end=False, kind="application/json")
        while True:
            await asyncio.sleep(0.02)
            await peer.send(b"1\r\n \r\n")

    assert fails(drops, timeout_s=0.15).reason is Reason.TIMED_OUT


def test_one_that_is_gone() -> None:
    """Nobody listens; a connection that is cut; then the breaker says so at once."""

    async def cut(peer: Peer) -> None:
        peer.cut()
        await asyncio.sleep(0)

    assert fails(cut).reason is Reason.UPSTREAM_ERROR

    async def story() -> list[Reason]:
        door, reasons = engine("http://127.0.0.1:1"), []
        for _ in range(8):
            with pytest.raises(EngineFailed) as caught:
                await door.send(ROUTE, call())
            reasons.append(caught.value.reason)
        return reasons

    reasons = asyncio.run(story())
    assert (reasons[0], reasons[-1]) == (Reason.CONNECT_FAILED, Reason.ENGINE_DOWN)


@pytest.mark.parametrize("asked", [call(""), call([{"type": "text", "text": " "}]), call(7), call(stream=True)])
def test_what_is_no_search_is_not_sent(asked: Call) -> None:
    """No words, or an answer wanted as a stream: nothing leaves."""

    async def never(peer: Peer) -> None:
        raise AssertionError(peer.head)

    assert fails(never, asked).reason is Reason.UPSTREAM_REJECTED


def test_only_a_hosted_route_of_its_own_leads_there() -> None:
    """Law 3 at the last possible place."""
    for route in (LocalRoute(model="web"), replace_model(ROUTE)):
        with pytest.raises(TypeError, match="does not lead"):
            asyncio.run(engine("http://127.0.0.1:1").send(route, call()))


def replace_model(route: HostedRoute) -> HostedRoute:
    """A route to somebody else."""
    return replace(route, model="mini")


WEB = (
    "search:\n  web: {url: 'http://127.0.0.1:8888/search', accepts: public, "
    "data_policy: {jurisdiction: DE, source: x, checked: 2020-01-01}}\n"
)


def test_check_says_what_is_missing(tmp_path: Path) -> None:
    """An unknown price with its cure, an old data policy, and how many there are."""
    said = checked(tmp_path, WEB)
    assert said.exit_code == 0
    words = " ".join(said.stdout.split())
    assert "search.web: what a query costs is unknown; budgets will refuse it. Add `usd_per_query:`" in words
    assert "search.web.data_policy: checked more than a year ago" in words
    assert "1 model, 1 search endpoint, 0 rules: ok" in words


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        ("search: {box: {url: 'https://a.example/s', accepts: public}}", "is also the name of a model"),
        ("search: {web: {url: 'https://a.example/s', accepts: restricted}}", "may accept restricted text"),
        ("search: {web: {url: 'http://a.example/s', accepts: public}}", "in clear: use https"),
        (WEB + "pipelines: {p: {stages: [{name: a, model: web, prompt: x}]}}", "answers nobody"),
        (WEB + "pipelines: {p: {stages: [{name: a, model: web, prompt: x, max_tokens: 3}, {name: b, prompt: y}]}}",
         "and nothing else"),
        (WEB + "tasks: {t: {first: web}}", "which is no model here"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_advice(tmp_path: Path, sections: str, complaint: str) -> None:
    """A taken name, restricted text, plain http, a search that should answer or be told more, a row that searches."""
    told = checked(tmp_path, sections)
    assert told.exit_code == 1
    assert complaint in " ".join(told.output.split())


def checked(folder: Path, sections: str) -> Result:
    """`localfleet check` of a file with one local model and these sections."""
    local = "version: 1\nlocal:\n  box: {engine: endpoint, url: 'http://127.0.0.1:9/v1', context_tokens: 9000}\n"
    (folder / "models.yaml").write_text(local + sections)
    env = {"LOCALFLEET_HOME": str(folder), "COLUMNS": "200"}
    return CliRunner().invoke(build_cli("check"), ["check", "--config", str(folder / "models.yaml")], env=env)
