"""What localfleet writes for vLLM, read by vLLM's own argument parser, from its real build for CPUs."""

import json
import socket
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from vllm_cpu import VllmCpu, vllm_cpu
from vllm_keys import KEYS

from localfleet.config import LocalModel, parse_settings, vllm_flags
from localfleet.config.vllm_flags import NO_DOMAIN
from localfleet.engines.vllm_launch import VllmJob, launch_vllm
from localfleet.local_tier import chosen_engine

ROOT = Path(__file__).resolve().parent.parent.parent
FACTS = Path(__file__).parent / "data" / "vllm_0_32_flags.json"
FETCH = Path(__file__).parent / "vllm_fetch.py"
PARSE = Path(__file__).parent / "vllm_parse.py"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def place() -> VllmCpu:
    """The real vLLM."""
    return vllm_cpu()


def run(place: VllmCpu, script: Path, *words: str, stdin: str = "") -> str:
    """Run a script in vLLM's Python; its stdout."""
    command = [str(place.python), "-W", "ignore", str(script), *words]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(place.python.parent), "VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(command, input=stdin, env=env, capture_output=True, text=True, timeout=300, check=True)
    # vLLM greets on stdout as well; the document is the last line that begins one.
    return done.stdout[min(at for at in (done.stdout.find("{"), done.stdout.find("[")) if at >= 0) :]


def arguments(model: LocalModel, program: str = "python") -> list[str]:
    """What the launch of one entry gives to vLLM's parser."""
    job = VllmJob(
        name="big",
        program=program,
        weights=model.weights or "",
        socket="/run/big.sock",
        api_key="planted-key",
        flags=vllm_flags(model),
    )
    argv = launch_vllm(replace(job), {}).argv
    return list(argv[argv.index(program) :][3 if program == "python" else 2 :])


def entry(section: dict[str, Any]) -> LocalModel:
    """One checked entry."""
    return LocalModel.model_validate({"engine": "vllm", "weights": "Qwen/Qwen3-8B", "vllm": section})


def shipped() -> dict[str, LocalModel]:
    """Every entry for vLLM in the manual, its switched-off examples included, and in the presets, by its place."""
    found: dict[str, LocalModel] = {}
    for file in (ROOT / "models.yaml", *sorted((ROOT / "presets").glob("*.yaml"))):
        text = file.read_text(encoding="utf-8")
        for kind, content in (("as it is", text), ("examples on", text.replace("#~ ", ""))):
            found |= {f"{file.name} {kind} {name}": model for name, model in _local(content)}
    return found


def _local(content: str) -> list[tuple[str, LocalModel]]:
    local = yaml.safe_load(content).get("local", {})
    settings = parse_settings(json.dumps({"version": 1, "local": local}).encode())
    return [(name, model) for name, model in settings.local.items() if chosen_engine(model) == "vllm"]


def _with(template: Path, model: LocalModel) -> LocalModel:
    """The entry with a chat template that is there: vLLM's parser opens it."""
    if model.vllm is None or model.vllm.chat_template is None:
        return model
    return model.model_copy(update={"vllm": model.vllm.model_copy(update={"chat_template": str(template)})})


def test_the_recorded_list_is_the_parser_s_own(place: VllmCpu) -> None:
    """Options, choices and variables of the file are those of vLLM 0.32; make it anew with the script where not."""
    seen = json.loads(run(place, ROOT / "scripts" / "dump_vllm_flags.py"))
    assert seen == json.loads(FACTS.read_text(encoding="utf-8"))


def test_vllm_s_own_parser_takes_every_key_and_every_shipped_entry(place: VllmCpu, tmp_path: Path) -> None:
    """No flag is invented, stale or misspelt: both ways to start vLLM, each key, the manual, the presets."""
    template = tmp_path / "chat.jinja"
    template.write_text("{{ messages[0]['content'] }}", encoding="utf-8")
    sections = [section for section, _ in KEYS]
    sections += [
        {"chat_template": str(template)},
        {"allowed_media_domains": ["a.example.org", "b.example.org"], "media_on_premises": True},
    ]
    cases = {f"{section}": arguments(entry(section)) for section in sections}
    cases |= {f"serve {section}": arguments(entry(section), "vllm") for section in sections[:3]}
    cases |= {where: arguments(_with(template, model)) for where, model in shipped().items()}
    said = json.loads(run(place, PARSE, stdin=json.dumps([*cases.values(), ["--no-such-flag"]])))
    assert "unrecognized arguments" in said[-1]
    assert {name: text for name, text in zip(cases, said, strict=False) if text} == {}


def test_vllm_s_own_fetcher_visits_no_host_that_is_not_named(place: VllmCpu) -> None:
    """With our word for *none* it refuses before it connects; where the host is named, it tries."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/x.png"
        assert run(place, FETCH, url, NO_DOMAIN) == "{refused}"
        with pytest.raises(TimeoutError):
            trap.accept()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/x.png"
    said = run(place, FETCH, url, "127.0.0.1")
    assert said.startswith("{")
    assert said != "{refused}"
