"""`init --preset`: each stack holds on any machine, with and without hosted models, and routes as it says."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from localfleet.catalogue import anyone, build_models, build_policy
from localfleet.cli import build_cli
from localfleet.cli.init import STACKS, fitted, read_manual, with_stack
from localfleet.config import Settings, parse_settings
from localfleet.explain import Explainer
from localfleet.machine import Machine
from localfleet.price_map import read_price_map
from localfleet.rulebook import build_rules
from localfleet.strategies import build_finder, build_table

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY")


def stack(name: str) -> str:
    """The sections of one."""
    return files("localfleet").joinpath(f"data/stacks/{name}.yaml").read_text(encoding="utf-8")


def settings(name: str, keys: tuple[str, ...]) -> Settings:
    """What `init --preset` would write on a machine with these keys."""
    machine = Machine(gpus=(), cores=2, memory_bytes=None, memory_free_bytes=None, provider_keys=keys, driver="absent")
    return parse_settings(fitted(with_stack(read_manual(), stack(name)), machine).encode())


def test_no_stack_is_the_manual_itself() -> None:
    """Nothing changes where nothing is asked for."""
    assert with_stack(read_manual(), "") == read_manual()


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("keys", [(), KEYS])
def test_every_stack_holds_on_every_machine(name: str, keys: tuple[str, ...]) -> None:
    """It parses, compiles, and has all strategies on; hosted models are those of the keys."""
    found = settings(name, keys)
    assert found.routing.order == "standard"
    assert len(found.tasks) >= 5
    assert set(found.hosted) == ({"mini", "haiku"} if keys else set())
    assert build_table(found) is not None


@pytest.mark.parametrize(
    ("name", "text", "task", "model"),
    [
        ("chatbot", "What are your opening hours?", "faq", "small"),
        ("chatbot", "It says error 5 and does not work", "troubleshooting", "haiku"),
        ("code", "Write a function that adds", "generation", "haiku"),
        ("code", "commit it", "commit", "small"),
        ("rag", "<context>rain falls</context>what falls?", "rag-answer", "haiku"),
        ("rag", "Extract all dates", "extraction", "small"),
        ("support", "I want a refund now", "policy", "small"),
        ("support", "It is broken and shows an error", "troubleshooting", "haiku"),
    ],
)
def test_a_stack_routes_as_it_says(name: str, text: str, task: str, model: str) -> None:
    """Easy and restricted work stays on the box, hard work goes to what is good enough."""
    found = settings(name, KEYS)
    explainer = Explainer(
        models=build_models(found, read_price_map(), datetime.now(UTC).date()),
        rules=build_rules(found),
        policy=build_policy(found, build_table(found)),
        finder=build_finder(found),
        caller=anyone(found),
    )
    row = explainer.line(json.dumps({"messages": [{"role": "user", "content": text}]}).encode())
    assert (row["task"], row["doors"][0]["model"]) == (task, model)


def run(*words: str) -> Result:
    """Run `localfleet init`."""
    return CliRunner().invoke(build_cli("init"), ["init", *words])


def test_the_command_writes_it(tmp_path: Path) -> None:
    """`check` reads what `init` wrote; an unknown stack is misuse and names the known ones."""
    file = tmp_path / "models.yaml"
    assert run("--preset", "support", "--config", str(file)).exit_code == 0
    assert "policy" in parse_settings(file.read_bytes()).tasks
    refused = run("--preset", "shop", "--config", str(tmp_path / "other.yaml"))
    assert refused.exit_code == 2
    assert "chatbot, code, rag, support" in refused.output
