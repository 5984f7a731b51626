"""`audit`: is the record whole, what left, and did anything sensitive go to one host."""

import time
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from localfleet.cli.parts import Config, Json, console, print_json, state_home
from localfleet.core.label import Label
from localfleet.errors import FleetError
from localfleet.storage.chain import Link
from localfleet.storage.egress import Answer, Left, Span, left, prove
from localfleet.storage.export import export_chain, write_keys
from localfleet.storage.note import Note, read_notes
from localfleet.storage.verify import VerifyResult, verify

__all__ = ["audit_app"]

Heads = Annotated[
    list[Path] | None,
    typer.Option("--heads", help="A file of heads that were kept elsewhere; repeat for several.", metavar="FILE"),
]
From = Annotated[str, typer.Option("--from", help="First day or moment (UTC), such as 2026-01-31 or 2026-01-31T08:00.")]
To = Annotated[str | None, typer.Option("--to", help="Last day, or a moment that is not in it any more; default: now.")]

SAYS = {
    "matches": ", so any edit, cut or older copy of the records up to it would have shown",
    "differs": ": the record it names is another one now",
    "missing": ": the ledger ends before it",
    "forged": ": its seal was not made by this router",
    "other": ": it names another router, or this one before its secret was replaced",
    "unread": ": a bad record came before it",
}

audit_app = typer.Typer(no_args_is_help=True)


