"""A static table of embeddings of our own: words of two topics, each near the axis of its topic."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

__all__ = ["TOPICS", "WORDS", "folder_of"]

TOPICS = ("sums", "places")
WORDS = 200


def folder_of(folder: Path) -> Path:
    """Write tokenizer and table, as the tools of this format do; skips where `tokenizers` is not installed."""
    tokenizers = pytest.importorskip("tokenizers")
    words = [f"{topic}{at}" for topic in TOPICS for at in range(WORDS)]
    numbers = {word: at for at, word in enumerate(["?", *words])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="?"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(folder / "tokenizer.json"))
    chance = random.Random(0)
    rows = np.array(
        [[0.0] * 8]
        + [
            [float(topic == at) + chance.gauss(0, 0.15) for at in range(8)]
            for topic in range(len(TOPICS))
            for _ in range(WORDS)
        ],
        dtype=np.float32,
    )
    head = json.dumps({"embeddings": {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [0, rows.nbytes]}})
    raw = head.encode()
    (folder / "model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw + rows.tobytes())
    return folder
