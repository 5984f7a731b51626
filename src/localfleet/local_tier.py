"""
From a checked entry of `local:` to what runs it: which engine `auto` means here, whether this machine has what it
needs, and the job for vLLM.
"""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from localfleet.config import LocalModel, Settings, Vllm, shown_variable, vllm_flags
from localfleet.core.ask import WORDLESS, Api
from localfleet.engines.vllm_fields import VllmFields
from localfleet.engines.vllm_launch import VllmJob
from localfleet.engines.vllm_place import find_program, find_vllm_weights, private_socket
from localfleet.engines.weights import find_weights
from localfleet.errors import ConfigError, ShapeUnknown
from localfleet.hub.place import HUB_FILE, HUB_NAME
from localfleet.machine import Machine
from localfleet.shapes import gguf_shape

__all__ = ["OnHub", "Problem", "chosen_engine", "local_problems", "on_hub", "vllm_fields", "vllm_job"]

Problem = tuple[tuple[str, ...], str]
"""Where in `models.yaml`, and what is wrong."""
NO_GPU = (
    "these weights need vLLM, and `auto` takes it only where the driver shows a CUDA GPU: name a `.gguf` file for the "
    "CPU, mend the driver (`localfleet doctor`), or write `engine: vllm` to try it all the same"
)


def chosen_engine(model: LocalModel) -> Literal["endpoint", "llamacpp", "vllm"]:
    """What `auto` means for these weights: each kind is read by one of the two."""
    if model.engine != "auto":
        return model.engine
    return "llamacpp" if model.is_gguf else "vllm"


def local_problems(settings: Settings, env: Mapping[str, str], look: Callable[[], Machine]) -> Iterator[Problem]:
    """What keeps local models from starting on this machine. `look` is called only where it matters: it takes time."""
    for name, model in settings.local.items():
        engine = chosen_engine(model)
        try:
            if engine == "llamacpp":
                path = find_weights(model.weights or "").path
                yield from (_here(name, "apis", sentence) for sentence in _cannot_rank(model.apis, path))
            elif engine == "vllm":
                yield from (_here(name, "engine", NO_GPU) for _ in _no_gpu(model, look))
                _resolved(model, env)
        except ConfigError as exc:
            yield from (_here(name, path, sentence) for _, path, sentence in exc.problems)


def _cannot_rank(apis: frozenset[Api], path: Path) -> Iterator[str]:
    """
    What a GGUF file cannot be asked for, where its header says so.

    Where words mislead, a model of words orders documents by chance: measured in docs/concepts/local-models.md.
    """
    if apis.isdisjoint(WORDLESS):
        return
    try:
        shape = gguf_shape(path)
    except ShapeUnknown:
        return
    if shape.ranks and apis != {Api.RERANK}:
        yield "these weights are a reranker's, which does nothing else: write `apis: [rerank]`"
    elif Api.RERANK in apis and not shape.pools:
        yield "these weights are a model of words, which ranks badly: name those of a reranker or an embedding model"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnHub:
    """Weights that an entry names on the Hugging Face hub; `environ` says where its engine will look for them."""

    name: str
    repo: str
    revision: str | None = None
    file: str | None = None
    token: str | None = field(default=None, repr=False)
    environ: Mapping[str, str] = field(repr=False)


def on_hub(settings: Settings, env: Mapping[str, str], names: Collection[str] | None) -> Iterator[OnHub]:
    """What `localfleet pull` is to fetch, in the file's order; of `names` only, where there are any."""
    for name, model in settings.local.items():
        if names and name not in names:
            continue
        weights, engine = model.weights or "", chosen_engine(model)
        if engine == "llamacpp":
            one = HUB_FILE.fullmatch(weights)
            if one is not None and not Path(weights).exists():
                yield OnHub(name=name, repo=one["repo"], file=one["file"], environ=env)
        elif engine == "vllm":
            yield from _repos(name, weights, _asked(model), env)


def _repos(name: str, weights: str, asked: Vllm, env: Mapping[str, str]) -> Iterator[OnHub]:
    seen = {**env, **{variable: str(value) for variable, value in asked.env.items()}}
    token = env.get(asked.hf_token_env) if asked.hf_token_env else None
    draft = asked.speculative.model if asked.speculative is not None else None
    for repo, revision in ((weights, asked.revision), (draft or "", None)):
        if HUB_NAME.fullmatch(repo) and not Path(repo).is_dir():
            yield OnHub(name=name, repo=repo, revision=revision, token=token, environ=seen)


