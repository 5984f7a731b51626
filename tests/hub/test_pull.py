"""`localfleet pull` against a hub on loopback: what is fetched, that it is right, and what a bad hub leads to."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fake_hub import COMMIT, FakeHub, fake_hub
from typer.testing import CliRunner, Result

from localfleet.cli import build_cli
from localfleet.engines.vllm_place import find_vllm_weights
from localfleet.engines.weights import find_weights
from localfleet.errors import ConfigError
from localfleet.hub.fetch import PullFailed, Wanted, list_files, missing, pull
from localfleet.hub.place import hub_cache

REPO = "Acme/Small-1B"
WEIGHTS = b"w" * 300_000
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}" * 4000,
    "model-00001-of-00002.safetensors": WEIGHTS,
    "model-00002-of-00002.safetensors": b"v" * 9000,
    "pytorch_model.bin": b"old" * 3000,
    "original/model.safetensors": b"o" * 9000,
    "README.md": b"about",
}
GGUF = {"q8.gguf": b"GGUF" + b"q" * 9000, "q4.gguf": b"GGUF" + b"r" * 9000}
YAML = f"""
version: 1
local:
  big: {{engine: vllm, weights: {REPO}, context_tokens: 4096, can: [], vllm: {{hf_token_env: ACME_TOKEN}}}}
  tiny: {{engine: llamacpp, weights: Acme/Tiny-GGUF/q8.gguf, context_tokens: 4096}}
  shipped: {{weights: smollm2-135m-instruct, context_tokens: 4096}}
"""


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A hub that has two models."""
    with fake_hub({REPO: dict(FILES), "Acme/Tiny-GGUF": dict(GGUF)}) as started:
        yield started


@pytest.fixture
def env(hub: FakeHub, tmp_path: Path) -> Mapping[str, str]:
    """The variables that lead to it."""
    return {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}


def fetched(env: Mapping[str, str], *, verify: bool = False) -> tuple[Path, int]:
    """The model as the hub has it now, and how many bytes came."""
    came: list[int] = []
    listing = list_files(Wanted(repo=REPO), None, env)
    return pull(listing, None, env, heard=came.append, verify=verify), sum(came)


def command(tmp_path: Path, env: Mapping[str, str], *words: str, yaml: str = YAML) -> Result:
    """Run `localfleet pull`."""
    file = tmp_path / "models.yaml"
    file.write_text(yaml)
    return CliRunner(env=env).invoke(build_cli("pull"), ["pull", *words, "--config", str(file)])


def test_what_vllm_reads_is_fetched_and_found_and_nothing_else(hub: FakeHub, env: Mapping[str, str]) -> None:
    """Safetensors and what belongs to them, not the same weights in older forms; then the engine finds them."""
    with pytest.raises(ConfigError, match="localfleet pull"):
        find_vllm_weights(REPO, revision=None, pull=False, environ=env)
    folder, came = fetched(env)
    wanted = {name for name in FILES if name not in {"pytorch_model.bin", "original/model.safetensors", "README.md"}}
    assert {path.name for path in folder.iterdir()} == wanted
    assert folder.name == COMMIT
    assert came == sum(len(FILES[name]) for name in wanted)
    assert find_vllm_weights(REPO, revision=None, pull=False, environ=env) == REPO
    before = len(hub.asked)
    assert fetched(env)[1] == 0
    assert len(hub.asked) == before + 1


