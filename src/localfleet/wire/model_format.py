"""
`torch_dtype` and `quantization_config` of a `config.json` -> how the weights are stored.

The words are those of the tools that write them: FP8 (Transformers, compressed-tensors, ModelOpt), GPTQ, AWQ, MXFP4.
"""

from collections.abc import Mapping

from localfleet.core.fit import Dtype, Format, Stored
from localfleet.errors import ShapeUnknown
from localfleet.wire.model_facts import Facts

__all__ = ["asked_format", "stored_as"]

DTYPES = {
    "float32": Dtype.FLOAT32,
    "float": Dtype.FLOAT32,
    "bfloat16": Dtype.BFLOAT16,
    "float16": Dtype.FLOAT16,
    "half": Dtype.FLOAT16,
}
ASKED: Mapping[str, Format] = {
    "fp8": Format.FP8,
    "fbgemm_fp8": Format.FP8,
    "fp8_per_tensor": Format.FP8,
    "fp8_per_block": Format.FP8,
    "ptpc_fp8": Format.FP8,
    "int8": Format.INT8,
    "experts_int8": Format.INT8,
    "awq": Format.INT4,
    "awq_marlin": Format.INT4,
    "gptq": Format.INT4,
    "gptq_marlin": Format.INT4,
    "int4": Format.INT4,
    "mxfp4": Format.MXFP4,
    "gpt_oss_mxfp4": Format.MXFP4,
    "modelopt_fp4": Format.NVFP4,
    "nvfp4": Format.NVFP4,
    "modelopt": Format.FP8,
}
"""`quantization:` in vLLM's words, and a few plain ones."""


def asked_format(word: str, stored: Stored) -> Stored:
    """What `--quantization WORD` makes of weights that are stored in some way; raises `ShapeUnknown`."""
    if word not in ASKED:
        raise ShapeUnknown(f"the size of `quantization: {word}` is not known here")
    if stored.format is ASKED[word]:
        return stored
    return Stored(dtype=stored.dtype, format=ASKED[word], group=stored.group)


def stored_as(config: Facts) -> Stored:
    """Type, format and group; raises `ShapeUnknown` for a format whose size is not known here."""
    word = config.word("torch_dtype", "dtype") or "bfloat16"
    if word not in DTYPES:
        raise ShapeUnknown(f"its type `{_plain(word)}` is not known here")
    quantized = config.part("quantization_config")
    if quantized is None:
        return Stored(dtype=DTYPES[word])
    form, group = _format(quantized)
    # 32-bit files that are quantised are computed in 16 bits; vLLM casts what is left.
    return Stored(dtype=DTYPES[word], format=form, group=group)


def _format(quantized: Facts) -> tuple[Format, int]:
    method = quantized.word("quant_method").lower()
    if method == "mxfp4":
        return Format.MXFP4, 32
    if method in {"fp8", "fbgemm_fp8"}:
        return Format.FP8, 128
    if method in {"gptq", "awq"}:
        return _by_bits(quantized.whole("bits", "w_bit"), quantized.whole("group_size", "q_group_size", default=128))
    if method == "compressed-tensors":
        return _compressed(quantized)
    if method.startswith("modelopt") or quantized.word("quant_algo"):
        return _modelopt(quantized.word("quant_algo").upper())
    raise ShapeUnknown(f"weights quantised by `{_plain(method)}` are not known here")


def _by_bits(bits: int, group: int) -> tuple[Format, int]:
    if bits == 4:
        return Format.INT4, group
    if bits == 8:
        return Format.INT8, group
    raise ShapeUnknown(f"weights of {bits} bits are not known here")


def _compressed(quantized: Facts) -> tuple[Format, int]:
    groups = quantized.part("config_groups")
    first = next(iter(groups.values), None) if groups is not None else None
    weights = None
    if groups is not None and first is not None:
        one = groups.part(first)
        weights = one.part("weights") if one is not None else None
    if weights is None:
        raise ShapeUnknown("its `quantization_config` does not say how weights are stored")
    bits = weights.whole("num_bits")
    group = weights.whole("group_size", default=128) if weights.values.get("group_size") != -1 else 128
    if weights.word("type") == "float":
        return (Format.NVFP4, 16) if bits == 4 else (Format.FP8, 128)
    return _by_bits(bits, group)


def _modelopt(algorithm: str) -> tuple[Format, int]:
    if algorithm.startswith("FP8"):
        return Format.FP8, 128
    if algorithm == "NVFP4":
        return Format.NVFP4, 16
    raise ShapeUnknown(f"weights quantised by `{_plain(algorithm)}` are not known here")


def _plain(word: str) -> str:
    """A word of someone's file, short and without odd signs."""
    return "".join(c for c in word if c.isascii() and (c.isalnum() or c in "-_."))[:40]
