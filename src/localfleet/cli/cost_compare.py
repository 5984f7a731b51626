"""
`localfleet cost compare`: one box against hosted models. Thin: options in, `cost_report` answers, `cost_view` prints.

Here are the clock, the working folder and the exit code: 0 answered, 1 no price to compare with, 2 misuse.
"""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from localfleet.cli.cost_given import settings_or_none, utc_today
from localfleet.cli.cost_plan import tell_figure, write_html
from localfleet.cli.cost_scenario import given, keep_scenario
from localfleet.cli.cost_workload import read_off
from localfleet.cli.parts import home_path
from localfleet.config import Settings
from localfleet.core.cost.capacity import ModelShape
from localfleet.cost.as_markdown import as_markdown
from localfleet.cost.case_of_report import case_of_report
from localfleet.cost.figures import Book
from localfleet.cost.inputs import BoxAsked, Misuse, PaceAsked, maybe, maybe_whole, number, the_workload, whole
from localfleet.cost.outcome import Outcome, work_out
from localfleet.cost.paper import dollars, percent
from localfleet.cost.report import Question, report_on
from localfleet.cost.sheets import sheet_of
from localfleet.cost.view import Report, as_json, show
from localfleet.errors import BadInput, ConfigError, FleetError
from localfleet.gpu_facts import find_gpu, read_gpus
from localfleet.gpus.power_file import read_power
from localfleet.machine import look
from localfleet.price_map import read_price_map

__all__ = ["answer", "compare", "main"]