def test_a_fetch_that_broke_off_goes_on(hub: FakeHub, env: Mapping[str, str]) -> None:
    """The hub closes after 25 of 30 MiB: the 20 that were written (it writes ten at a time) are not asked for again."""
    mib = 1 << 20
    content = bytes(range(256)) * (30 * mib // 256)
    hub.repos["Acme/Tiny-GGUF"]["q8.gguf"] = content
    hub.broken_after["q8.gguf"] = 25 * mib
    came: list[int] = []
    listing = list_files(Wanted(repo="Acme/Tiny-GGUF", file="q8.gguf"), None, env)
    folder = pull(listing, None, env, heard=came.append, verify=False)
    assert (folder / "q8.gguf").read_bytes() == content
    assert sum(came) == len(content)
    assert [asked for _, path, asked in hub.asked if path.endswith("q8.gguf") and asked] == [f"bytes={20 * mib}-"]


def test_wrong_bytes_are_fetched_again_and_never_kept(hub: FakeHub, env: Mapping[str, str]) -> None:
    """Once is mended, large file or small; twice is an error, and nothing of the file stays behind."""
    hub.damaged |= {"model-00002-of-00002.safetensors": 1, "config.json": 1}
    folder, _ = fetched(env)
    assert (folder / "model-00002-of-00002.safetensors").read_bytes() == b"v" * 9000
    assert (folder / "config.json").read_bytes() == b"{}"
    shutil.rmtree(hub_cache(env))
    hub.damaged["tokenizer.json"] = 2
    with pytest.raises(PullFailed, match=r"tokenizer\.json of Acme/Small-1B came with other bytes .* thrown away"):
        fetched(env)
    listing = list_files(Wanted(repo=REPO), None, env)
    assert "tokenizer.json" in {one.name for one in missing(listing, env)}


def test_verify_mends_what_is_damaged_here(hub: FakeHub, env: Mapping[str, str]) -> None:
    """A byte that changed on the disk is not noticed without it, and is put right with it."""
    folder, _ = fetched(env)
    target = (folder / "model-00001-of-00002.safetensors").resolve()
    target.write_bytes(b"x" + WEIGHTS[1:])
    fetched(env)
    assert target.read_bytes() != WEIGHTS
    fetched(env, verify=True)
    assert (folder / "model-00001-of-00002.safetensors").read_bytes() == WEIGHTS
    assert hub.url


def test_a_file_that_is_short_counts_as_missing(env: Mapping[str, str]) -> None:
    """What was cut off by a crash of the machine is fetched anew."""
    folder, _ = fetched(env)
    (folder / "tokenizer.json").resolve().write_bytes(b"{")
    fetched(env)
    assert (folder / "tokenizer.json").read_bytes() == FILES["tokenizer.json"]


def test_no_room_is_said_before_anything_is_fetched(hub: FakeHub, env: Mapping[str, str]) -> None:
    """Sizes are known beforehand, so a disk is not filled to learn that it is too small."""
    hub.said_bytes["config.json"] = 10**18
    with pytest.raises(PullFailed, match=r"1000000000\.0 GB are missing and .* GB are free at .*: make room, or point"):
        fetched(env)
    assert not [path for method, path, _ in hub.asked if "/resolve/" in path]


def test_the_command_fetches_what_the_file_names(hub: FakeHub, env: Mapping[str, str], tmp_path: Path) -> None:
    """Both models, one line each; the GGUF is then what `weights:` names; a second run has nothing to do."""
    hub.gated = "t0ken"
    done = command(tmp_path, {**env, "ACME_TOKEN": "t0ken"}, "big")
    assert (done.exit_code, done.stderr) == (0, "")
    hub.gated = None
    assert command(tmp_path, env, "tiny", "--dry-run").exit_code == 1
    done = command(tmp_path, env)
    big, tiny = done.stdout.splitlines()
    assert big.startswith(f"big: {REPO} at aaaaaaaa: 4 files, 0.00 GB; all here; in ")
    assert tiny.startswith("tiny: Acme/Tiny-GGUF/q8.gguf at aaaaaaaa: 1 files, 0.00 GB; 1 fetched (0.00 GB), checksums")
    weights = find_weights("Acme/Tiny-GGUF/q8.gguf", env)
    assert (weights.alias, weights.path.read_bytes()) == ("q8", GGUF["q8.gguf"])
    rows = json.loads(command(tmp_path, env, "--json").stdout)
    assert [(row["model"], row["missing_files"], row["files"]) for row in rows] == [("big", 0, 4), ("tiny", 0, 1)]


@pytest.mark.parametrize(
    ("change", "model", "said"),
    [
        ({"gated": "t0ken"}, "big", "big: Acme/Small-1B is gated: accept its terms on the hub, and give a token"),
        ({"repos": {}}, "big", "big: the hub has no model Acme/Small-1B, or shows it only with a token"),
        ({"repos": {REPO: {"README.md": b""}}}, "big", "big: Acme/Small-1B has no weights that vLLM reads"),
        ({"repos": {"Acme/Tiny-GGUF": {"q2.gguf": b""}}}, "tiny", "has no file q8.gguf; its .gguf files: q2.gguf"),
        ({"status": 400}, "big", "big: the hub refused Acme/Small-1B with 400; try again later"),
    ],
)
def test_a_hub_that_says_no(hub: FakeHub, tmp_path: Path, *, change: dict[str, object], model: str, said: str) -> None:
    """Each refusal is a sentence that names the model and what to do; exit 1."""
    for name, value in change.items():
        setattr(hub, name, value)
    env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf")}
    done = command(tmp_path, env, model)
    assert done.exit_code == 1
    assert said in done.exception.message  # type: ignore[union-attr]  # a FleetError: main() prints its message


def test_no_hub_no_such_model_and_nothing_to_fetch(env: Mapping[str, str], tmp_path: Path) -> None:
    """A hub that is gone, a name that the file has not, and a file without names on the hub."""
    gone = command(tmp_path, {**env, "HF_ENDPOINT": "http://127.0.0.1:9"}, "tiny")
    assert "cannot be reached" in gone.exception.message  # type: ignore[union-attr]  # as above
    unknown = command(tmp_path, env, "huge")
    assert unknown.exit_code == 2
    assert "no local model" in unknown.stderr
    nothing = command(tmp_path, env, "shipped")
    assert (nothing.exit_code, nothing.stdout[:16]) == (0, "nothing to fetch")


def test_weights_that_were_not_pulled_are_named_with_the_cure(env: Mapping[str, str], tmp_path: Path) -> None:
    """`check` and `up` say `localfleet pull` for a GGUF on the hub; a path that is not there stays a path."""
    with pytest.raises(ConfigError) as caught:
        find_weights("Acme/Tiny-GGUF/q8.gguf", env)
    assert "localfleet pull" in caught.value.problems[0][2]
    with pytest.raises(ConfigError) as caught:
        find_weights(str(tmp_path / "none.gguf"), env)
    assert "cannot be read" in caught.value.problems[0][2]
