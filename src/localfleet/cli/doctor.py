"""
`doctor`: what is wrong on this box, and how to mend it. Looks at everything, changes nothing.

The books are read through `storage`, never opened here: a router may be writing to them.
"""

import http.client
import json
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.catalogue import check_settings
from localfleet.cli.gpu import gpu_health
from localfleet.cli.parts import Config, Json, console, print_json, state_home
from localfleet.config import Settings, Vllm, read_settings
from localfleet.engines.litellm_sdk import check_litellm
from localfleet.engines.vllm_place import find_program, vllm_release
from localfleet.engines.weights import find_weights, verify
from localfleet.errors import ConfigError, FleetError
from localfleet.gpus.nvml import Nvml
from localfleet.local_tier import chosen_engine, local_problems
from localfleet.machine import Machine, look
from localfleet.price_map import read_price_map
from localfleet.storage.report import recent
from localfleet.strategies import check_strategies
from localfleet.workflows import check_workflows

__all__ = ["Check", "doctor_command"]

State = Literal["ok", "warn", "fail"]
PYTHONS = ((3, 11), (3, 15))
GIB = 2**30
DISK_FAIL_BYTES, DISK_WARN_BYTES = 64 * 2**20, GIB
ROOM_BYTES = GIB
"""Memory for the router, the engine's own needs and a context, beside the weights themselves."""
YEAR = 2025
VLLM_RELEASE = "0.32"
PROBE_S = 3.0
MALICIOUS_PTH = frozenset({"litellm_init.pth"})
"""What litellm 1.82.8 put into site-packages."""
USUAL_PTH = ("distutils-precedence.pth", "_virtualenv.pth", "__editable__*.pth", "_editable_impl_localfleet*.pth")
COLOURS: Mapping[State, str] = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at: how it is, and a sentence on how to mend it, empty where nothing must be done."""

    name: str
    state: State
    says: str
    mend: str = ""


def doctor_command(
    port: Annotated[int, typer.Option("--port", help="The router's port.", min=1, max=65535)] = 8080,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """What is wrong on this box, and how to mend it."""
    checks = list(_all(config, port))
    failed = any(check.state == "fail" for check in checks)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        _print(checks)
    raise typer.Exit(1 if failed else 0)


def _print(checks: Iterable[Check]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("", "what", "how it is", "how to mend it"):
        table.add_column(heading, overflow="fold")
    for check in checks:
        colour = COLOURS[check.state]
        table.add_row(f"[{colour}]{check.state}[/]", check.name, *map(_plain, (check.says, check.mend)))
    console().print(table)


def _plain(text: str) -> str:
    """Text in which rich finds no markup."""
    return text.replace("[", "\\[")


def _all(config: str, port: int) -> Iterator[Check]:
    machine = look(os.environ)
    now = time.time()
    yield python(sys.version_info[:2])
    settings, problems = _read(config)
    yield models_file(config, settings, [p for p in problems if not p[1].endswith("api_key_env")])
    yield provider_keys(settings, [p for p in problems if p[1].endswith("api_key_env")])
    yield weights(settings)
    yield memory(machine, settings)
    yield gpu_driver(machine)
    yield vllm(settings, os.environ, machine)
    yield from gpu_rows()
    yield port_free(port)
    yield from _home_checks(now)
    yield litellm_release()
    yield pth_files(_site_folders())


def _home_checks(now: float) -> Iterator[Check]:
    try:
        home = state_home()
    except FleetError as exc:
        yield Check(name="state folder", state="fail", says=exc.message)
        return
    yield permissions(home)
    yield disk(shutil.disk_usage(home).free)
    ledger, last = _ledger(home)
    yield ledger
    yield clock(now, last)


def python(version: tuple[int, int]) -> Check:
    """The interpreter."""
    low, high = PYTHONS
    says = f"Python {version[0]}.{version[1]}"
    if low <= version < high:
        return Check(name="python", state="ok", says=says)
    return Check(name="python", state="fail", says=says, mend="use Python 3.11 to 3.14; `./scripts/up` brings one")


Problems = list[tuple[int | None, str, str]]


def _read(config: str) -> tuple[Settings | None, Problems]:
    try:
        settings, lines = read_settings(config)
    except ConfigError as exc:
        return None, list(exc.problems)
    try:
        check_settings(config, settings, lines, os.environ, read_price_map())
        check_workflows(config, settings, lines)
        check_strategies(config, settings, lines)
    except ConfigError as exc:
        return settings, list(exc.problems)
    except FleetError as exc:
        return settings, [(None, "", exc.message)]
    return settings, []


def models_file(config: str, settings: Settings | None, problems: Problems) -> Check:
    """The configuration, without the keys."""
    if settings is not None and not problems:
        return Check(name="models.yaml", state="ok", says=f"{config}: {len(settings.names)} models")
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    says = f"{config}: {count}; line {problems[0][0] or 1}: {problems[0][2]}"
    return Check(name="models.yaml", state="fail", says=says, mend="`localfleet check` lists all of them")


def provider_keys(settings: Settings | None, problems: Problems) -> Check:
    """The variables that the file names; never their values."""
    if problems:
        says = "; ".join(f"{path.removesuffix('.api_key_env')}: {text}" for _, path, text in problems)
        return Check(name="provider keys", state="fail", says=says, mend="export them where `localfleet up` starts")
    named = 0 if settings is None else len(settings.hosted)
    says = f"set for {named} hosted models" if named else "no hosted model needs one"
    return Check(name="provider keys", state="ok", says=says)


def _embedded(settings: Settings | None) -> Iterator[tuple[str, str]]:
    for name, model in settings.local.items() if settings is not None else ():
        if model.weights is not None and chosen_engine(model) == "llamacpp":
            yield name, model.weights


def weights(settings: Settings | None) -> Check:
    """That the embedded engine's weights are there, and the right bytes."""
    names = []
    for name, wanted in _embedded(settings):
        try:
            verify(find_weights(wanted))
        except ConfigError as exc:
            mend = f"change local.{name}.weights, or bring the file back"
            return Check(name="weights", state="fail", says=f"{name}: {exc.problems[0][2]}", mend=mend)
        names.append(name)
    says = f"{', '.join(names)}: there and whole" if names else "no embedded model"
    return Check(name="weights", state="ok", says=says)


