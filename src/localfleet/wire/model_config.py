"""
A Hugging Face `config.json`, and a safetensors index -> the architecture that memory is computed from.

One function for each family, because each leaves other things unsaid: defaults are those of the family's class in
`transformers`. A family that is not here, or a part whose memory is not computed (linear attention, sparse indexers),
is `ShapeUnknown`: better no figure than a wrong one.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from localfleet.core.fit import Architecture, Attention, Block, FeedForward, Latent, Vision
from localfleet.errors import ShapeUnknown
from localfleet.wire.model_facts import Facts
from localfleet.wire.model_format import stored_as

__all__ = ["FAMILIES", "architecture_of", "read_model_config", "read_total_size"]

GEMMA_PATTERN = 6
MISTRAL_WINDOW = 4096
MOST_LAYERS = 2048


def read_model_config(raw: bytes) -> Architecture:
    """The text of a `config.json`; raises `ShapeUnknown`."""
    return architecture_of(_mapping(raw, "config.json"))


def read_total_size(raw: bytes) -> int:
    """Bytes of all weights, from a `model.safetensors.index.json`; raises `ShapeUnknown`."""
    metadata = Facts(_mapping(raw, "model.safetensors.index.json")).part("metadata")
    size = None if metadata is None else metadata.values.get("total_size")
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
        raise ShapeUnknown("its model.safetensors.index.json has no `total_size`")
    return size


def _mapping(raw: bytes, name: str) -> Mapping[str, Any]:
    try:
        value = orjson.loads(raw)
    except ValueError as exc:
        raise ShapeUnknown(f"its {name} is no JSON") from exc
    if not isinstance(value, dict):
        raise ShapeUnknown(f"its {name} is no JSON object")
    return value


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """What the parsed `config.json` describes; raises `ShapeUnknown`."""
    whole = Facts(config)
    text = whole.part("text_config")
    family = (text or whole).word("model_type") or whole.word("model_type")
    build = FAMILIES.get(family)
    if build is None:
        name = "".join(c for c in family if c.isascii() and (c.isalnum() or c in "-_."))[:40]
        raise ShapeUnknown(f"the model family `{name}` is not known here")
    if text is not None and family != "gemma3_text":
        raise ShapeUnknown(f"`{family}` with images or sound is not known here")
    return build(whole)


def _architecture(facts: Facts, config: Facts, blocks: tuple[Block, ...], *, tied: bool = False) -> Architecture:
    return Architecture(
        family=facts.word("model_type"),
        hidden=facts.whole("hidden_size"),
        vocab=facts.whole("vocab_size"),
        tied=facts.flag("tie_word_embeddings", default=config.flag("tie_word_embeddings", default=tied)),
        blocks=blocks,
        stored=stored_as(config),
        context_tokens=facts.whole("max_position_embeddings"),
    )


def _layers(facts: Facts) -> int:
    count = facts.whole("num_hidden_layers")
    if count > MOST_LAYERS:
        raise ShapeUnknown("its `num_hidden_layers` is no number that a model can have")
    return count


def _attention(facts: Facts, **more: Any) -> Attention:
    """The usual kind: grouped queries; where nothing is said, heads share the model's width."""
    heads = facts.whole("num_attention_heads")
    dim = facts.whole("head_dim", default=facts.whole("hidden_size") // heads or 1)
    return Attention(
        heads=heads,
        kv_heads=facts.whole("num_key_value_heads", default=heads),
        key_dim=dim,
        value_dim=dim,
        **more,
    )


def _same(facts: Facts, attention: Attention, forward: FeedForward) -> tuple[Block, ...]:
    return (Block(attention=attention, feed_forward=forward),) * _layers(facts)


def _llama(facts: Facts) -> Architecture:
    bias = facts.flag("attention_bias", default=False)
    attention = _attention(facts, input_bias=bias, output_bias=bias)
    forward = FeedForward(intermediate=facts.whole("intermediate_size"), bias=facts.flag("mlp_bias", default=False))
    return _architecture(facts, facts, _same(facts, attention, forward))


def _mistral(facts: Facts) -> Architecture:
    # MistralConfig has a window where nothing is said; newer models say `null`.
    window = facts.whole_or_none("sliding_window") if "sliding_window" in facts.values else MISTRAL_WINDOW
    attention = _attention(facts, window_tokens=window)
    forward = FeedForward(intermediate=facts.whole("intermediate_size"))
    return _architecture(facts, facts, _same(facts, attention, forward))


def _mixtral(facts: Facts) -> Architecture:
    attention = _attention(facts, window_tokens=facts.whole_or_none("sliding_window"))
    forward = FeedForward(
        intermediate=facts.whole("intermediate_size"),
        experts=facts.whole("num_local_experts"),
        active_experts=facts.whole("num_experts_per_tok"),
    )
    return _architecture(facts, facts, _same(facts, attention, forward))


def _qwen2(facts: Facts) -> Architecture:
    _no_window(facts)
    attention = _attention(facts, input_bias=True)
    forward = FeedForward(intermediate=facts.whole("intermediate_size"))
    return _architecture(facts, facts, _same(facts, attention, forward))


def _qwen3(facts: Facts) -> Architecture:
    _no_window(facts)
    bias = facts.flag("attention_bias", default=False)
    attention = _attention(facts, head_norms=True, input_bias=bias, output_bias=bias)
    forward = FeedForward(intermediate=facts.whole("intermediate_size"))
    return _architecture(facts, facts, _same(facts, attention, forward))


def _qwen3_moe(facts: Facts) -> Architecture:
    _no_window(facts)
    if facts.values.get("mlp_only_layers") or facts.whole("decoder_sparse_step", default=1) != 1:
        raise ShapeUnknown("a mixture of experts with plain layers between is not known here for this family")
    attention = _attention(facts, head_norms=True)
    forward = FeedForward(
        intermediate=facts.whole("moe_intermediate_size"),
        experts=facts.whole("num_experts"),
        active_experts=facts.whole("num_experts_per_tok"),
    )
    return _architecture(facts, facts, _same(facts, attention, forward))


def _no_window(facts: Facts) -> None:
    if facts.flag("use_sliding_window", default=False):
        raise ShapeUnknown("sliding windows are not known here for this family")


def _phi3(facts: Facts) -> Architecture:
    if facts.whole_or_none("sliding_window") is not None:
        raise ShapeUnknown("sliding windows are not known here for this family")
    forward = FeedForward(intermediate=facts.whole("intermediate_size"))
    return _architecture(facts, facts, _same(facts, _attention(facts), forward))


def _gpt_oss(facts: Facts) -> Architecture:
    layers = _layers(facts)
    kinds = facts.words("layer_types") or ("sliding_attention", "full_attention") * (layers // 2 + 1)
    full = _attention(facts, input_bias=True, output_bias=True, sinks=True)
    forward = FeedForward(
        intermediate=facts.whole("intermediate_size"),
        experts=facts.whole("num_local_experts"),
        active_experts=facts.whole("num_experts_per_tok", "experts_per_token"),
        bias=True,
        router_bias=True,
    )
    return _architecture(facts, facts, _mixed(facts, kinds[:layers], full, forward, norms=2))


def _gemma3(config: Facts) -> Architecture:
    text = config.part("text_config") or config
    facts = Facts({**GEMMA_DEFAULTS, **text.values})
    pattern = facts.whole("sliding_window_pattern", "_sliding_window_pattern", default=GEMMA_PATTERN)
    layers = _layers(facts)
    usual = tuple("sliding_attention" if (i + 1) % pattern else "full_attention" for i in range(layers))
    full = _attention(facts, head_norms=True)
    forward = FeedForward(intermediate=facts.whole("intermediate_size"))
    blocks = _mixed(facts, facts.words("layer_types") or usual, full, forward, norms=4)
    return replace(_architecture(facts, config, blocks, tied=True), vision=_siglip(config, facts.whole("hidden_size")))


GEMMA_DEFAULTS = {
    "model_type": "gemma3_text",
    "vocab_size": 262_208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131_072,
    "sliding_window": 4096,
}
"""`Gemma3TextConfig` in transformers: the published files leave these out where they hold."""


def _mixed(
    facts: Facts, kinds: tuple[str, ...], full: Attention, forward: FeedForward, *, norms: int
) -> tuple[Block, ...]:
    """Layers with a window among layers without."""
    if len(kinds) != _layers(facts) or not set(kinds) <= {"sliding_attention", "full_attention"}:
        raise ShapeUnknown("its `layer_types` name layers that are not known here")
    near = replace(full, window_tokens=facts.whole("sliding_window"))
    by_kind = {"full_attention": full, "sliding_attention": near}
    return tuple(Block(attention=by_kind[kind], feed_forward=forward, norms=norms) for kind in kinds)


def _siglip(config: Facts, text_hidden: int) -> Vision | None:
    """The SigLIP tower and its projector, as `transformers` builds them for Gemma 3."""
    facts = config.part("vision_config")
    if facts is None:
        return None
    hidden, wide, patch = facts.whole("hidden_size"), facts.whole("intermediate_size"), facts.whole("patch_size")
    patches = (facts.whole("image_size") // patch) ** 2
    layer = 4 * hidden * (hidden + 1) + hidden * wide * 2 + wide + hidden + 4 * hidden
    embedding = 3 * patch * patch * hidden + hidden + patches * hidden
    return Vision(
        parameters=facts.whole("num_hidden_layers") * layer + embedding + 3 * hidden + hidden * text_hidden,
        hidden=hidden,
        intermediate=wide,
        patches_per_image=patches,
        tokens_per_image=config.whole("mm_tokens_per_image", default=256),
    )


def _deepseek(facts: Facts) -> Architecture:
    if facts.values.get("index_topk") is not None:
        raise ShapeUnknown("sparse attention with an indexer is not known here")
    plain = FeedForward(intermediate=facts.whole("intermediate_size"))
    wide = facts.whole("moe_intermediate_size")
    experts = FeedForward(
        intermediate=wide,
        experts=facts.whole("n_routed_experts"),
        active_experts=facts.whole("num_experts_per_tok"),
        shared_intermediate=wide * facts.whole("n_shared_experts", default=0, least=0),
        router_bias=facts.word("topk_method") == "noaux_tc",
    )
    attention, first = _latent(facts), facts.whole("first_k_dense_replace", default=0, least=0)
    step = facts.whole("moe_layer_freq", default=1)
    sparse = (i >= first and i % step == 0 for i in range(_layers(facts)))
    blocks = tuple(Block(attention=attention, feed_forward=experts if yes else plain) for yes in sparse)
    return _architecture(facts, facts, blocks)


def _latent(facts: Facts) -> Attention:
    nope, rope = facts.whole("qk_nope_head_dim"), facts.whole("qk_rope_head_dim")
    heads = facts.whole("num_attention_heads")
    latent = Latent(
        query_rank=facts.whole_or_none("q_lora_rank"), kv_rank=facts.whole("kv_lora_rank"), nope_dim=nope, rope_dim=rope
    )
    return Attention(
        heads=heads, kv_heads=heads, key_dim=nope + rope, value_dim=facts.whole("v_head_dim"), latent=latent
    )


FAMILIES: Mapping[str, Callable[[Facts], Architecture]] = {
    "llama": _llama,
    "mistral": _mistral,
    "mixtral": _mixtral,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "phi3": _phi3,
    "gpt_oss": _gpt_oss,
    "gemma3": _gemma3,
    "gemma3_text": _gemma3,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "kimi_k2": _deepseek,
}
"""By `model_type`."""
