"""Models read from their own files: folders with a config.json, the hub's cache, GGUF headers; and hostile ones."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from gguf_file import LLAMA, write_gguf
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.fit import Division, Dtype, Format, Stored, Verdict, embedded_fit
from localfleet.core.fit.weights import checkpoint_bytes, weight_bytes
from localfleet.errors import ShapeUnknown
from localfleet.hub.place import hub_cache
from localfleet.shapes import find_shape, gguf_shape, read_models
from localfleet.wire.gguf import read_gguf
from localfleet.wire.model_config import FAMILIES, architecture_of, read_model_config, read_total_size
from localfleet.wire.model_format import asked_format

MODELS = read_models()
TINY = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 512,
    "torch_dtype": "float16",
}


def folder(path: Path, config: dict[str, Any], **files: bytes) -> Path:
    """A model's folder."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name, raw in files.items():
        (path / f"{name}.safetensors").write_bytes(raw)
    return path


def test_a_folder_is_read_and_its_size_wins(tmp_path: Path) -> None:
    """The index's total size is what weighs; without an index, the files' own; the formula only divides it."""
    place = folder(tmp_path / "m", TINY, a=b"x" * 3000, b=b"x" * 1000)
    shape = find_shape(str(place), MODELS, None)
    assert shape.stored == Stored(dtype=Dtype.FLOAT16)
    assert shape.stored_bytes == 4000
    assert weight_bytes(shape, shape.stored, Division()) == pytest.approx(4000, rel=0.1)
    (place / "model.safetensors.index.json").write_text('{"metadata": {"total_size": 9000}}', encoding="utf-8")
    indexed = find_shape(str(place), MODELS, None)
    assert indexed.stored_bytes == 9000
    eight = Stored(dtype=Dtype.FLOAT16, format=Format.FP8)
    assert weight_bytes(indexed, eight, Division()) == checkpoint_bytes(indexed, eight) + 2 * 28 * 64 * 2, "computed"
    assert checkpoint_bytes(indexed, indexed.stored) == 2 * indexed.parameters


def test_the_hub_s_cache_wins_over_the_catalogue(tmp_path: Path) -> None:
    """What is on this machine is what will be loaded, whatever its name is known for."""
    folder(tmp_path / "models--Qwen--Qwen3-8B" / "snapshots" / "abc", TINY)
    assert find_shape("Qwen/Qwen3-8B", MODELS, tmp_path).hidden == 64
    assert find_shape("qwen/qwen3-8b", MODELS, tmp_path / "empty").hidden == 4096
    assert hub_cache({"HF_HUB_CACHE": "/a"}) == Path("/a")
    assert hub_cache({"HF_HOME": "/b"}) == Path("/b/hub")


@pytest.mark.parametrize("name", ["nobody/nothing", "Qwen/Qwen3-8B/../../etc", "/no/such/folder", ""])
def test_what_nobody_knows_is_unknown(name: str, tmp_path: Path) -> None:
    """No figure, and a sentence instead."""
    with pytest.raises(ShapeUnknown, match="catalogue"):
        find_shape(name, MODELS, tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model_type": "mamba2"}, "family `mamba2`"),
        ({"model_type": None}, "family ``"),
        ({"hidden_size": None}, "has no `hidden_size`"),
        ({"hidden_size": -1}, "`hidden_size` is no number"),
        ({"num_hidden_layers": 10**8}, "`num_hidden_layers`"),
        ({"num_hidden_layers": True}, "`num_hidden_layers`"),
        ({"vocab_size": "many"}, "`vocab_size`"),
        ({"torch_dtype": "float8"}, "type `float8`"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "bitsandbytes"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 3}}, "3 bits"),
        ({"tie_word_embeddings": "yes"}, "neither true nor false"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "sliding windows"),
        ({"model_type": "phi3", "sliding_window": 2047}, "sliding windows"),
        ({"model_type": "deepseek_v3", "index_topk": 2048}, "indexer"),
        ({"model_type": "gpt_oss", "layer_types": ["linear_attention"] * 2, "sliding_window": 4}, "num_local_experts"),
        ({"text_config": {"model_type": "llama"}}, "images or sound"),
    ],
)
def test_what_is_not_understood_is_unknown(change: dict[str, Any], words: str) -> None:
    """Each is refused with a sentence that says what it was."""
    with pytest.raises(ShapeUnknown, match=words):
        architecture_of({**TINY, **change})


