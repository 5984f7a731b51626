"""
What a model is made of, as far as memory goes: its layers, their matrices, and how many GPUs can share each.

Plain facts from a `config.json`; no bytes here (`weights`, `cache` and `activations` turn facts into bytes). What no
reader understands never becomes an `Architecture`: memory that cannot be told is not guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from localfleet.core.fit.formats import Stored

__all__ = ["Architecture", "Attention", "Block", "FeedForward", "Latent", "Piece", "Role", "Vision"]


class Role(StrEnum):
    """What a quantised format does to a matrix: `LINEAR` and `EXPERT` shrink, the others keep the model's own type."""

    LINEAR = "linear"
    EXPERT = "expert"
    VOCAB = "vocab"
    """The embedding and the output head: no format here quantises them."""
    OTHER = "other"
    """Norms, biases, routers, the vision tower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some parameters of one role. `most_shards`: tensor parallelism divides them by at most that; `None`: by any."""

    parameters: int
    role: Role
    most_shards: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latent:
    """Multi-head latent attention (DeepSeek): keys and values of a token are one small vector."""

    query_rank: int | None
    kv_rank: int
    nope_dim: int
    rope_dim: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One attention layer. With `latent`, `kv_heads` is not used: every GPU holds the whole small vector."""

    heads: int
    kv_heads: int
    key_dim: int
    value_dim: int
    window_tokens: int | None = None
    """A sliding window: only that many tokens back are kept."""
    latent: Latent | None = None
    input_bias: bool = False
    output_bias: bool = False
    head_norms: bool = False
    sinks: bool = False

    def pieces(self, hidden: int) -> Iterator[Piece]:
        """Its matrices."""
        if self.latent is not None:
            yield from self._latent_pieces(hidden, self.latent)
            return
        query, kv = self.heads * self.key_dim, self.kv_heads * (self.key_dim + self.value_dim)
        yield Piece(parameters=hidden * query, role=Role.LINEAR, most_shards=self.heads)
        yield Piece(parameters=hidden * kv, role=Role.LINEAR, most_shards=self.kv_heads)
        yield Piece(parameters=self.heads * self.value_dim * hidden, role=Role.LINEAR, most_shards=self.heads)
        if self.input_bias:
            yield Piece(parameters=query + kv, role=Role.OTHER, most_shards=self.kv_heads)
        if self.output_bias:
            yield Piece(parameters=hidden, role=Role.OTHER, most_shards=1)
        if self.head_norms:
            yield Piece(parameters=2 * self.key_dim, role=Role.OTHER, most_shards=1)
        if self.sinks:
            yield Piece(parameters=self.heads, role=Role.OTHER, most_shards=self.heads)

    def _latent_pieces(self, hidden: int, latent: Latent) -> Iterator[Piece]:
        query = self.heads * (latent.nope_dim + latent.rope_dim)
        if latent.query_rank is None:
            yield Piece(parameters=hidden * query, role=Role.LINEAR, most_shards=self.heads)
        else:
            yield Piece(parameters=hidden * latent.query_rank, role=Role.LINEAR, most_shards=1)
            yield Piece(parameters=latent.query_rank, role=Role.OTHER, most_shards=1)
            yield Piece(parameters=latent.query_rank * query, role=Role.LINEAR, most_shards=self.heads)
        yield Piece(parameters=hidden * (latent.kv_rank + latent.rope_dim), role=Role.LINEAR, most_shards=1)
        yield Piece(parameters=latent.kv_rank, role=Role.OTHER, most_shards=1)
        yield Piece(parameters=self.absorbed(), role=Role.LINEAR, most_shards=self.heads)
        yield Piece(parameters=self.heads * self.value_dim * hidden, role=Role.LINEAR, most_shards=self.heads)

    def absorbed(self) -> int:
        """
        Parameters of the up-projection of latent keys and values; 0 without `latent`.

        vLLM keeps it twice: as stored, for prefill, and unpacked in the model's type (`W_UV`, `W_UK_T` in
        `process_weights_after_loading` of its MLA attention), for decode.
        """
        return 0 if self.latent is None else self.latent.kv_rank * self.heads * (self.latent.nope_dim + self.value_dim)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedForward:
    """One feed-forward layer with gate, up and down matrices; with `experts`, that many of them and a router."""

    intermediate: int
    experts: int = 0
    active_experts: int = 0
    shared_intermediate: int = 0
    bias: bool = False
    router_bias: bool = False

    def pieces(self, hidden: int) -> Iterator[Piece]:
        """Its matrices."""
        one, bias = 3 * hidden * self.intermediate, 2 * self.intermediate + hidden
        if not self.experts:
            yield Piece(parameters=one, role=Role.LINEAR)
            if self.bias:
                yield Piece(parameters=bias, role=Role.OTHER)
            return
        yield Piece(parameters=self.experts * one, role=Role.EXPERT)
        if self.bias:
            yield Piece(parameters=self.experts * bias, role=Role.OTHER)
        router = self.experts * (hidden + self.router_bias)
        yield Piece(parameters=router, role=Role.OTHER, most_shards=1)
        if self.shared_intermediate:
            yield Piece(parameters=3 * hidden * self.shared_intermediate, role=Role.LINEAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One layer of the model: attention, feed-forward, and `norms` vectors as wide as the model."""

    attention: Attention
    feed_forward: FeedForward
    norms: int = 2

    def pieces(self, hidden: int) -> Iterator[Piece]:
        """Its matrices."""
        yield from self.attention.pieces(hidden)
        yield from self.feed_forward.pieces(hidden)
        yield Piece(parameters=self.norms * hidden, role=Role.OTHER, most_shards=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vision:
    """The part that reads images. Its weights are never quantised here."""

    parameters: int
    hidden: int
    intermediate: int
    patches_per_image: int
    tokens_per_image: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """
    A model as its publisher describes it.

    `stored` is the format its files have, `stored_bytes` their size where it is known: then no formula is needed for
    it. `context_tokens` is the longest context the publisher names.
    """

    family: str
    hidden: int
    vocab: int
    tied: bool
    """One matrix serves as embedding and as output head."""
    blocks: tuple[Block, ...]
    stored: Stored
    context_tokens: int
    vision: Vision | None = None
    stored_bytes: int | None = None

    @property
    def heads(self) -> int:
        """Attention heads of a layer: what tensor parallelism must divide."""
        return self.blocks[0].attention.heads

    @property
    def parameters(self) -> int:
        """All of them, as publishers count: tied matrices once."""
        layers = sum(piece.parameters for block in self.blocks for piece in block.pieces(self.hidden))
        return layers + sum(piece.parameters for piece in self.ends())

    @property
    def has_experts(self) -> bool:
        """Whether it is a mixture of experts."""
        return any(block.feed_forward.experts for block in self.blocks)

    def ends(self) -> Iterator[Piece]:
        """What stands before the first layer and behind the last one."""
        yield Piece(parameters=self.vocab * self.hidden * (1 if self.tied else 2), role=Role.VOCAB)
        yield Piece(parameters=self.hidden, role=Role.OTHER, most_shards=1)
        if self.vision is not None:
            yield Piece(parameters=self.vision.parameters, role=Role.OTHER, most_shards=1)