@audit_app.command("verify")
def verify_command(
    anchor: Annotated[
        str | None, typer.Option(help="A head noted earlier, SEQ:HASH; it must still be there.", metavar="SEQ:HASH")
    ] = None,
    heads: Heads = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Check the hash chain and the tables: any edit, gap or reorder is found and named."""
    result = verify(state_home(), anchor=_anchor(anchor), notes=_notes(heads))
    if as_json:
        print_json(asdict(result))
    else:
        _print_verified(result)
    raise typer.Exit(0 if result.ok else 1)


def _print_verified(result: VerifyResult) -> None:
    out = console()
    if result.ok:
        out.print(f"{result.records} records, chain whole; head {result.last_seq}:{result.last_hash}", markup=False)
    elif result.first_bad is not None:
        out.print(f"record {result.first_bad[0]}: {result.first_bad[1]}", markup=False)
        out.print(f"the {result.last_seq} records before it are whole", markup=False)
    for head in result.heads:
        at = f" of {_moment(head.at)}" if head.at else ""
        out.print(f"head {head.seq}{at}: {head.state}{SAYS[head.state]}", markup=False)
    if result.waiting:
        out.print(f"{_waiting(result.waiting)}; `audit left` and `audit prove` count them", markup=False)
    if result.ok:
        out.print(_covered(result), markup=False)


def _waiting(count: int) -> str:
    """What only the journal holds, in words."""
    some = "1 intent in the journal is" if count == 1 else f"{count} intents in the journal are"
    return f"{some} not in the chain yet: a router that runs puts them there at once, a killed one at its next start"


def _covered(result: VerifyResult) -> str:
    """What an attacker could still have done, in words."""
    rest = "whoever can read secret.key could have written them anew, or put an older copy back"
    if not result.covered:
        return f"no head from elsewhere was given: {rest}"
    told = f"records 1 to {result.covered} are as they were when the heads left this box, whoever has the key"
    if result.covered == result.last_seq:
        return told
    return f"{told}; of records {result.covered + 1} to {result.last_seq}: {rest}"


def _anchor(text: str | None) -> Link | None:
    """Read `SEQ:HASH` as `audit verify` prints it; kept off the box it shows a cut-off or rewritten end."""
    if text is None:
        return None
    seq, _, seal = text.partition(":")
    try:
        return Link(int(seq), bytes.fromhex(seal))
    except ValueError:
        raise typer.BadParameter("as `audit verify` prints it: number, colon, hash", param_hint="--anchor") from None


def _notes(files: list[Path] | None) -> list[Note]:
    notes: list[Note] = []
    for file in files or ():
        try:
            found = list(read_notes(file.read_text(encoding="utf-8", errors="replace")))
        except OSError as exc:
            raise FleetError(f"{file} cannot be read ({exc.strerror}); name a file of heads") from exc
        if not found:
            raise FleetError(f"{file} holds no head; docs/guides/audit.md says what they look like")
        notes += found
    return notes


@audit_app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(help="Where to write; one JSON record a line.")],
    config: Config = "models.yaml",
) -> None:
    """Write every record of the chain, with its hash and a signed end, for an auditor."""
    try:
        with file.open("xb") as out, ExitStack() as undo:
            undo.callback(file.unlink)  # half of one would look cut, and stop the next try
            count, waiting = export_chain(state_home(), out, at=time.time())
            undo.pop_all()
    except OSError as exc:
        raise FleetError(f"{file} cannot be written ({exc.strerror}); name a new file in a folder of yours") from exc
    console().print(f"{count} records in {file}", markup=False)
    if waiting:
        console().print(f"{_waiting(waiting)}; this export does not have them", markup=False)


@audit_app.command("key")
def key_command(
    file: Annotated[Path, typer.Argument(help="Where to write; a new file that only you can read.")],
    seals: Annotated[
        bool, typer.Option("--seals", help="With the chain's own key: names the first bad record, could forge others.")
    ] = False,
    config: Config = "models.yaml",
) -> None:
    """Write the key by which an auditor checks exports and heads."""
    try:
        write_keys(state_home(), file, seals=seals)
    except OSError as exc:
        raise FleetError(f"{file} cannot be written ({exc.strerror}); name a new file in a folder of yours") from exc
    more = "; it can also write another history: heads kept elsewhere are what tells" if seals else ""
    console().print(f"the key of this router's exports and heads is in {file}{more}", markup=False)


@audit_app.command("left")
def left_command(since: From, until: To = None, config: Config = "models.yaml", as_json: Json = False) -> None:
    """What left, to whom, under which label: attempts and requests by host, model and label."""
    rows = left(state_home(), _span(since, until))
    if as_json:
        print_json([_left_row(row) for row in rows])
        return
    if not rows:
        console().print("nothing left in that time")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("host\nmodel, tier", overflow="fold")
    table.add_column("label", no_wrap=True)
    for heading in ("requests", "attempts", "answered", "keys"):
        table.add_column(heading, no_wrap=True, justify="right")
    table.add_column("first, last\nUTC", overflow="fold")
    for row in rows:
        counts = (str(number) for number in (row.requests, row.attempts, row.answered, len(row.keys)))
        times = "\n".join(f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}" for at in (row.first_at, row.last_at))
        table.add_row(f"{row.host}\n{row.model}, {row.tier}", row.label, *counts, times)
    console().print(table)
    console().print("tier `local` with a host is a machine that you vouch for; each attempt may have carried the text")


def _left_row(row: Left) -> dict[str, Any]:
    return asdict(row) | {"first_at": _moment(row.first_at), "last_at": _moment(row.last_at)}


@audit_app.command("prove")
def prove_command(
    host: Annotated[str, typer.Option(help="The host, as `check --paths` lists it; without a port, any.")],
    since: From,
    until: To = None,
    label: Annotated[str, typer.Option(help="This label and above.")] = "restricted",
    heads: Heads = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Answer "nothing of this label went to this host in that time", and say what the answer rests on."""
    wanted, span = _label(label), _span(since, until)
    whole = verify(state_home(), notes=_notes(heads))
    answer = prove(state_home(), host, span, wanted, local_hosts=_local_hosts(config))
    proven = whole.ok and answer.answer == "proven"
    grounds = _grounds(whole, answer.redacted)
    if as_json:
        print_json(_proof_row(host, span, wanted, answer, whole, grounds))
    else:
        _print_proof(host, span, wanted, answer, whole)
        for ground in grounds:
            console().print(f"  - {ground}", markup=False)
    raise typer.Exit(0 if proven else 1)


def _label(word: str) -> Label:
    try:
        return Label.read(word)
    except ValueError as exc:
        raise typer.BadParameter(f"{exc}", param_hint="--label") from None


def _local_hosts(config: str) -> frozenset[str]:
    """Hosts of local endpoints, where the file is there."""
    if not Path(config).exists():
        return frozenset()
    from localfleet.config import load_settings  # noqa: PLC0415  # heavy, and only this command reads the file
    from localfleet.providers import host_of  # noqa: PLC0415  # as above

    return frozenset(host_of(model.url) for model in load_settings(config).local.values() if model.url is not None)


def _said(answer: Answer, whole: VerifyResult) -> str:
    return answer.answer if whole.ok or answer.answer == "refuted" else "open"


def _proof_row(
    host: str, span: Span, label: Label, answer: Answer, whole: VerifyResult, grounds: list[str]
) -> dict[str, Any]:
    return {
        "host": host,
        "label": label.word,
        "from": _moment(span.since),
        "to": _moment(span.until),
        "answer": _said(answer, whole),
        "attempts_to_host": answer.to_host,
        "redacted_to_host": answer.redacted,
        "against": [asdict(one) | {"label": one.label.word, "at": _moment(one.at)} for one in answer.against],
        "why_open": [*answer.why, *([] if whole.ok else ["the chain is not whole: run `localfleet audit verify`"])],
        "chain": {"ok": whole.ok, "records": whole.records, "head": f"{whole.last_seq}:{whole.last_hash}"},
        "covered_by_heads": whole.covered,
        "rests_on": grounds,
    }


def _print_proof(host: str, span: Span, label: Label, answer: Answer, whole: VerifyResult) -> None:
    out = console()
    time_ = f"from {_moment(span.since)} to {_moment(span.until)}"
    said = _said(answer, whole)
    sentence = {
        "proven": f"proven: nothing labelled {label.word} or above went to {host} {time_}",
        "refuted": f"refuted: {len(answer.against)} attempts labelled {label.word} or above went to {host} {time_}",
        "open": f"open: the records cannot tell whether anything labelled {label.word} went to {host} {time_}",
    }[said]
    out.print(f"{sentence} ({answer.to_host} attempts of any label did)", markup=False)
    for one in answer.against[:20]:
        out.print(f"  record {one.seq}: {_moment(one.at)} {one.request_id} {one.label.word} {one.model}", markup=False)
    for why in answer.why:
        out.print(f"  open because {why}", markup=False)
    if not whole.ok and whole.first_bad is not None:
        out.print(f"  the chain is not whole: record {whole.first_bad[0]}: {whole.first_bad[1]}", markup=False)
    out.print("this rests on:")


def _grounds(whole: VerifyResult, redacted: int) -> list[str]:
    """What one must believe, besides the records, for the answer to hold."""
    replaced = f"{redacted} of the attempts carried a restricted request with its values replaced, under its new label"
    return [
        *([replaced] if redacted else []),
        f"the chain of {whole.records} records, head {whole.last_seq}:{whole.last_hash}, every seal checked just now",
        *([f"{_waiting(whole.waiting)}; they were read there"] if whole.waiting else []),
        _covered(whole),
        "the router writes the intent of every hosted attempt to disk before the first byte leaves (law 7)",
        "the host is the one configured at the moment of the attempt; what its name resolved to is not recorded",
        "the label is the one that the request had: text that nothing recognised as sensitive had a lower one",
        "the times are those of this machine's clock",
        "only what went through this router is in its records, and only this ledger was looked at",
    ]


def _span(since: str, until: str | None) -> Span:
    first = _read_time(since, "--from", end=False)
    last = time.time() if until is None else _read_time(until, "--to", end=True)
    if last <= first:
        raise typer.BadParameter("ends before it begins", param_hint="--to")
    return Span(since=first, until=last)


def _read_time(text: str, name: str, *, end: bool) -> float:
    """A moment (UTC unless it says another zone), or a day: from its beginning, or to its end."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("a day or a moment, such as 2026-01-31 or 2026-01-31T08:00", param_hint=name) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (moment + timedelta(days=1 if end and len(text) <= len("2026-01-31") else 0)).timestamp()


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