def memory(machine: Machine, settings: Settings | None) -> Check:
    """Room for the embedded weights; engines on a GPU or elsewhere count for themselves."""
    free = machine.memory_free_bytes
    if free is None:
        return Check(name="memory", state="ok", says="this system does not tell")
    needed = ROOM_BYTES + sum(_size(wanted) for _, wanted in _embedded(settings))
    says = f"{free / GIB:.1f} GiB free, about {needed / GIB:.1f} GiB wanted"
    if free >= needed:
        return Check(name="memory", state="ok", says=says)
    return Check(name="memory", state="warn", says=says, mend="end other programs, or name smaller weights")


def _size(wanted: str) -> int:
    try:
        return find_weights(wanted).path.stat().st_size
    except (ConfigError, OSError):
        return 0  # the row about weights tells


def gpu_driver(machine: Machine) -> Check:
    """The NVIDIA driver, if there is one."""
    if machine.driver == "ok":
        says = ", ".join(f"{gpu.count} x {gpu.name}" for gpu in machine.gpus)
        return Check(name="gpu", state="ok", says=says)
    if machine.driver == "absent":
        return Check(name="gpu", state="ok", says="no nvidia-smi: the embedded model runs on the CPU")
    mend = "run `nvidia-smi`: it tells; often the driver was updated and the machine needs a restart"
    return Check(name="gpu", state="warn", says="nvidia-smi is there but shows no GPU", mend=mend)


def vllm(settings: Settings | None, env: Mapping[str, str], machine: Machine) -> Check:
    """That vLLM and its weights are there, in a release that the flags were checked with."""
    wanted = {
        name: model for name, model in (settings.local if settings else {}).items() if chosen_engine(model) == "vllm"
    }
    if settings is None or not wanted:
        return Check(name="vllm", state="ok", says="no model needs it")
    for where, sentence in local_problems(settings, env, lambda: machine):
        if where[1] in wanted:
            mend = "docs/guides/vllm.md leads through it"
            return Check(name="vllm", state="fail", says=f"{'.'.join(where)}: {sentence}", mend=mend)
    releases = {vllm_release(find_program((model.vllm or Vllm()).program, env)) for model in wanted.values()}
    return _vllm_release(", ".join(wanted), releases)


def _vllm_release(names: str, releases: set[str | None]) -> Check:
    says = f"{names}: release {', '.join(sorted(release or 'unknown' for release in releases))}"
    if all(release is None or release.startswith(f"{VLLM_RELEASE}.") for release in releases):
        return Check(name="vllm", state="ok", says=says)
    mend = f"flags were checked with {VLLM_RELEASE}: use that release, or watch the start closely"
    return Check(name="vllm", state="warn", says=says, mend=mend)


def gpu_rows() -> Iterator[Check]:
    """How the GPUs are, where there is a driver to ask."""
    for well, says, mend in gpu_health(Nvml().read):
        yield Check(name="gpu health", state="ok" if well else "warn", says=says, mend=mend)


