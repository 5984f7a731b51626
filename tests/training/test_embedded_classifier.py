"""A classifier that reads embeddings: words it never saw are ordered by what they mean, from command to door."""

import asyncio
import json
import logging
import random
from pathlib import Path

import numpy as np
import pytest
from static_table import folder_of
from typer.testing import CliRunner

from localfleet.assemble.world import _embeds
from localfleet.catalogue import anyone
from localfleet.cli import build_cli
from localfleet.config import parse_settings
from localfleet.core.ask import Api
from localfleet.core.routing.moment import Moment
from localfleet.core.routing.scorer import Scorer, load
from localfleet.readers.embedder import Embedder, load_embedder, the_embedder
from localfleet.steering import Steering, Tracks
from localfleet.strategies import build_table
from localfleet.wire.read import read_ask


def _line(chance: random.Random, words: range) -> dict[str, object]:
    topic = chance.choice(["sums", "places"])
    text = " ".join(f"{topic}{chance.choice(words)}" for _ in range(8))
    return {"text": text, "weak": chance.random() < (0.2 if topic == "sums" else 0.9), "strong": chance.random() < 0.95}


def _file(path: Path, count: int, words: range, seed: int) -> Path:
    chance = random.Random(seed)
    path.write_text("\n".join(json.dumps(_line(chance, words)) for _ in range(count)))
    return path


def _run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(build_cli("routing"), ["routing", *words])
    return done.exit_code, done.output + str(done.exception or "")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The folder of the model, the classifier's file, and prompts of words that training lacked."""
    home = tmp_path_factory.mktemp("embedded")
    folder = home / "table"
    folder.mkdir()
    data, fresh = _file(home / "data", 120, range(100), 1), _file(home / "fresh", 80, range(100, 200), 2)
    file = home / "routing.model"
    assert _run("train", str(data), "--embeddings", str(folder_of(folder)), "--out", str(file))[0] == 0
    return folder, file, fresh


@pytest.fixture(scope="module")
def scorer(trained: tuple[Path, Path, Path]) -> Scorer:
    """The classifier, read."""
    return load(trained[1].read_bytes())


@pytest.fixture(scope="module")
def model(scorer: Scorer) -> Embedder:
    """The model that its file names."""
    assert scorer.lens is not None
    return the_embedder(scorer.lens)


def test_words_never_seen_are_ordered_by_meaning(
    trained: tuple[Path, Path, Path], scorer: Scorer, model: Embedder
) -> None:
    """The gain of a sum is greater than that of a place, though not one of the words was in the training."""
    rows = [json.loads(line) for line in trained[2].read_text().splitlines()]
    gain = np.array([scorer.score(row["text"], model.of(row["text"])).gain for row in rows])
    sums = np.array([row["text"].startswith("sums") for row in rows])
    assert gain[sums].mean() - gain[~sums].mean() > 0.3


def test_without_an_embedding_it_abstains(scorer: Scorer, model: Embedder) -> None:
    """Where none was made in time, or features were kept without, it has no opinion."""
    assert not scorer.score("sums1 sums2 sums3").known
    assert scorer.score("sums1 sums2 sums3 sums4 sums5 sums6 sums7 sums8", model.of("sums1 sums2")).gain > 0.3


def test_commands_make_the_embeddings_themselves(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """`score` and `evaluate` find the model by the file; another model in the folder, or none, is refused."""
    folder, file, fresh = trained
    code, out = _run("score", "--model", str(file), "--jsonl", str(fresh))
    assert (code, len(out.splitlines())) == (0, 80)
    code, out = _run("evaluate", str(fresh), "--model", str(file), "--json")
    assert json.loads(out)["routers"][-1]["prompts"] == 80
    code, out = _run("train", str(fresh), "--embeddings", str(tmp_path))
    assert code != 0
    assert "no embedding model" in out
    moved = folder.rename(folder.with_name("moved"))
    try:
        code, out = _run("score", "--model", str(file), "--jsonl", str(fresh))
        assert code != 0
        assert "no embedding model" in out
    finally:
        moved.rename(folder)
    assert load_embedder(folder).digest


def test_kept_features_cannot_be_embedded(trained: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """Features hold no text; the error names the line."""
    kept = tmp_path / "kept"
    kept.write_text(json.dumps({"features": {"shape": [], "words": {}}, "weak": 0, "strong": 1}))
    code, out = _run("train", str(kept), "--embeddings", str(trained[0]))
    assert code != 0
    assert "kept:1 has no `text`" in out


class _Stopped:
    """A clock that stands."""

    def now(self) -> float:
        """Unix time."""
        return 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return 0.0


def test_a_request_is_embedded_before_its_doors_are_fixed(
    trained: tuple[Path, Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    """It has its vector in time; without the folder the router says that the classifier abstains, and it does."""
    folder, file, _ = trained
    shape = f"routing: {{order: [difficulty], difficulty: {{classifier: {{file: '{file}', abstains: 4}}}}}}"
    settings = parse_settings(f"version: 1\nlocal: {{small: {{weights: smollm2-135m-instruct}}}}\n{shape}\n".encode())
    table = build_table(settings)
    assert table is not None
    body = {"model": "auto", "messages": [{"role": "user", "content": "sums1 sums2 sums3 sums4"}]}
    letter = read_ask(body, api=Api.CHAT, headers={}, caller=anyone(settings), request_id="r", size=99)

    def moment() -> Moment:
        embeds = _embeds(settings, table, {})
        steering = Steering(table=table, tracks=Tracks(), clock=_Stopped(), print_key=b"k", embeds=embeds)
        return asyncio.run(steering.moment(letter))

    found = moment()
    assert found.vector is not None
    assert len(found.vector) == 8
    moved = folder.rename(folder.with_name("away"))
    try:
        with caplog.at_level(logging.WARNING):
            assert moment().level == 4
        assert "classifier abstains" in caplog.text
        assert "sums" not in caplog.text
    finally:
        moved.rename(folder)
