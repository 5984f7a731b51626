"""What llama.cpp really takes, against what is computed for it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from router import Router

from localfleet.core.fit import embedded_fit
from localfleet.engines.weights import SMOLLM2, find_weights
from localfleet.shapes import gguf_shape


def children(pid: int) -> Iterator[int]:
    """All processes below one."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    for child in map(int, listed.stdout.split()):
        yield child
        yield from children(child)


@pytest.mark.slow
@pytest.mark.parametrize(("context", "parallel"), [(4096, 2), (8192, 4)])
def test_the_embedded_engine_takes_what_is_computed(tmp_path: Path, context: int, parallel: int) -> None:
    """The largest memory of the child that runs the shipped weights: at most computed, and at least nine tenths."""
    shape = gguf_shape(find_weights(SMOLLM2).path)
    computed = embedded_fit(shape, context, parallel, 2**40).needed_bytes
    small = {"weights": SMOLLM2, "context_tokens": context, "parallel": parallel}
    with Router.start(tmp_path, {"version": 1, "local": {"small": small}}, verb="up") as router:
        answer = router.post(
            "/v1/chat/completions",
            {"model": "small", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4},
        )
        assert answer.status == 200
        assert router.pid is not None
        peaks = [
            int(found[1]) * 1024
            for pid in children(router.pid)
            if (found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()))
        ]
    assert 0.9 * computed < max(peaks) <= computed
