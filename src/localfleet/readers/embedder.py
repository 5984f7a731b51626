"""
Embeddings of prompts by a model in a folder of the operator: nothing is fetched, and no prompt leaves the process.

Two kinds of folders are read, each with a `tokenizer.json`: a transformer as `model.onnx` (or `onnx/model.onnx`), whose
last layer is averaged over the tokens as sentence transformers do; or a static table, `model.safetensors` with one
matrix of a row for each token (Model2Vec), which takes a fraction of a millisecond.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localfleet.core.routing.lens import Lens

__all__ = ["Embedder", "load_embedder", "the_embedder"]

TAIL_CHARS = 1500
"""So much of the end is read, as of the words: the question stands there."""
MOST_TOKENS = 256
_FLOATS = {"F32": "float32", "F16": "float16"}


class Embedder:
    """A loaded model; safe to call from several threads."""

    def __init__(self, tokens: Any, pooled: Callable[[Any], Any], *, folder: Path, digest: str) -> None:
        """`pooled` makes one vector of an encoded text."""
        self._tokens, self._pooled = tokens, pooled
        self.folder, self.digest = folder, digest

    @property
    def place(self) -> str:
        """The folder, as a classifier's file names it."""
        return str(self.folder.resolve())

    def of(self, text: str) -> list[float]:
        """The embedding of the end of a text, of length 1 (or 0 where no token is known)."""
        vector = self._pooled(self._tokens.encode(text[-TAIL_CHARS:]))
        size = float((vector * vector).sum()) ** 0.5
        return [float(x) for x in vector / max(size, 1e-9)]


def load_embedder(folder: Path) -> Embedder:
    """Load the model of a folder; raises `ValueError` with a sentence that says which file is missing or no model."""
    from tokenizers import Tokenizer  # noqa: PLC0415  # imports take a while

    graph = next((file for file in (folder / "model.onnx", folder / "onnx" / "model.onnx") if file.is_file()), None)
    weights = graph or folder / "model.safetensors"
    if not (folder / "tokenizer.json").is_file() or not weights.is_file():
        raise ValueError(
            f"{folder} holds no embedding model; it needs a tokenizer.json, and a model.onnx (a transformer) or a "
            "model.safetensors (a static table)"
        )
    try:
        _is_tokenizer(folder / "tokenizer.json")
        tokens = Tokenizer.from_file(str(folder / "tokenizer.json"))
        pooled = _transformer(weights) if graph else _static(weights)
    except (OSError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"the model in {folder} cannot be read: {exc}") from exc
    tokens.enable_truncation(MOST_TOKENS)
    tokens.no_padding()
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Embedder(tokens, pooled, folder=folder, digest=digest)


def the_embedder(lens: Lens) -> Embedder:
    """The model that a classifier was trained with; raises `ValueError` where its folder holds it no more."""
    model = load_embedder(Path(lens.folder))
    if model.digest != lens.print:
        raise ValueError(f"{lens.folder} holds another model than the classifier was trained with; train it again")
    return model


def _is_tokenizer(file: Path) -> None:
    """The library raises a bare `Exception` for what is none, so this looks first."""
    if "model" not in json.loads(file.read_bytes()):
        raise ValueError(f"{file.name} is no tokenizer")


def _transformer(file: Path) -> Callable[[Any], Any]:
    import numpy as np  # noqa: PLC0415  # loaded when asked for
    import onnxruntime as ort  # noqa: PLC0415  # imports take a while

    ort.disable_telemetry_events()
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    faults = ort.capi.onnxruntime_pybind11_state
    try:
        session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except (faults.InvalidProtobuf, faults.InvalidGraph, faults.Fail, faults.NotImplemented) as exc:
        raise ValueError(f"{file.name} is no ONNX model that this release can run") from exc
    wanted = {one.name for one in session.get_inputs()}

    def pooled(encoded: Any) -> Any:
        ids = np.array([encoded.ids], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        last = session.run(None, {name: feed[name] for name in wanted})[0]
        return last[0].mean(axis=0) if last.ndim == 3 else last[0]

    return pooled


def _static(file: Path) -> Callable[[Any], Any]:
    """A safetensors file: eight bytes of length, a table in JSON, the numbers."""
    import numpy as np  # noqa: PLC0415  # loaded when asked for

    raw = file.read_bytes()
    start = 8 + int.from_bytes(raw[:8], "little")
    table = {name: part for name, part in json.loads(raw[8:start]).items() if name != "__metadata__"}
    matrices = [part for part in table.values() if len(part["shape"]) == 2 and part["dtype"] in _FLOATS]
    if len(table) != 1 or len(matrices) != 1:
        raise ValueError(f"{file} is no static table of embeddings; export a transformer to model.onnx")
    begin, end = matrices[0]["data_offsets"]
    flat = np.frombuffer(raw[start + begin : start + end], dtype=_FLOATS[matrices[0]["dtype"]])
    rows = flat.reshape(matrices[0]["shape"]).astype(np.float32)

    def pooled(encoded: Any) -> Any:
        ids = [at for at in encoded.ids if at < len(rows)]
        return rows[ids].mean(axis=0) if ids else np.zeros(rows.shape[1], dtype=np.float32)

    return pooled
