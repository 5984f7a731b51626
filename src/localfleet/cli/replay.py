"""`replay`: another `models.yaml` over the recorded ledger, before anybody deploys it: share, cost, load, quality."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.catalogue import build_models, build_policy, planned
from localfleet.cli.parts import Config, Json, console, print_json, state_home
from localfleet.config import Settings, load_settings
from localfleet.core.ask import Caller
from localfleet.core.label import Label
from localfleet.core.replay import Choice, Past, Totals, chosen, observed, totalled
from localfleet.price_map import read_price_map
from localfleet.storage.past import recorded

__all__ = ["replay_command"]


def replay_command(
    file: Annotated[str, typer.Argument(help="The changed models.yaml to try.", metavar="FILE")],
    days: Annotated[float, typer.Option(help="How far back.", min=0)] = 30,
    task: Annotated[str | None, typer.Option(help="Requests of this task only.")] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Re-run a changed table over the recorded ledger: what would change in share, cost, load and quality."""
    settings, now = load_settings(file), time.time()
    found = recorded(state_home(), since=now - days * 86_400, until=now)
    pasts = [past for past in found.pasts if task is None or past.task == task]
    models, policy = build_models(settings, read_price_map(), datetime.now(UTC).date()), build_policy(settings)
    callers = {past.plan: _caller(past.plan, settings) for past in pasts}
    choices = [chosen(past, models, policy, callers[past.plan]) for past in pasts]
    kept = [(past, choice) for past, choice in zip(pasts, choices, strict=True) if choice is not None]
    left_out = found.left_out + len(pasts) - len(kept)
    if not kept:
        console().print(_nothing(days, left_out))
        raise typer.Exit(1)
    was, will = _both([past for past, _ in kept], [choice for _, choice in kept])
    if as_json:
        print_json({"left_out": left_out, "recorded": _plain(was), "replayed": _plain(will)})
    else:
        _print(file, was, will, left_out, settings)


def _nothing(days: float, left_out: int) -> str:
    if not left_out:
        return f"no requests in the last {days:g} days"
    kinds = "pipelines, names that it does not know, unread ones"
    return f"no request in the last {days:g} days that this table can replay; {left_out} left out ({kinds})"


def _caller(plan: str | None, settings: Settings) -> Caller:
    """A key of a plan, without budget or rate: replay asks what the table does."""
    return planned(Caller(key_id="replay", name="replay", default_label=Label.PUBLIC, plan=plan), settings)


def _both(pasts: Sequence[Past], choices: Sequence[Choice]) -> tuple[Totals, Totals]:
    happened = [Choice(model=past.model, tier=past.tier, usd=past.usd) for past in pasts]
    seen = observed(pasts)
    return totalled(pasts, happened, seen), totalled(pasts, choices, seen)


def _plain(totals: Totals) -> dict[str, Any]:
    quality = totals.quality
    return {
        "requests": totals.requests,
        "by_model": dict(totals.by_model),
        "busiest_hour": dict(totals.busiest),
        "usd": f"{totals.usd:f}",
        "usd_unknown": totals.usd_unknown,
        "quality": quality.mean,
        "quality_low": quality.low,
        "quality_high": quality.high,
        "quality_unknown_share": quality.unknown_share,
    }


def _print(file: str, was: Totals, will: Totals, left_out: int, settings: Settings) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, justify in (("", "left"), ("as recorded", "right"), (f"with {file}", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left", overflow="fold")
    for name in dict.fromkeys((*was.by_model, *will.by_model)):
        table.add_row(f"share of {name}", _share(was.by_model, name, was), _share(will.by_model, name, will))
        table.add_row(f"busiest hour of {name}", str(was.busiest.get(name, 0)), str(will.busiest.get(name, 0)))
    table.add_row("hosted USD", _usd(was), _usd(will))
    table.add_row("expected quality", _quality(was), _quality(will))
    out = console()
    out.print(table)
    for sentence in _over_budget(will, settings):
        out.print(sentence, markup=False)
    sentence = f"{was.requests} requests replayed with every engine ready, the first door of each; {left_out} left out"
    out.print(f"{sentence} (pipelines, names this table does not know, unread ones)", markup=False)
    out.print("quality is what callers or judges said of the same model at the same task; who got which was not drawn "
              "by lot, so an experiment says more", markup=False)  # fmt: skip


def _share(counts: Mapping[str, int], name: str, totals: Totals) -> str:
    return f"{counts.get(name, 0) / totals.requests:.1%}"


def _usd(totals: Totals) -> str:
    return f"{totals.usd:.6f}" + (f" + {totals.usd_unknown} unknown" if totals.usd_unknown else "")


def _quality(totals: Totals) -> str:
    quality = totals.quality
    if quality.mean is None:
        return "nothing is known"
    known = f"; nothing known of {quality.unknown_share:.0%}" if quality.unknown_share else ""
    return f"{quality.mean:.3f} ({quality.low:.3f} to {quality.high:.3f}{known})"


def _over_budget(will: Totals, settings: Settings) -> list[str]:
    over = [
        (tier, limit, sum(usd > limit for (name, _), usd in will.usd_by_tier_and_day.items() if name == tier))
        for tier, limit in settings.limits.usd_per_day.items()
    ]
    return [f"tier {tier}: over its {limit:f} USD on {days} days" for tier, limit, days in over if days]
