"""`routing experiments|promote|rollback`: how the sides of a split compare, and which of them goes on."""

import json
import time
from collections import Counter
from decimal import Decimal
from typing import Annotated, Any

import typer

from localfleet.cli.parts import Config, Json, console, home_path, print_json, state_home
from localfleet.config import load_settings
from localfleet.config.experiments import Experiment as Shape
from localfleet.core.reason import Reason
from localfleet.core.split import CONTROL, TRIAL, Side, summed, weighed
from localfleet.errors import FleetError
from localfleet.experiments import STATE_FILE, build_experiment, read_states
from localfleet.storage.past import recorded
from localfleet.storage.shadowed import shadowed

__all__ = ["add_experiments"]

Name = Annotated[str, typer.Argument(help="The experiment's name in models.yaml.")]
Days = Annotated[float, typer.Option(help="How far back.", min=0)]


def add_experiments(app: typer.Typer) -> None:
    """Mount the three commands beside those of the classifier."""
    app.command("experiments")(experiments_command)
    app.command("promote")(promote_command)
    app.command("rollback")(rollback_command)


def experiments_command(days: Days = 90, config: Config = "models.yaml", as_json: Json = False) -> None:
    """How the sides compare: quality and cost, an interval that holds at every look, and what the gate says."""
    shapes, states = load_settings(config).experiments, read_states(home_path())
    rows = [_row(name, shape, days, states.get(name, "running")) for name, shape in shapes.items()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        console().print(_sentence(row), markup=False)
    if not rows:
        console().print(f"{config} has no `experiments:`")


def promote_command(
    name: Name,
    days: Days = 90,
    force: Annotated[bool, typer.Option("--force", help="Against the gate.")] = False,
    config: Config = "models.yaml",
) -> None:
    """Send the whole task by the trial's row, where the gate on quality and cost lets it; exit 1 where it does not."""
    row = _row(name, _one(name, config), days, "running")
    if row["says"] != "promote" and not force:
        console().print(f"not promoted: {row['why']}. {_sentence(row)}", markup=False)
        raise typer.Exit(1)
    _keep(name, "promoted")


def rollback_command(name: Name, config: Config = "models.yaml") -> None:
    """Send the whole task by its own row again."""
    _one(name, config)
    _keep(name, "rolled_back")


def _keep(name: str, state: str) -> None:
    file = state_home() / STATE_FILE
    file.write_text(json.dumps({**read_states(state_home()), name: state}, indent=1) + "\n", encoding="utf-8")
    console().print(f"{name}: {state}; holds when the router reads its file again (SIGHUP, or POST /api/reload)")


def _one(name: str, config: str) -> Shape:
    found = load_settings(config).experiments.get(name)
    if found is None:
        raise FleetError(f"{config} has no experiment of that name; `localfleet routing experiments` lists them")
    return found


def _row(name: str, shape: Shape, days: float, state: str) -> dict[str, Any]:
    experiment, now = build_experiment(name, shape), time.time()
    since = now - days * 86_400
    sides, more = _split(name, since, now) if shape.shadow is None else _mirrored(name, since, now)
    verdict = weighed(sides[CONTROL], sides[TRIAL], experiment)
    told = {side: _side(one) for side, one in sides.items()}
    return {
        "name": name, "state": state, "kind": "split" if shape.shadow is None else "shadow", **told, **more,
        "low": verdict.low, "high": verdict.high, "says": verdict.says, "why": verdict.why,
    }  # fmt: skip


def _split(name: str, since: float, until: float) -> tuple[dict[str, Side], dict[str, Any]]:
    pasts = recorded(home_path(), since=since, until=until).pasts
    sides: dict[str, Side] = {}
    for side in (CONTROL, TRIAL):
        own = [past for past in pasts if past.arm == f"{name}:{side}"]
        sides[side] = summed((past.quality for past in own), (past.usd for past in own))
    return sides, {}


def _mirrored(name: str, since: float, until: float) -> tuple[dict[str, Side], dict[str, Any]]:
    """Both answers to the same requests, as the same judges saw them; a pair of which one is unknown says nothing."""
    tried = [one for one in shadowed(home_path(), since=since, until=until) if one.experiment == name]
    pairs = [one for one in tried if one.outcome == Reason.ANSWERED]
    judged = [one.control_quality is not None and one.trial_quality is not None for one in pairs]
    control = [one.control_quality if known else None for one, known in zip(pairs, judged, strict=True)]
    trial = [one.trial_quality if known else None for one, known in zip(pairs, judged, strict=True)]
    sides = {
        CONTROL: summed(control, (one.control_usd for one in pairs)),
        TRIAL: summed(trial, (one.trial_usd for one in pairs)),
    }
    other = Counter(one.outcome for one in tried if one.outcome != Reason.ANSWERED)
    return sides, {"shadows": len(tried), "unanswered": dict(other.most_common())}


def _side(side: Side) -> dict[str, Any]:
    usd: Decimal | None = side.usd
    return {
        "requests": side.count,
        "scored": side.scored,
        "quality": side.quality if side.scored else None,
        "usd_per_action": None if usd is None else f"{usd:f}",
    }


def _sentence(row: dict[str, Any]) -> str:
    sides = "; ".join(
        f"{side}: {row[side]['requests']} requests, quality {_shown(row[side]['quality'])} of {row[side]['scored']}, "
        f"{row[side]['usd_per_action'] or 'unknown'} USD an action"
        for side in (CONTROL, TRIAL)
    )
    if row.get("unanswered"):
        sides += "; not answered: " + ", ".join(f"{why} x{many}" for why, many in row["unanswered"].items())
    interval = f"trial minus control {row['low']:+.3f} to {row['high']:+.3f}"
    kind = "" if row["kind"] == "split" else "shadow, "
    return f"{row['name']} ({kind}{row['state']}): {row['says']}, {row['why']}. {sides}; {interval}"


def _shown(quality: float | None) -> str:
    return "-" if quality is None else f"{quality:.3f}"
