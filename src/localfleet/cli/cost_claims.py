"""`localfleet cost claims`: a published savings table against its own prices. Thin; exit 1 where something is wrong."""

from pathlib import Path
from typing import Annotated

import typer

from localfleet.cli.cost_progress import counted
from localfleet.cli.misuse import misuse_told
from localfleet.cli.parts import Json, print_json
from localfleet.cost.claims_file import ClaimRow, read_claims
from localfleet.cost.inputs import Misuse
from localfleet.cost.verdicts import claim_json, claim_lines, work_claim

__all__ = ["claims_command"]


def claims_command(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="A claims.yaml; without: the 31 that ship as an example.")
    ] = None,
    *,
    only: Annotated[str | None, typer.Option(metavar="ID", help="Only the claim of this id.")] = None,
    as_json: Json = False,
) -> None:
    """Prove a savings table: can any mix of tokens give it, and which figures would be consistent?"""
    with misuse_told():
        rows = _chosen(file, only)
        done = [work_claim(row) for row in counted(rows, "proving", total=len(rows))]
    if as_json:
        print_json(claim_json(done))
    else:
        typer.echo("\n".join(claim_lines(done)))
    raise typer.Exit(1 if any(item.verdict in {"impossible", "false"} for item in done) else 0)


def _chosen(file: Path | None, only: str | None) -> list[ClaimRow]:
    rows = [row for row in read_claims(file).claims if only in {None, row.id}]
    if not rows:
        raise Misuse("--only must be the id of a claim in the file")
    return rows