def port_free(port: int) -> Check:
    """Free, or our own router."""
    name = f"port {port}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_S)
    try:
        connection.request("GET", "/readyz")
        seen = json.loads(connection.getresponse().read(2**20))
        return _router(name, seen["ready"], seen["models"], seen["ledger"]["ok"])
    except ConnectionRefusedError:
        return Check(name=name, state="ok", says="free; no router runs")
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError):
        mend = "end that program, or start with `localfleet up --port 8081`"
        return Check(name=name, state="fail", says="another program listens here", mend=mend)
    finally:
        connection.close()


def _router(name: str, ready: object, models: dict[str, dict[str, str]], books: object) -> Check:
    says = "a router runs: " + ", ".join(f"{model} {facts['state']}" for model, facts in models.items())
    if not books:
        mend = "look at the rows about disk, state folder and ledger"
        return Check(name=name, state="fail", says="a router runs and cannot write its ledger", mend=mend)
    if ready is True:
        return Check(name=name, state="ok", says=says)
    return Check(name=name, state="warn", says=says, mend="wait while models load; /readyz says why one is down")


def permissions(home: Path) -> Check:
    """The state folder is its owner's alone, and can be written."""
    mode = home.stat().st_mode & 0o777
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        mend = "run as its owner, or set LOCALFLEET_HOME to a folder of yours"
        return Check(name="state folder", state="fail", says=f"{home} cannot be written", mend=mend)
    if mode & 0o077:
        says = f"{home} has mode {mode:03o}: others may look inside"
        return Check(name="state folder", state="warn", says=says, mend="run `chmod 700` on it")
    return Check(name="state folder", state="ok", says=f"{home}, mode {mode:03o}")


def disk(free: int) -> Check:
    """Room for the ledger: without it hosted doors shut."""
    says = f"{free / GIB:.1f} GiB free for the state folder"
    if free >= DISK_WARN_BYTES:
        return Check(name="disk", state="ok", says=says)
    state: State = "fail" if free < DISK_FAIL_BYTES else "warn"
    return Check(name="disk", state=state, says=says, mend="make room; when it is full, hosted models are refused")


def _ledger(home: Path) -> tuple[Check, float | None]:
    """Whether it reads, and when its last receipt was written."""
    try:
        lines = recent(home, limit=1)
    except FleetError as exc:
        mend = "`localfleet audit verify` says where it is damaged"
        return Check(name="ledger", state="fail", says=exc.message, mend=mend), None
    if not lines:
        return Check(name="ledger", state="ok", says="no receipts yet"), None
    last = lines[0].at
    return Check(
        name="ledger", state="ok", says=f"last receipt {_utc(last)}; `localfleet audit verify` checks all"
    ), last


def clock(now: float, last: float | None) -> Check:
    """Receipts, budgets and prices go by the clock."""
    mend = "set the clock, for example with `timedatectl set-ntp true`"
    if datetime.fromtimestamp(now, UTC).year < YEAR:
        return Check(name="clock", state="fail", says=f"it says {_utc(now)}", mend=mend)
    if last is not None and now < last:
        says = f"it says {_utc(now)}, which is before the last receipt"
        return Check(name="clock", state="fail", says=says, mend=mend)
    return Check(name="clock", state="ok", says=_utc(now))


def _utc(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"


def litellm_release() -> Check:
    """Some releases of litellm were published with malware in them."""
    try:
        return Check(name="litellm", state="ok", says=f"release {check_litellm()}")
    except FleetError as exc:
        sentence, _, mend = exc.message.partition(": ")
        return Check(name="litellm", state="fail", says=sentence, mend=mend)


def _site_folders() -> list[Path]:
    return [Path(path) for path in dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))]


def pth_files(folders: Iterable[Path]) -> Check:
    """Files that run code whenever Python starts; attacks on packages have used them."""
    running = sorted({file.name for folder in folders for file in folder.glob("*.pth") if _runs_code(file)})
    bad = [name for name in running if name in MALICIOUS_PTH]
    odd = [name for name in running if not any(fnmatch(name, usual) for usual in USUAL_PTH)]
    if bad:
        mend = "delete .venv, change every key this machine held, run `./scripts/up`"
        return Check(name="pth files", state="fail", says=f"{', '.join(bad)}: known malware", mend=mend)
    if odd:
        mend = "find out which package brought them (`grep -r NAME .venv/lib/*/site-packages/*.dist-info/RECORD`)"
        return Check(name="pth files", state="warn", says=f"run code at each start: {', '.join(odd)}", mend=mend)
    return Check(name="pth files", state="ok", says="none that runs code unexpectedly")


def _runs_code(file: Path) -> bool:
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return True  # what cannot be read cannot be cleared
    return any(line.startswith((b"import ", b"import\t")) for line in lines)
