"""The model of names in eight bits: the same answers as in four, by way of the processor's integer units."""

from pathlib import Path

import onnxruntime as ort
import pytest
from tokenizers import Tokenizer

from localfleet.readers.eight_bits import in_eight_bits
from localfleet.readers.rampart import rampart_files

TEXTS = (
    "Please call Jasmine Freeman about the lease of 14 Elm Street, Springfield.",
    "Lettre à Béatrice Dubois: the meeting with Tomasz Zielinski is on Monday.",
    "The boiling point of water at sea level is a hundred degrees, and the river flows past the old mill.",
)


@pytest.fixture(scope="module")
def files() -> Path:
    """The shipped model's files."""
    return rampart_files()


def test_every_product_in_four_bits_becomes_one_in_eight_that_says_nearly_the_same(files: Path) -> None:
    """None is left, and of a hundred word pieces at most two get another kind."""
    four = (files / "onnx" / "model_q4.onnx").read_bytes()
    eight = in_eight_bits(four)
    assert four.count(b"\x22\x0bMatMulNBits") == eight.count(b"DynamicQuantizeMatMul") > 30
    assert b"MatMulNBits" not in eight
    tokens = Tokenizer.from_file(str(files / "tokenizer.json"))
    sessions = [ort.InferenceSession(raw, providers=["CPUExecutionProvider"]) for raw in (four, eight)]
    same = total = 0
    for text in TEXTS:
        ids = [tokens.encode(text).ids]
        feed = {"input_ids": ids, "attention_mask": [[1] * len(ids[0])], "token_type_ids": [[0] * len(ids[0])]}
        one, other = (session.run(None, feed)[0][0].argmax(axis=-1) for session in sessions)
        same, total = same + int((one == other).sum()), total + len(ids[0])
    assert same >= 0.98 * total


def test_bytes_that_are_no_model_are_told() -> None:
    """A damaged file is no reason to run something else."""
    with pytest.raises(ValueError, match="no ONNX model"):
        in_eight_bits(b"\xff\xff not a model")
