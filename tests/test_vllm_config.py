"""The `vllm:` section: every key becomes a flag that vLLM knows, and nothing that opens a door can be said."""

import json
from pathlib import Path
from typing import Any

import pytest
from vllm_keys import KEYS, NOT_FLAGS

from localfleet.config import LocalModel, Vllm, parse_settings, vllm_flags
from localfleet.config.vllm_extra import KEYED_FLAGS, OWNED_FLAGS, args_problem, env_problem
from localfleet.errors import ConfigError

FACTS = json.loads((Path(__file__).parent / "engines" / "data" / "vllm_0_32_flags.json").read_text(encoding="utf-8"))
ALWAYS = ("--max-model-len", "4096", "--max-num-seqs", "256", "--allowed-media-domains", "nowhere.invalid")
OWNED = frozenset(flag for flags in OWNED_FLAGS.values() for flag in flags.split())


def entry(section: dict[str, Any] | None = None, **more: Any) -> LocalModel:
    """One checked entry."""
    vllm = {} if section is None else {"vllm": section}
    return LocalModel.model_validate({"engine": "vllm", "weights": "Qwen/Qwen3-8B", **vllm, **more})


def problem(section: dict[str, Any], weights: str = "Qwen/Qwen3-8B", engine: str = "vllm") -> str:
    """What the settings say is wrong."""
    model = {"engine": engine, "weights": weights, "vllm": section}
    text = json.dumps({"version": 1, "local": {"big": model}})
    with pytest.raises(ConfigError) as caught:
        parse_settings(text.encode())
    return caught.value.message


def added(flags: tuple[str, ...]) -> list[str]:
    """The flags beside those that always stand."""
    left = list(flags)
    for i in range(0, len(ALWAYS), 2):
        at = left.index(ALWAYS[i])
        assert left[at + 1] == ALWAYS[i + 1]
        del left[at : at + 2]
    return left


@pytest.mark.parametrize(
    ("section", "flags"), KEYS, ids=lambda value: "-".join(value) if isinstance(value, dict) else ""
)
def test_every_key_becomes_the_flag_that_vllm_has_for_it(section: dict[str, Any], flags: tuple[str, ...]) -> None:
    """A key changes its own flags and no other; what is left out is vLLM's to decide."""
    assert added(vllm_flags(entry(section))) == list(flags)


def test_no_key_is_forgotten() -> None:
    """Each key of the section is in the table of flags, or acts otherwise and is listed as such."""
    told = {key for section, _ in KEYS for key in section}
    assert told | NOT_FLAGS == set(Vllm.model_fields)
    assert not told & NOT_FLAGS


def test_the_entry_s_own_keys() -> None:
    """Context and parallel requests are the entry's; a caller's media URLs lead nowhere unless hosts are named."""
    flags = vllm_flags(entry({}, context_tokens=32768, parallel=64))
    assert flags == ("--max-model-len", "32768", "--max-num-seqs", "64", "--allowed-media-domains", "nowhere.invalid")
    hosts = vllm_flags(
        entry({"allowed_media_domains": ["img.example.org", "b.example.org"], "media_on_premises": True})
    )
    assert hosts[-3:] == ("--allowed-media-domains", "img.example.org", "b.example.org")
    assert "nowhere.invalid" not in hosts
    assert added(vllm_flags(entry({"chat_template": "/t.jinja"}))) == ["--chat-template", "/t.jinja"]


def test_every_flag_is_one_that_vllm_0_32_has() -> None:
    """The recorded list is made by vLLM's own parser, so no flag is invented or stale."""
    written = {arg for _, flags in KEYS for arg in flags if arg.startswith("--") and "=" not in arg} | set(ALWAYS[::2])
    assert written <= set(FACTS["options"])
    assert OWNED | set(KEYED_FLAGS) <= set(FACTS["options"])
    assert set(KEYED_FLAGS.values()) <= set(Vllm.model_fields)


