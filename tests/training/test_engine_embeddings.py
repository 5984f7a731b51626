"""A classifier that reads the embeddings of a local engine: trained, scored, and in the request path; never hosted."""

import asyncio
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from test_embedded_classifier import _file, _Stopped
from typer.testing import CliRunner

from localfleet.assemble.engines import Engines
from localfleet.assemble.tier import LocalTier
from localfleet.assemble.world import _embeds
from localfleet.catalogue import anyone
from localfleet.cli import build_cli
from localfleet.cli.embeds import _close
from localfleet.config import Settings, parse_settings
from localfleet.core.ask import Api
from localfleet.core.residency import Room
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.scorer import load
from localfleet.engines.client import HttpClient
from localfleet.engines.learned import Learned
from localfleet.engines.residents import Residents
from localfleet.steering import Steering, Tracks
from localfleet.strategies import build_table
from localfleet.wire.embedded import read_vector
from localfleet.wire.read import read_ask


@dataclass
class Server:
    """An embedding server: two numbers, how many words speak of sums and how many of places."""

    url: str
    heard: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """It runs as long as the tests do."""
    made = Server(url="")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            text = json.loads(self.rfile.read(int(self.headers["content-length"])))["input"]
            made.heard.append(text)
            vector = [1.0 + text.count("sums"), 1.0 + text.count("places"), 0.5]
            raw = json.dumps({"object": "list", "data": [{"index": 0, "embedding": vector}]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    yield made
    http.shutdown()
    http.server_close()
    thread.join(5)


def models(server: Server, more: str = "") -> str:
    """A file with the engine, one that cannot, and a hosted one."""
    return f"""
version: 1
local:
  embedder: {{engine: endpoint, url: '{server.url}', model: tiny, apis: [embedding]}}
  talker: {{engine: endpoint, url: '{server.url}'}}
hosted:
  far: {{provider: openai, model: text-embedding-3-small, tier: low, accepts: public, api_key_env: A}}
{more}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, server: Server) -> tuple[Path, Path]:
    """models.yaml and the classifier's file."""
    home = tmp_path_factory.mktemp("engine")
    (home / "models.yaml").write_text(models(server))
    data = _file(home / "data", 120, range(100), 1)
    words = ("train", str(data), "--embeddings", "model:embedder", "--out", str(home / "routing.model"))
    code, said = run(home, *words)
    assert code == 0, said
    return home, home / "routing.model"


def run(home: Path, *words: str) -> tuple[int, str]:
    """A command of `routing` with that file."""
    command = ["routing", *words, "--config", str(home / "models.yaml")]
    done = CliRunner().invoke(build_cli("routing"), command)
    return done.exit_code, done.output + str(done.exception or "")


def test_words_never_seen_are_ordered_by_the_engine(trained: tuple[Path, Path], server: Server) -> None:
    """Score and evaluate ask it by themselves; the file knows it by name, and it heard the texts."""
    home, file = trained
    scorer = load(file.read_bytes())
    assert scorer.lens is not None
    assert scorer.lens.folder == "model:embedder"
    fresh = _file(home / "fresh", 60, range(100, 200), 2)
    code, out = run(home, "score", "--model", str(file), "--jsonl", str(fresh), "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    sums = [json.loads(line)["text"].startswith("sums") for line in fresh.read_text().splitlines()]
    gains = {kind: [row["gain"] for row, one in zip(rows, sums, strict=True) if one is kind] for kind in (True, False)}
    assert code == 0
    assert sum(gains[True]) / len(gains[True]) - sum(gains[False]) / len(gains[False]) > 0.3
    code, out = run(home, "evaluate", str(fresh), "--model", str(file), "--json")
    assert (code, json.loads(out)["routers"][-1]["prompts"]) == (0, 60)
    assert any(text.startswith("sums1") for text in server.heard)


@pytest.mark.parametrize(
    ("name", "says"),
    [("far", "no model under `local:`"), ("nobody", "with `apis: [embedding]`: embedder"), ("talker", "makes no")],
)
def test_no_other_model_makes_them(trained: tuple[Path, Path], name: str, says: str) -> None:
    """A hosted model cannot be named, an unknown one neither, nor one that does not speak that API."""
    home, _ = trained
    code, out = run(home, "train", str(home / "data"), "--embeddings", f"model:{name}", "--out", str(home / "no"))
    assert code != 0
    assert says in out
    assert not (home / "no").exists()


def test_another_model_behind_the_name_is_refused(trained: tuple[Path, Path], tmp_path: Path, server: Server) -> None:
    """Its embeddings would mean something else."""
    _, file = trained
    (tmp_path / "models.yaml").write_text(models(server).replace("tiny", "other"))
    fresh = _file(tmp_path / "fresh", 3, range(10), 3)
    code, out = run(tmp_path, "score", "--model", str(file), "--jsonl", str(fresh))
    assert code != 0
    assert "another model than the classifier was trained with" in out


def moment(settings: Settings, home: Path, text: str) -> Moment:
    """What a router of that file knows of a request before its doors are fixed."""

    async def story() -> Moment:
        client = HttpClient()
        residents = Residents(
            room=Room(gib={}),
            clock=lambda: 0.0,
            moment=lambda: (0, 0),
            learned=Learned(home / "times.json"),
        )
        tier = LocalTier(
            env={}, home=home, start=False, on_progress=lambda _: None, client=client, residents=residents, sizes={},
            batch_turn_s=60.0,
        )  # fmt: skip
        local = settings.model_copy(update={"hosted": {}})
        entries = Engines(env={}, client=client, tier=tier).build(local, {})
        engines = {name: engine for entry in entries.values() for name, engine in entry.engines.items()}
        table = build_table(settings)
        assert table is not None
        embeds = _embeds(settings, table, engines)
        steering = Steering(table=table, tracks=Tracks(), clock=_Stopped(), print_key=b"k", embeds=embeds)
        body = {"model": "auto", "messages": [{"role": "user", "content": text}]}
        letter = read_ask(body, api=Api.CHAT, headers={}, caller=anyone(settings), request_id="r", size=99)
        found = await steering.moment(letter)
        for engine in engines.values():
            await engine.aclose()
        return found

    return asyncio.run(story())


def test_a_request_is_embedded_by_the_engine(
    trained: tuple[Path, Path], tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """It has its vector in time; where the file says another model, the router says so and the classifier abstains."""
    _, file = trained
    classifier = f"{{file: '{file}', abstains: 4, deadline_ms: 10000}}"
    raw = models(server, f"routing: {{order: [difficulty], difficulty: {{classifier: {classifier}}}}}")
    found = moment(parse_settings(raw.encode()), tmp_path, "sums1 sums2 sums3 sums4")
    size = (25 + 1 + 0.25) ** 0.5
    assert found.vector == pytest.approx([5 / size, 1 / size, 0.5 / size])
    with caplog.at_level(logging.WARNING):
        other = moment(parse_settings(raw.replace("tiny", "other").encode()), tmp_path, "sums1 sums2")
    assert (other.vector, other.level) == (None, 4)
    assert "local.embedder is not the model of embeddings" in caplog.text
    gone = parse_settings(raw.replace(server.url, "http://127.0.0.1:1/v1").encode())
    assert moment(gone, tmp_path, "sums1 sums2").vector is None


def test_what_is_no_embedding_is_no_opinion() -> None:
    """Any other answer of an engine raises, and the classifier abstains."""
    for raw in (b"{}", b"[]", b'{"data": []}', b'{"data": [{"embedding": ["a"]}]}', b'{"data": [{"embedding": []}]}'):
        with pytest.raises(ValueError, match="no embedding"):
            read_vector(raw)
    assert read_vector(b'{"data": [{"embedding": [3, 4]}]}') == pytest.approx([0.6, 0.8])


def test_an_engine_is_ended_also_where_it_is_forgotten_while_another_loop_runs() -> None:
    """The collector asks nobody when it comes; an engine that it could not end would run on."""
    ended: list[str] = []

    async def end() -> None:
        ended.append("engine")

    async def busy() -> None:
        _close(runner, stack)

    runner, stack = asyncio.Runner(), AsyncExitStack()
    runner.run(asyncio.sleep(0))
    stack.push_async_callback(end)
    asyncio.run(busy())
    assert ended == ["engine"]