@pytest.mark.parametrize(
    ("quantized", "stored"),
    [
        ({"quant_method": "fp8"}, (Format.FP8, 128)),
        ({"quant_method": "mxfp4"}, (Format.MXFP4, 32)),
        ({"quant_method": "awq", "w_bit": 4, "q_group_size": 64}, (Format.INT4, 64)),
        ({"quant_method": "gptq", "bits": 8, "group_size": 128}, (Format.INT8, 128)),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, (Format.NVFP4, 16)),
        ({"quant_method": "modelopt", "quant_algo": "FP8"}, (Format.FP8, 128)),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}}},
            },
            (Format.FP8, 128),
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}}},
            },
            (Format.INT4, 32),
        ),
    ],
)
def test_formats_are_read(quantized: dict[str, Any], stored: tuple[Format, int]) -> None:
    """The words of the tools that write them."""
    found = architecture_of({**TINY, "quantization_config": quantized}).stored
    assert (found.format, found.group) == stored


def test_a_format_can_be_asked_for() -> None:
    """`--quantization` in vLLM's words; what is stored so stays; what is not known here is not guessed."""
    stored = Stored(format=Format.INT4, group=32)
    assert asked_format("awq_marlin", stored) is stored
    assert asked_format("fp8", Stored()).format is Format.FP8
    with pytest.raises(ShapeUnknown, match="torchao"):
        asked_format("torchao", Stored())


@given(st.binary(max_size=400))
def test_any_bytes_are_a_model_or_unknown(raw: bytes) -> None:
    """No other error comes out of someone's bytes."""
    for read in (read_model_config, read_total_size, lambda one: read_gguf(one, len(one))):
        with pytest.raises(ShapeUnknown):
            read(raw)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10**12),
    st.sampled_from(["", "yes", "7"]),
    st.lists(st.integers(), max_size=3),
)


@given(
    st.sampled_from(sorted(FAMILIES)),
    st.dictionaries(st.sampled_from([*sorted(TINY), "moe_intermediate_size"]), values),
)
def test_any_mapping_is_a_model_or_unknown(family: str, change: dict[str, Any]) -> None:
    """A family's reader meets whatever stands in the file."""
    try:
        shape = architecture_of({**TINY, **change, "model_type": family})
    except ShapeUnknown:
        return
    assert shape.parameters > 0


def test_a_gguf_header_is_read() -> None:
    """Heads for all layers or for each; keys and values of their own width; the vocabulary by its list."""
    raw = write_gguf(LLAMA)
    shape = read_gguf(raw, 1000)
    assert (shape.layers, shape.hidden, shape.intermediate, shape.vocab, shape.context_tokens) == (4, 64, 128, 3, 4096)
    assert shape.kv_numbers_per_token == 4 * 2 * (8 + 8)
    each = read_gguf(write_gguf({**LLAMA, "llama.attention.head_count_kv": [2, 0, 1, 1]}), 1000)
    assert each.kv_numbers_per_token == 4 * (8 + 8)
    wide = {**LLAMA, "llama.attention.key_length": 16, "llama.attention.value_length": 4}
    assert read_gguf(write_gguf(wide), 1000).kv_numbers_per_token == 4 * 2 * (16 + 4)


@pytest.mark.parametrize(
    "raw",
    [
        write_gguf(LLAMA, version=9),
        write_gguf({**LLAMA, "llama.block_count": -1 % 2**32}),
        write_gguf({**LLAMA, "llama.ssm.state_size": 16}),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**62),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 1) + b"a" + struct.pack("<IIQ", 9, 4, 2**40),
    ],
)
def test_a_hostile_gguf_is_unknown(raw: bytes) -> None:
    """Versions, lengths and figures that no model has end the reading at once."""
    with pytest.raises(ShapeUnknown):
        read_gguf(raw, len(raw))


def test_a_cut_off_gguf_is_unknown() -> None:
    """At whatever byte it ends."""
    raw = write_gguf(LLAMA)
    for end in range(0, len(raw) - 1, 7):
        with pytest.raises(ShapeUnknown):
            read_gguf(raw[:end], end)


def test_a_gguf_on_disk_fits_or_not(tmp_path: Path) -> None:
    """Its cache is for all requests at full length; the longest context is what the rest holds."""
    file = tmp_path / "m.gguf"
    file.write_bytes(write_gguf(LLAMA))
    shape = gguf_shape(file)
    fine = embedded_fit(shape, 4096, 2, 2**30)
    assert fine.verdict is Verdict.FITS
    assert fine.cache_bytes == 2 * 4096 * 4 * 2 * 16 * 2
    tight = embedded_fit(shape, 4096, 2, fine.needed_bytes - 1)
    assert tight.verdict is Verdict.TOO_LARGE
    assert embedded_fit(shape, tight.longest_context, 2, fine.needed_bytes - 1).verdict is Verdict.FITS
    assert embedded_fit(shape, 8192, 1, 2**40).verdict is Verdict.IMPOSSIBLE
    with pytest.raises(ShapeUnknown, match="cannot be read"):
        gguf_shape(tmp_path / "none.gguf")