def test_what_may_be_passed_through() -> None:
    """A flag that is nobody's passes; one that localfleet owns, or that has a key, does not, and says why."""
    for option in FACTS["options"]:
        positive = "--" + option.removeprefix("--no-") if option.startswith("--no-") else option
        ours = {option, positive} & (OWNED | set(KEYED_FLAGS))
        assert (args_problem([option]) is not None) == bool(ours), option
    assert args_problem(["--block-size", "32", "--seed", "-1", "--compilation-config.mode=3"]) is None


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--host", "0.0.0.0"], "private socket"),
        (["--hos=0.0.0.0"], "`--host` may not be given"),
        (["--ap", "key"], "`--api-"),
        (["--api_key=x"], "`--api-key` may not be given"),
        (["--API-KEY=x"], "`--api-key` may not be given"),
        (["--seed", "1", "--enable_log_requests"], "may hold prompts"),
        (["--logging-config.level=DEBUG"], "may hold prompts"),
        (["--no-disable-fastapi-docs"], "private socket"),
        (["--middleware", "os.system"], "private socket"),
        (["--config", "more.yaml"], "private socket"),
        (["--kv-transfer-config", "{}"], "stays on this machine"),
        (["--allowed-local-media-path", "/"], "trust the callers"),
        (["--hf-token", "hf_x"], "every user of the machine"),
        (["--tensor-parallel-size", "2"], "write `tensor_parallel:`"),
        (["--no-enable-prefix-caching"], "write `prefix_caching:`"),
        (["-tp", "2"], "two dashes"),
        (["--"], "two dashes"),
        (["Qwen/Qwen3-8B"], "begin with a flag"),
    ],
)
def test_what_may_not_be_passed_through(args: list[str], says: str) -> None:
    """Doors, logs, secrets and what has a key are refused in every spelling that vLLM's parser would take."""
    assert says in problem({"extra_args": args})


@pytest.mark.parametrize("name", ["VLLM_API_KEY", "VLLM_LOGGING_LEVEL", "VLLM_USAGE_SOURCE", "VLLM_SERVER_DEV_MODE"])
def test_names_that_localfleet_owns_are_refused(name: str) -> None:
    """Neither logs nor usage statistics nor development endpoints can be switched on beside us."""
    assert "localfleet sets itself" in problem({"env": {name: "1"}})
    assert name in FACTS["environment"] or name == "VLLM_USAGE_SOURCE"


def test_names_that_may_be_set() -> None:
    """Tuning passes; another tool's variables and provider keys do not."""
    assert (
        env_problem(["VLLM_CPU_KVCACHE_SPACE", "NCCL_P2P_DISABLE", "CUDA_HOME", "HF_HOME", "OMP_NUM_THREADS"]) is None
    )
    assert "may only set" in (env_problem(["OPENAI_API_KEY"]) or "")
    assert "may only set" in (env_problem(["LD_PRELOAD"]) or "")
    assert "write `gpus:`" in (env_problem(["CUDA_VISIBLE_DEVICES"]) or "")
    assert "write `pull:`" in (env_problem(["HF_HUB_OFFLINE"]) or "")
    assert "write `hf_token_env:`" in (env_problem(["HF_TOKEN"]) or "")


def test_sections_that_cannot_be_meant() -> None:
    """Wrong combinations are found before a start of minutes ends in them."""
    assert "make them equal" in problem({"gpus": [0, 1]})
    assert "names one twice" in problem({"gpus": [1, 1], "tensor_parallel": 2})
    assert "say the `method:`" in problem({"speculative": {"tokens": 3}})
    assert "vLLM does not read these weights" in problem({}, weights="model.gguf", engine="auto")
    assert "vLLM does not read these weights" in problem({}, weights="smollm2-135m-instruct")
    assert "`vllm:` belongs to" in problem({}, weights="model.gguf", engine="llamacpp")
    assert "lora_rank" in problem({"lora": {"a": "/a"}, "lora_rank": 17})


def test_an_adapter_is_a_model_with_a_name_of_its_own() -> None:
    """Its name counts as a model's in tasks and aliases, and cannot be another model's."""
    local = {"engine": "vllm", "weights": "a/b", "vllm": {"lora": {"legal": "/legal"}}}
    both = {"version": 1, "local": {"big": local}, "aliases": {"house/law": "legal"}}
    settings = parse_settings(json.dumps(both).encode())
    assert settings.names == {"big", "legal"}
    assert settings.adapters["legal"] is settings.local["big"]
    for taken in ({"big": local, "legal": local}, {"big": local, "other": local}):
        with pytest.raises(ConfigError, match="is a model's name already"):
            parse_settings(json.dumps({"version": 1, "local": taken}).encode())