def compare(  # typer's own context comes first
    ctx: typer.Context,
    *,
    gpu: Annotated[str | None, typer.Option(help="GPU name, loosely: h100, 4090, 'NVIDIA L40S'.")] = None,
    gpus: Annotated[str | None, typer.Option(metavar="NUMBER", help="GPUs in the box; default: 1.")] = None,
    usd_per_hour: Annotated[str | None, typer.Option(metavar="USD", help="Rent per GPU and hour.")] = None,
    commit_discount: Annotated[str, typer.Option(metavar="SHARE", help="Discount for a reservation.")] = "0",
    own: Annotated[bool, typer.Option("--own", help="Bought, at the card price known here.")] = False,
    purchase_usd: Annotated[str | None, typer.Option(metavar="USD", help="Bought: price of the whole box.")] = None,
    residual_usd: Annotated[str | None, typer.Option(metavar="USD", help="Bought: resale value; default: 0.")] = None,
    life_months: Annotated[str | None, typer.Option(metavar="NUMBER", help="Bought: to resale; default: 36.")] = None,
    cost_of_capital: Annotated[str, typer.Option(metavar="SHARE", help="Bought: per year.")] = "0.10",
    power_w: Annotated[str | None, typer.Option(metavar="WATTS", help="Bought: whole box, full load.")] = None,
    idle_share: Annotated[
        str | None, typer.Option(metavar="SHARE", help="Bought: power drawn when idle; default: measured, else 0.3.")
    ] = None,
    pue: Annotated[str | None, typer.Option(metavar="NUMBER", help="Bought: cooling, losses; default: 1.3.")] = None,
    usd_per_kwh: Annotated[str | None, typer.Option(metavar="USD", help="Bought: default: 0.15.")] = None,
    maintenance: Annotated[str, typer.Option(metavar="SHARE", help="Bought: of the price, per year.")] = "0.03",
    colo_usd_per_kw_month: Annotated[
        str | None, typer.Option(metavar="USD", help="Bought: contracted power, instead of electricity.")
    ] = None,
    other_usd_per_month: Annotated[str | None, typer.Option(metavar="USD", help="Storage, traffic, ...")] = None,
    staff_usd_per_month: Annotated[str, typer.Option(metavar="USD", help="Care of the boxes; shown apart.")] = "2000",
    requests_per_month: Annotated[str, typer.Option(metavar="NUMBER")] = "200000",
    input_tokens: Annotated[str, typer.Option(metavar="NUMBER", help="Mean per request.")] = "1000",
    output_tokens: Annotated[str, typer.Option(metavar="NUMBER", help="Mean per request.")] = "300",
    cached_share: Annotated[str, typer.Option(metavar="SHARE", help="Input read from a prompt cache.")] = "0",
    cache_write_share: Annotated[str, typer.Option(metavar="SHARE", help="Input written to a prompt cache.")] = "0",
    batch: Annotated[
        bool, typer.Option("--batch", help="The work may wait: hosted models at their providers' batch rates.")
    ] = False,
    peak_to_mean: Annotated[str, typer.Option(metavar="NUMBER", help="Busiest hour against the mean.")] = "2",
    busy_limit: Annotated[str, typer.Option(metavar="SHARE", help="Busy share allowed in that hour.")] = "0.85",
    spare_boxes: Annotated[str, typer.Option(metavar="NUMBER", help="Boxes standing by; 1 is N+1.")] = "0",
    tokens_per_second: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Measured output rate of the full box at this request shape.")
    ] = None,
    token_work_us: Annotated[
        str | None, typer.Option(metavar="A,B0,K", help="Measured microseconds per input, output, context token.")
    ] = None,
    model_params_b: Annotated[str, typer.Option(metavar="NUMBER", help="Estimate: billions of parameters.")] = "8",
    quantisation_bits: Annotated[str, typer.Option(metavar="NUMBER", help="Estimate: bits per weight.")] = "8",
    kv_bytes_per_token: Annotated[str | None, typer.Option(metavar="NUMBER", help="Estimate: cache bytes.")] = None,
    against: Annotated[str | None, typer.Option(help="Hosted model to answer for; default: the cheapest.")] = None,
    config: Annotated[str | None, typer.Option(help="models.yaml; default: the one in this folder.")] = None,
    workload: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Read the workload off a trace, a CSV or JSON lines.")
    ] = None,
    recorded: Annotated[bool, typer.Option("--recorded", help="Read the workload off the ledger.")] = False,
    days: Annotated[int, typer.Option(min=1, max=3650, help="Of the ledger, with --recorded.")] = 30,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write one self-contained report.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the report as Markdown.")] = False,
    explain: Annotated[str | None, typer.Option(metavar="ID", help="How a number of the report was made.")] = None,
    save: Annotated[str | None, typer.Option(metavar="NAME", help="Keep as a scenario: `cost scenario show`.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare a fixed GPU box with hosted models for one month: which to take, and from which volume."""
    report = answer(ctx.params)
    outcome = _worked_out(report)
    if save is not None:
        keep_scenario(save, given(ctx), report)
    if html is not None:
        _write(outcome, html)
    if explain is not None:
        tell_figure(sheet_of(outcome).book if outcome else Book(), explain, as_json=json_)
        return
    _print(report, outcome, as_one_object=json_, markdown=markdown)
    done = report.comparison
    raise typer.Exit(1 if done.box is not None and done.against is None else 0)


def answer(options: Mapping[str, Any]) -> Report:
    """What `compare` answers for these options, by their Python names; leaves with an exit code where it cannot."""
    try:
        settings = settings_or_none(options["config"])
        seen, options = read_off(options)
        asked, note = _detected(_question(options), settings)
        report = _report(asked, settings)
    except (Misuse, ConfigError, BadInput) as exc:
        raise _stop(str(exc), code=2) from None
    except FleetError as exc:
        raise _stop(exc.message, code=1) from None
    notes = [text for text in (note,) if text]
    assumed = (*report.assumed, *((("workload", seen),) if seen else ()))
    return replace(report, assumed=assumed, warnings=(*notes, *report.warnings))


def main() -> None:
    """`scripts/compare_costs.py`: the same command without its name."""
    typer.run(compare)


def _question(options: Mapping[str, Any]) -> Question:
    return Question(
        workload=the_workload(
            requests=options["requests_per_month"],
            input_tokens=options["input_tokens"],
            output_tokens=options["output_tokens"],
            cached=options["cached_share"],
            written=options["cache_write_share"],
            peak=options["peak_to_mean"],
        ),
        gpu=options["gpu"],
        box=_box_asked(options),
        pace=PaceAsked(
            tokens_per_second=maybe("--tokens-per-second", options["tokens_per_second"], above_low=True),
            token_work_us=options["token_work_us"],
            model=ModelShape(
                params_b=number("--model-params-b", options["model_params_b"], above_low=True, high=10**5),
                bits_per_weight=number("--quantisation-bits", options["quantisation_bits"], low=1, high=32),
                kv_bytes_per_token=maybe("--kv-bytes-per-token", options["kv_bytes_per_token"], above_low=True),
            ),
        ),
        busy_limit=number("--busy-limit", options["busy_limit"], above_low=True, high=1),
        staff_usd_per_month=number("--staff-usd-per-month", options["staff_usd_per_month"]),
        spare_boxes=whole("--spare-boxes", options["spare_boxes"], high=1000),
        against=options["against"],
        batch=options["batch"],
    )


def _box_asked(options: Mapping[str, Any]) -> BoxAsked:
    idle = options["idle_share"]
    return BoxAsked(
        gpus=maybe_whole("--gpus", options["gpus"], low=1, high=1024),
        usd_per_hour=maybe("--usd-per-hour", options["usd_per_hour"], above_low=True),
        commit_discount=number("--commit-discount", options["commit_discount"], high=1),
        own=options["own"],
        purchase_usd=maybe("--purchase-usd", options["purchase_usd"], above_low=True),
        residual_usd=maybe("--residual-usd", options["residual_usd"]),
        life_months=maybe_whole("--life-months", options["life_months"], low=1, high=600),
        cost_of_capital=number("--cost-of-capital", options["cost_of_capital"], high=1),
        power_w=maybe("--power-w", options["power_w"], above_low=True),
        idle_share=None if idle is None else number("--idle-share", idle, high=1),
        pue=maybe("--pue", options["pue"], low=1),
        usd_per_kwh=maybe("--usd-per-kwh", options["usd_per_kwh"]),
        maintenance=number("--maintenance", options["maintenance"], high=1),
        colo_usd_per_kw_month=maybe("--colo-usd-per-kw-month", options["colo_usd_per_kw_month"]),
        other_usd_per_month=maybe("--other-usd-per-month", options["other_usd_per_month"]),
    )


def _report(question: Question, settings: Settings | None) -> Report:
    power = tuple(read_power(home_path()).values())
    return report_on(question, settings, read_price_map(), read_gpus(), today=utc_today(), power=power)


def _detected(question: Question, settings: Settings | None) -> tuple[Question, str | None]:
    """Where nobody named a GPU, the one of this box, if the driver shows one that is known here."""
    if question.gpu is not None or (settings is not None and settings.hardware.gpus != "detect"):
        return question, None
    for seen in look(os.environ).gpus:
        try:
            found = find_gpu(seen.name, read_gpus())
        except ValueError:
            return question, f"this box has {seen.name}, which is not known here: name one that is near with --gpu"
        count = question.box.gpus or seen.count
        box = replace(question.box, gpus=count)
        return replace(question, gpu=found.name, box=box), f"{count} x {found.name} found in this box"
    return question, None


def _worked_out(report: Report) -> Outcome | None:
    case = case_of_report(report, today=utc_today())
    return None if case is None else work_out(case)


def _write(outcome: Outcome | None, path: Path) -> None:
    if outcome is None:
        raise _stop("no traffic: there is nothing to report, and no file was written", code=1)
    write_html(sheet_of(outcome), path)


def _print(report: Report, outcome: Outcome | None, *, as_one_object: bool, markdown: bool) -> None:
    drawn = outcome.chances if outcome else None
    if as_one_object:
        value = {**as_json(report), "box_cheaper_share": drawn.box_cheaper if drawn else None}
        typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
        return
    if markdown and outcome is not None:
        typer.echo(as_markdown(sheet_of(outcome)), nl=False)
        return
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=120)
    likely = None
    if drawn is not None and outcome is not None and outcome.against is not None:
        likely = (
            f"how sure: the box is cheaper than {outcome.against.name} in {percent(drawn.box_cheaper)} of "
            f"{drawn.draws:,} draws of all that is uncertain; it saves {dollars(drawn.p10)} to {dollars(drawn.p90)} "
            "a month in the middle 80 % (below zero it loses)"
        )
    show(report, console, likely=likely)


def _stop(sentence: str, *, code: int) -> typer.Exit:
    print(sentence, file=sys.stderr)  # noqa: T201  # the terminal is where this command speaks
    return typer.Exit(code)
