"""
Does it fit: a GGUF file in llama.cpp, in main memory or on a GPU.

llama.cpp takes the file as it is, a cache for every request at full length from the start (no paging), and buffers
for one batch. Measured on the weights that ship: docs/concepts/fit.md.
"""

from dataclasses import dataclass

from localfleet.core.fit.plan import Verdict

__all__ = ["EmbeddedFit", "GgufShape", "embedded_fit"]

KV_NUMBER_BYTES = 2
"""`--cache-type-k` and `-v` default to f16."""
BATCH_TOKENS = 512
"""`n_ubatch`, llama.cpp's default: tokens of one step. Logits are kept of a request's last token only."""
RANK_POOLING = 4
"""`LLAMA_POOLING_TYPE_RANK`."""
PROCESS_BYTES = 80 * 2**20
"""Python and the library in the child process: 69 MiB were measured with the weights that ship."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufShape:
    """What a GGUF's header tells. `kv_numbers_per_token` is summed over its layers, keys and values together."""

    family: str
    file_bytes: int
    layers: int
    hidden: int
    intermediate: int
    vocab: int
    context_tokens: int
    kv_numbers_per_token: int
    pooling: int | None
    """How the vectors of a text's tokens become one, as llama.cpp numbers it; `None` where the file does not say."""

    @property
    def pools(self) -> bool:
        """Whether it was made for vectors; models of words were not."""
        return self.pooling is not None

    @property
    def ranks(self) -> bool:
        """Whether it is a reranker: what becomes of a query and a document is one score."""
        return self.pooling == RANK_POOLING


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedFit:
    """The answer, in bytes; `longest_context` for the same number of requests."""

    verdict: Verdict
    available_bytes: int
    file_bytes: int
    cache_bytes: int
    batch_bytes: int
    process_bytes: int
    bytes_per_token: int
    longest_context: int
    why: str = ""

    @property
    def needed_bytes(self) -> int:
        """All of it."""
        return self.file_bytes + self.cache_bytes + self.batch_bytes + self.process_bytes


def embedded_fit(shape: GgufShape, context_tokens: int, parallel: int, available_bytes: int) -> EmbeddedFit:
    """The answer for a cache of `parallel` x `context_tokens`."""
    token = shape.kv_numbers_per_token * KV_NUMBER_BYTES
    batch = BATCH_TOKENS * 4 * (3 * shape.intermediate + 3 * shape.hidden) + 4 * shape.vocab * parallel
    fixed = shape.file_bytes + batch + PROCESS_BYTES
    longest = max((available_bytes - fixed) // (token * parallel), 0)
    why = ""
    if context_tokens > shape.context_tokens:
        why = f"context_tokens {context_tokens} is more than the {shape.context_tokens} it was made for"
    fits = Verdict.FITS if context_tokens <= longest else Verdict.TOO_LARGE
    return EmbeddedFit(
        verdict=Verdict.IMPOSSIBLE if why else fits,
        available_bytes=available_bytes,
        file_bytes=shape.file_bytes,
        cache_bytes=token * context_tokens * parallel,
        batch_bytes=batch,
        process_bytes=PROCESS_BYTES,
        bytes_per_token=token,
        longest_context=min(longest, shape.context_tokens),
        why=why,
    )
