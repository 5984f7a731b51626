"""
`localfleet cost advise | alerts | savings | stack`: what the ledger and the price list say about the month. Thin.

Here are the clock, the state folder and the exit code: 0 nothing to mend, 1 something was found, 2 misuse.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Annotated

import typer

from localfleet.cli.cost_given import box_usd, settings_or_none, utc_today
from localfleet.cli.misuse import misuse_told
from localfleet.cli.parts import Json, console, home_path, print_json, state_home
from localfleet.config import Settings
from localfleet.core.advice.alerts import Listing, alerts
from localfleet.core.advice.bother import Circumstances, worth_the_bother
from localfleet.core.advice.mix import mix_findings, tier_shares
from localfleet.core.advice.output import output_findings
from localfleet.core.advice.savings import savings
from localfleet.core.advice.score import score, waste_findings
from localfleet.core.advice.stack import PRESETS, TASKS, Part, build_stack
from localfleet.core.advice.work import total_usd
from localfleet.cost.advice_words import Advice, advice_json, advice_lines, alert_lines, stack_json, stack_lines
from localfleet.cost.inputs import Misuse, maybe, number
from localfleet.cost.listings import listings, noted_prices
from localfleet.cost.month import Month, month_of
from localfleet.cost.notes import PRICES, read_prices, write_notes
from localfleet.cost.paper import plain
from localfleet.price_map import read_price_map
from localfleet.storage.month import work_done

__all__ = ["ADVICE_COMMANDS"]

Days = Annotated[int, typer.Option(min=1, max=3650, help="How far back to read the ledger.")]
ConfigFile = Annotated[
    str | None, typer.Option("--config", metavar="FILE", help="models.yaml; default: ./models.yaml.")
]
Fixed = Annotated[
    str | None,
    typer.Option("--fixed-usd-per-month", metavar="USD", help="The box, used or not; default: hardware.gpus."),
]
DAY_S = 86_400


def advise(
    *,
    days: Days = 30,
    fixed: Fixed = None,
    spare_ms: Annotated[str | None, typer.Option(metavar="MS", help="Added latency that would still be fine.")] = None,
    team: Annotated[int | None, typer.Option(min=1, help="People who would run a router.")] = None,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Grade the month from the ledger, A+ to F with reasons: tier mix, long answers, waste, and whether to bother."""
    with misuse_told():
        settings = settings_or_none(config)
        _, month = _month(settings, days)
        box = box_usd(settings, fixed)
        spare = maybe("--spare-ms", spare_ms)
    works = month.works
    findings = (
        *waste_findings(works, usd_fixed=box or Decimal(0)),
        *mix_findings(works),
        *output_findings(works),
    )
    seen = Circumstances(
        usd_per_month=None if any(work.usd is None for work in works) else total_usd(works),
        requests_per_month=sum((work.requests for work in works), Decimal(0)),
        tasks=len({work.task for work in works}),
        restricted_share=month.restricted_share,
        spare_ms=spare,
        team=team,
    )
    advice = Advice(
        month=month,
        shares=tier_shares(works),
        findings=findings,
        score=score(works, findings),
        bother=worth_the_bother(seen),
        usd_fixed=box,
    )
    _say(advice_lines(advice), advice_json(advice), as_json=as_json)
    raise typer.Exit(1 if advice.score.reasons else 0)


def alerts_command(
    *,
    days: Days = 30,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not note today's prices; the next run compares again.")
    ] = False,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Prices that changed since the last look, models that retire, and what moving this month's work would cost."""
    with misuse_told():
        settings = settings_or_none(config)
    found, month = _month(settings, days)
    home = state_home()
    noted = read_prices(home)
    told = alerts(found, noted, month.works, today=utc_today())
    if not keep:
        write_notes(home, PRICES, noted_prices(found))
    _say(alert_lines(told, first=not noted, models=len(found)), {"alerts": plain(told)}, as_json=as_json)
    raise typer.Exit(1 if told else 0)