def _no_gpu(model: LocalModel, look: Callable[[], Machine]) -> Iterator[None]:
    if model.engine == "auto" and look().driver != "ok":
        yield None


def _here(name: str, path: str, sentence: str) -> Problem:
    return ("local", name, *path.split(".")), sentence


def vllm_job(name: str, model: LocalModel, *, env: Mapping[str, str], home: Path, resolve: bool) -> VllmJob:
    """
    The job for one entry; raises `ConfigError` for what is not here.

    Without `resolve` nothing is looked for, as when the router starts no engine.
    """
    try:
        program, weights, asked = _resolved(model, env) if resolve else (_asked(model).program, "", _asked(model))
    except ConfigError as exc:
        raise ConfigError(
            exc.file, tuple((at, f"local.{name}.{path}", text) for at, path, text in exc.problems)
        ) from None
    return VllmJob(
        name=name,
        program=program,
        weights=weights,
        socket=private_socket(home, name) if resolve else "",
        api_key=secrets.token_urlsafe(24),
        flags=vllm_flags(model.model_copy(update={"vllm": asked})),
        env={variable: str(value) for variable, value in asked.env.items()},
        gpus=asked.gpus,
        sleep=asked.sleep,
        pull=asked.pull,
        hf_token=env.get(asked.hf_token_env) if asked.pull and asked.hf_token_env else None,
        apis=model.apis,
        start_timeout_s=asked.load_timeout_s,
    )


def vllm_fields(model: LocalModel) -> VllmFields:
    """What the router says in each request, in place of the caller."""
    asked = _asked(model)
    return VllmFields(
        ranked=asked.scheduling_policy == "priority",
        salt=None if asked.shared_prefix_cache else secrets.token_bytes(32),
    )


def _asked(model: LocalModel) -> Vllm:
    return model.vllm or Vllm()


def _resolved(model: LocalModel, env: Mapping[str, str]) -> tuple[str, str, Vllm]:
    """The program, the weights, and the section with complete paths; raises `ConfigError`."""
    asked = _asked(model)
    # The engine reads its weights where its own environment says, so that is where to look.
    seen = {**env, **{name: str(value) for name, value in asked.env.items()}}
    program = find_program(asked.program, env)
    weights = find_vllm_weights(model.weights or "", revision=asked.revision, pull=asked.pull, environ=seen)
    if asked.pull and asked.hf_token_env is not None and not env.get(asked.hf_token_env):
        raise _wrong("vllm.hf_token_env", f"the variable {shown_variable(asked.hf_token_env)} is not set; export it")
    update: dict[str, object] = {"lora": {name: _adapter(name, path) for name, path in asked.lora.items()}}
    if asked.chat_template is not None:
        update["chat_template"] = str(_file("vllm.chat_template", asked.chat_template))
    if asked.tokenizer is not None and Path(asked.tokenizer).expanduser().is_dir():
        update["tokenizer"] = str(Path(asked.tokenizer).expanduser().resolve())
    if asked.speculative is not None and asked.speculative.model is not None:
        update["speculative"] = asked.speculative.model_copy(update={"model": _draft(asked, seen)})
    return program, weights, asked.model_copy(update=update)


def _draft(asked: Vllm, environ: Mapping[str, str]) -> str:
    assert asked.speculative is not None
    assert asked.speculative.model is not None
    try:
        return find_vllm_weights(asked.speculative.model, revision=None, pull=asked.pull, environ=environ)
    except ConfigError as exc:
        raise _wrong("vllm.speculative.model", exc.problems[0][2]) from None


def _adapter(name: str, path: str) -> str:
    folder = Path(path).expanduser()
    if not (folder / "adapter_config.json").is_file():
        raise _wrong(f"vllm.lora.{name}", "there is no such adapter: name a folder with an adapter_config.json")
    return str(folder.resolve())


def _file(key: str, path: str) -> Path:
    file = Path(path).expanduser()
    if not file.is_file():
        raise _wrong(key, "there is no such file")
    return file.resolve()


def _wrong(key: str, sentence: str) -> ConfigError:
    return ConfigError("models.yaml", ((None, key, sentence),))
