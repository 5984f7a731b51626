"""Why an engine did not start: found in what it printed, told in our words, and nothing of its own kept."""

import asyncio
import re

import pytest

from localfleet.engines.start_log import OVERLAP_BYTES, PIECE_BYTES, Cause, StartLog
from localfleet.engines.vllm_causes import CAUSES

PLAIN = (
    Cause(pattern=re.compile(b"very clear"), sentence="clear"),
    Cause(pattern=re.compile(b"somewhat clear"), sentence="vague", final=False),
)


def heard(*pieces: bytes, causes: tuple[Cause, ...] = PLAIN) -> StartLog:
    """What a log makes of pieces that come one after the other."""

    async def listen() -> StartLog:
        stream, log = asyncio.StreamReader(limit=2**20), StartLog(causes)
        for piece in pieces:
            stream.feed_data(piece)
        stream.feed_eof()
        await log.drain(stream)
        return log

    return asyncio.run(listen())


def test_the_most_telling_cause_wins_whenever_it_comes() -> None:
    """A start that fails prints several messages; the table's order decides, not the time."""
    assert heard(b"somewhat clear\n", b"very clear\n").cause is PLAIN[0]
    assert heard(b"very clear\n", b"somewhat clear\n").cause is PLAIN[0]
    assert heard(b"somewhat clear\n").cause is PLAIN[1]
    assert heard(b"nothing known\n").cause is None


def test_a_line_across_two_pieces_is_heard_and_the_rest_is_dropped() -> None:
    """The reader takes bytes as they come; it holds a short tail while it listens, and nothing afterwards."""
    filler = b"x" * (PIECE_BYTES - 5)
    log = heard(filler + b"very " + b"clear" + filler)
    assert log.cause is PLAIN[0]
    assert log._tail == b""
    assert OVERLAP_BYTES < PIECE_BYTES


def test_nothing_is_heard_once_requests_may_come() -> None:
    """After the engine is ready its log may hold prompts: it is drained unread."""

    async def story() -> StartLog:
        stream, log = asyncio.StreamReader(), StartLog(PLAIN)
        log.stop()
        stream.feed_data(b"very clear")
        stream.feed_eof()
        await log.drain(stream)
        return log

    log = asyncio.run(story())
    assert log.cause is None
    assert log._tail == b""


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("api_server.py: error: unrecognized arguments: --no-such-flag", "does not know a flag or value"),
        ("error: argument --dtype: invalid choice: 'float7'", "does not know a flag or value"),
        ("importlib.metadata.PackageNotFoundError: No package metadata was found for vllm", "no complete vLLM"),
        (
            "/usr/bin/python3: Error while finding module: ModuleNotFoundError: No module named 'vllm'",
            "no complete vLLM",
        ),
        ("ValueError: Model architectures ['FooForCausalLM'] are not supported for now. Supported", "architecture"),
        ("but Transformers does not recognize this architecture. This could be", "architecture"),
        ("consider setting `trust_remote_code=True` in LLM or using the `--trust", "their own Python code"),
        (
            "huggingface_hub.errors.LocalEntryNotFoundError: Cannot find an appropriate cached",
            "did not find these weights",
        ),
        ("RuntimeError: Cannot find any model weights with `/models/x`", "did not find these weights"),
        ("huggingface_hub.errors.GatedRepoError: 401 Client Error.", "known accounts only"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.16 GiB.", "memory ran out"),
        (
            "ValueError: Free memory on device cuda:0 (2.1/79.2 GiB) on startup is less than desired GPU",
            "another program",
        ),
        ("ValueError: No available memory for the cache blocks. Try increasing", "no memory is left for the KV cache"),
        ("(131072), (16.0 GiB KV cache is needed, which is larger than the available KV cache", "context does not fit"),
        ("User-specified max_model_len (99999) is greater than the derived max_model_len", "`context_tokens:` is more"),
        ("ValueError: Total number of attention heads (9) must be divisible by tensor parallel size (2).", "heads"),
        ("ValueError: Sleep mode is not supported on current platform.", "put a model to sleep"),
        ("KeyError: 'invalid tool call parser: x (chose from { hermes })'", "no such parser"),
        ("VLLMValidationError: The supplied chat template string (/t) appears path-like", "`vllm.chat_template:`"),
        ("ValueError: LoRA rank 64 is greater than max_lora_rank 16.", "`vllm.lora_rank:`"),
        ("ValueError: Bfloat16 is only supported on GPUs with compute capability of at least 8.0.", "too old"),
        ("RuntimeError: Failed to infer device type, please set", "finds no GPU"),
        ("Engine core initialization failed. Failed core proc(s): {'EngineCore': -9}", "main memory ran out"),
        ("OSError: [Errno 98] Address already in use", "the engine's socket is taken"),
    ],
)
def test_what_vllm_says_and_what_we_say(line: str, sentence: str) -> None:
    """Messages of vLLM 0.32 and its libraries, each with a sentence that tells what to do."""
    cause = heard(b"INFO starting\n", line.encode() + b"\n", causes=CAUSES).cause
    assert cause is not None
    assert sentence in cause.sentence


def test_an_ordinary_start_means_nothing() -> None:
    """What vLLM prints on a good start, with its settings repeated, is no cause."""
    lines = (
        b"non-default args: {'trust_remote_code': True, 'enable_sleep_mode': True, 'max_lora_rank': 16}\n"
        b"trust_remote_code=True, dtype=torch.float32, max_seq_len=2048, tensor_parallel_size=1\n"
        b"WARNING [cpu_worker.py:180] sleep mode is not supported on CPU, ignore it.\n"
        b"GPU KV cache size: 22,752 tokens\nMaximum concurrency for 2,048 tokens per request: 11.11x\n"
    )
    assert heard(lines, causes=CAUSES).cause is None


def test_no_sentence_repeats_the_engine() -> None:
    """Sentences are fixed: no place for a value of the engine's, and each says what to do or where to look."""
    for cause in CAUSES:
        assert "{}" not in cause.sentence
        assert len(cause.sentence) > 30
