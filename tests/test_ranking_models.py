"""Which local models may be asked to rank: by what their files say of themselves."""

from pathlib import Path

import pytest
from gguf_file import LLAMA, write_gguf
from tiny_bert import tiny_bert

from localfleet.config import parse_settings
from localfleet.local_tier import local_problems
from localfleet.machine import Machine


def never() -> Machine:
    """GGUF files need no look at the machine."""
    raise AssertionError


def problems(weights: str, *apis: str) -> list[tuple[str, str]]:
    """What is wrong with a model that is asked for these APIs: the key, and the sentence."""
    text = f"version: 1\nlocal: {{m: {{engine: llamacpp, weights: '{weights}', apis: [{', '.join(apis)}]}}}}"
    return [(where[-1], sentence) for where, sentence in local_problems(parse_settings(text.encode()), {}, never)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where weights go."""
    return tmp_path / "model.gguf"


VECTORS, SCORES, WORDS = tiny_bert(1), tiny_bert(4), write_gguf(LLAMA)
UNKNOWN = write_gguf({"general.architecture": "mamba", "ssm.state_size": 1})


@pytest.mark.parametrize(
    ("raw", "apis", "says"),
    [
        pytest.param(VECTORS, ("rerank",), None, id="vectors"),
        pytest.param(VECTORS, ("embedding", "rerank"), None, id="vectors, both"),
        pytest.param(SCORES, ("rerank",), None, id="scores"),
        pytest.param(SCORES, ("embedding", "rerank"), "does nothing else", id="scores, both"),
        pytest.param(SCORES, ("embedding",), "does nothing else", id="scores for vectors"),
        pytest.param(WORDS, ("chat", "rerank"), "ranks badly", id="words"),
        pytest.param(WORDS, ("chat", "embedding"), None, id="words for vectors"),
        pytest.param(UNKNOWN, ("rerank",), None, id="unknown"),
    ],
)
def test_a_file_ranks_if_it_was_made_for_it(file: Path, raw: bytes, apis: tuple[str, ...], says: str | None) -> None:
    """A reranker does nothing else, a model of words does it badly, and one nobody knows is tried."""
    file.write_bytes(raw)
    found = problems(str(file), *apis)
    assert (says is None and not found) or (len(found) == 1 and found[0][0] == "apis" and str(says) in found[0][1])


def test_the_weights_that_ship_do_not() -> None:
    """They are a model of words."""
    assert "ranks badly" in problems("smollm2-135m-instruct", "chat", "rerank")[0][1]


def test_other_weights_are_not_opened(file: Path) -> None:
    """A model that is asked for words alone starts as before, whatever its header is."""
    file.write_bytes(b"GGUF")
    assert problems(str(file), "chat") == []
