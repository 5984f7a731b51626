"""Token counts of one answer. Measured and estimated are kept apart; zero is a value."""

from localfleet.core.value import value

__all__ = ["Usage"]


@value
class Usage:
    """
    Tokens as a partition, normalised once so that no price is ever applied twice.

    `input_tokens` counts the whole input; `cache_read_tokens` and `cache_write_tokens` are parts *of* it.
    `reasoning_tokens` is a part of `output_tokens`. `measured` is false where the engine gave no count and the
    router estimated.
    """

    input_tokens: int
    output_tokens: int
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    measured: bool = True

    def __post_init__(self) -> None:
        """Refuse impossible counts instead of clamping them."""
        counts = (
            self.input_tokens,
            self.output_tokens,
            self.cache_read_tokens,
            self.cache_write_tokens,
            self.reasoning_tokens,
        )
        if min(counts) < 0:
            msg = "token counts cannot be negative"
            raise ValueError(msg)
        if self.cache_read_tokens + self.cache_write_tokens > self.input_tokens:
            msg = "cached tokens are a part of the input and cannot exceed it"
            raise ValueError(msg)
        if self.reasoning_tokens > self.output_tokens:
            msg = "reasoning tokens are a part of the output and cannot exceed it"
            raise ValueError(msg)