def savings_command(
    *,
    baseline: Annotated[str, typer.Option(metavar="MODEL", help="The one hosted model to compare with.")],
    days: Days = 30,
    fixed: Fixed = None,
    staff: Annotated[str, typer.Option("--staff-usd-per-month", metavar="USD", help="Care of the box.")] = "0",
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """What routing saved against one hosted model for everything, net of the box that is paid either way."""
    with misuse_told():
        settings = settings_or_none(config)
        found, month = _month(settings, days)
        box = box_usd(settings, fixed)
        care = number("--staff-usd-per-month", staff)
        model = _baseline(baseline, found)
    assert model.price is not None
    done = savings(month.works, baseline=model.name, price=model.price, usd_fixed=box or Decimal(0), usd_staff=care)
    lines = [done.sentence]
    if box is None:
        lines.insert(0, "note: no box is described under `hardware.gpus`: --fixed-usd-per-month counts it in")
    if month.note:
        lines.insert(0, f"note: {month.note}")
    names = ("usd_gross", "usd_net", "gross_share", "net_share", "sentence")
    derived = {name: plain(getattr(done, name)) for name in names}
    _say(lines, {**plain(done), **derived, "days": month.days}, as_json=as_json)


def stack_command(
    *,
    preset: Annotated[str | None, typer.Option(help=f"One of: {', '.join(PRESETS)}.")] = None,
    task: Annotated[
        list[str] | None, typer.Option(metavar="NAME[=SHARE]", help="A task; repeat. Shares default to equal parts.")
    ] = None,
    requests_per_month: Annotated[str, typer.Option(metavar="NUMBER")] = "100000",
    restricted: Annotated[str, typer.Option(metavar="SHARE", help="Of the requests, what may not leave.")] = "0",
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Build a stack from tasks, volume and privacy: a model for each task, the month's bill, and against what."""
    with misuse_told():
        parts = _parts(preset, task or [], requests_per_month, restricted)
        settings = settings_or_none(config)
    stack = build_stack(parts, listings(settings, read_price_map(), utc_today()))
    _say(stack_lines(stack, sum((part.requests for part in parts), Decimal(0))), stack_json(stack), as_json=as_json)


def _parts(preset: str | None, tasks: Sequence[str], volume: str, restricted: str) -> tuple[Part, ...]:
    requests = number("--requests-per-month", volume)
    inside = number("--restricted", restricted, high=1)
    if (preset is None) == (not tasks):
        raise Misuse(f"give --preset (one of: {', '.join(PRESETS)}) or --task, one of the two")
    if preset is not None and preset not in PRESETS:
        raise Misuse(f"--preset must be one of: {', '.join(PRESETS)}")
    shares = dict(PRESETS[preset]) if preset is not None else _shares(tasks)
    whole = sum(shares.values(), Decimal(0))
    return tuple(
        Part(task=TASKS[name], requests=requests * share / whole, restricted_share=inside)
        for name, share in shares.items()
    )


def _shares(tasks: Sequence[str]) -> dict[str, Decimal]:
    shares: dict[str, Decimal] = {}
    for text in tasks:
        name, _, share = text.partition("=")
        if name not in TASKS:
            raise Misuse(f"--task must be one of: {', '.join(TASKS)}")
        shares[name] = number(f"--task {name}", share, above_low=True) if share else Decimal(1)
    return shares


def _baseline(name: str, found: Sequence[Listing]) -> Listing:
    model = next((item for item in found if item.name == name and item.price is not None), None)
    if model is None:
        priced = ", ".join(item.name for item in found if item.price is not None) or "none"
        raise Misuse(f"--baseline must be a hosted model with a known price; those are: {priced}")
    return model


def _month(settings: Settings | None, days: int) -> tuple[tuple[Listing, ...], Month]:
    now = time.time()
    found = listings(settings, read_price_map(), utc_today())
    return found, month_of(work_done(home_path(), since=now - days * DAY_S, until=now), found, now=now)


def _say(lines: Sequence[str], value: object, *, as_json: bool) -> None:
    if as_json:
        print_json(value)
        return
    out = console()
    for line in lines:
        out.print(line, markup=False)


ADVICE_COMMANDS: Mapping[str, Callable[..., None]] = {
    "advise": advise,
    "alerts": alerts_command,
    "savings": savings_command,
    "stack": stack_command,
}
"""By the name to type."""
