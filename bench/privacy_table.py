"""
The newest result of `bench/privacy.py` as the tables of docs/concepts/privacy-law.md.

    python bench/privacy_table.py --write
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from result_page import ROOT, ResultPage

RESULTS = ROOT / "bench/privacy"
PAGE = ResultPage(path=ROOT / "docs/concepts/privacy-law.md", results=RESULTS, mark="privacy")
BLIND, TRIES = replace(PAGE, results=RESULTS / "blind"), replace(PAGE, results=RESULTS / "tries")
ALL = "all"
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One line of the targets: where its numbers stand, the best anchor measured, and what was asked for."""

    what: str
    of: str
    anchor: str
    recall: float | None = None
    alarms: float | None = None
    only: str = ALL
    """The category that is looked for; false alarms are those of `twins`."""
    twins: str = ALL


TARGETS = (
    Target(
        what="router-shaped prompts, with the operator's rules that they speak of",
        of="prompts, with the operator's rules",
        anchor="0.87 at 0.63 (Presidio + spaCy)",
        recall=0.985,
        alarms=0.02,
    ),
    Target(what="the same, with the shipped file alone", of="prompts", anchor="", recall=0.985, alarms=0.02),
    Target(
        what="synth v2, documents with a direct identifier",
        of="synth_v2",
        anchor="0.958 at 0 (Rampart, any name)",
        recall=0.985,
        alarms=0.01,
    ),
    Target(what="gitleaks' rule tests", of="secrets", anchor="0.975 at 0.055 (gitleaks)", recall=0.975, alarms=0.02),
    Target(
        what="PRISM, medical and bank against common",
        of="prism_routing",
        anchor="1.00 at 0.05",
        recall=0.98,
        alarms=0.05,
    ),
    Target(
        what="stand-in for trufflehog's tests: credentials in documented shapes (grammar)",
        of="grammar, blind",
        anchor="0.74 (CredSweeper), 0.84 (three tools)",
        recall=0.94,
        only="credential",
        twins="nothing",
    ),
    Target(
        what="stand-in for users' prompts (PUPA), names blanked in the twins (grammar)",
        of="grammar, blind",
        anchor="0.70 (Rampart), 0.92 at 0.69 (spaCy)",
        recall=0.9,
        alarms=0.15,
        only="user",
        twins="twin",
    ),
    Target(
        what="the same two after its misses were read: credentials",
        of="grammar",
        anchor="-",
        recall=0.94,
        only="credential",
        twins="nothing",
    ),
    Target(
        what="and users' prompts",
        of="grammar",
        anchor="-",
        recall=0.9,
        alarms=0.15,
        only="user",
        twins="twin",
    ),
    Target(what="MMLU", of="mmlu", anchor="0.13 (Rampart)", alarms=0.02),
    Target(what="GSM8K", of="gsm8k", anchor="0.69 (Rampart)", alarms=0.02),
    Target(what="stand-in for MT-Bench: self-instruct", of="self-instruct", anchor="0.16 (Rampart)", alarms=0.05),
    Target(what="code: MBPP", of="mbpp", anchor="0.03 (Rampart)", alarms=0.01),
    Target(what="code: HumanEval", of="HumanEval", anchor="-", alarms=0.01),
)
IDENTIFIERS = {
    "CREDIT_CARD": "a card",
    "IBAN_CODE": "an IBAN",
    "US_SSN": "a social security number",
    "EMAIL_ADDRESS": "an e-mail address",
    "PHONE_NUMBER": "a telephone number",
}
TIMES = (("a pattern decides", 2.0), ("names are read", 15.0))


def shown() -> str:
    """All tables of the newest results."""
    result, blind, tries = PAGE.newest(), BLIND.newest(), TRIES.newest()
    (once,) = (one for one in blind["sets"] if one["set"] == "grammar")
    once |= {"sort": "fresh, read once, before anybody had looked at it"}
    return markdown({**result, "sets": [*result["sets"], once], "tries": tries})


def markdown(result: Row) -> str:
    """All tables, of a result with what was tried in it."""
    tried = (names(result["tries"]["names"]), secrets(result["tries"]["secrets"]))
    parts = (targets(result), categories(result["sets"]), *tried, times(result["times"]), closing(result))
    return "\n".join("\n".join(part) + "\n" for part in parts)


def targets(result: Row) -> Iterator[str]:
    """The targets, what was reached, and the kinds of identifiers one by one."""
    sets = {f"{one['set']}, blind" if "once" in one["sort"] else one["set"]: one for one in result["sets"]}
    yield "| set | best anchor: found at flagged wrongly | target | found | flagged wrongly | reached |"
    yield "|---|---|---|---|---|---|"
    for target in TARGETS:
        if (one := sets.get(target.of)) is not None:
            recall, alarms = row_of(one["recall"], target.only), row_of(one["false_alarms"], target.twins)
            reached = reaches(recall, alarms, target)
            yield line(target.what, target.anchor or "-", wish(target), share(recall), share(alarms), yes(reached))
    for kind in sets["synth_v2"]["kinds"]:
        name = f"synth v2, documents with {IDENTIFIERS[kind['category']]}"
        yield line(name, "0.59 to 1.0 (Presidio)", ">= 0.99", share(kind), "-", yes(kind["share"] >= 0.99))
    found = {row["what"]: row for row in result["times"]}
    for what, most_ms in TIMES:
        ms = found[what]["median_ms"]
        yield line(f"500 characters, {what}", "-", f"<= {most_ms:.0f} ms", f"{ms:.1f} ms", "-", yes(ms <= most_ms))


def line(*cells: str) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"


def wish(target: Target) -> str:
    """What was asked for."""
    found = [f">= {target.recall:g}"] if target.recall is not None else []
    return " at ".join([*found, f"<= {target.alarms:g}"] if target.alarms is not None else found)


def reaches(recall: Row, alarms: Row, target: Target) -> bool:
    """Whether both shares are where they were to be."""
    enough = target.recall is None or (recall["of"] > 0 and recall["share"] >= target.recall)
    return enough and (target.alarms is None or not alarms["of"] or alarms["share"] <= target.alarms)


def row_of(rows: list[Row], category: str) -> Row:
    """The row of a category."""
    return next((row for row in rows if row["category"] == category), {"of": 0})


def share(row: Row) -> str:
    """A share with its interval and counts; a dash where there is nothing to count."""
    if not row["of"]:
        return "-"
    return f"{row['share']:.3f} ({row['low']:.3f} to {row['high']:.3f}; {row['found']} of {row['of']})"


def yes(reached: bool) -> str:
    """A word for it."""
    return "yes" if reached else "**no**"


def categories(sets: list[Row]) -> Iterator[str]:
    """Every set by category, with what each layer found; left out are harmless categories with nothing flagged."""
    yield "| set | category | should stay: found | by layer | should not: flagged | by layer |"
    yield "|---|---|---|---|---|---|"
    for one in sets:
        names = [row["category"] for row in one["recall"]]
        for name in names if len(names) != 2 else names[:1]:
            recall, alarms = row_of(one["recall"], name), row_of(one["false_alarms"], name)
            if recall["of"] or alarms.get("found") or name == ALL:
                head = f"{one['set']} ({one['sort']})" if name == ALL else ""
                yield line(head, name, counts(recall), by_layer(recall), counts(alarms), by_layer(alarms))


def counts(row: Row) -> str:
    """A share with counts, shorter."""
    return f"{row['share']:.3f} of {row['of']} ({row['low']:.2f} to {row['high']:.2f})" if row["of"] else "-"


def by_layer(row: Row) -> str:
    """What the layers found."""
    layers = row.get("layers", {})
    return ", ".join(f"{layer} {count}" for layer, count in layers.items() if count) or "-"


def names(rows: list[Row]) -> Iterator[str]:
    """What was tried to find more names."""
    titles = [title for title in rows[0] if title != "way"]
    yield "| names: the way | " + " | ".join(titles) + " |"
    yield "|---" * (len(titles) + 1) + "|"
    for row in rows:
        yield line(row["way"], *(counts(row[title]) for title in titles))


def secrets(found: Row) -> Iterator[str]:
    """What was tried to flag fewer false secrets."""
    yield "| secrets: the way | true cases found | false ones flagged | of these Google keys |"
    yield "|---|---|---|---|"
    for row in found["ways"]:
        yield line(row["way"], share(row["found"]), share(row["flagged"]), f"{row['google']['found']}")
    auc = found["google_auc"]
    yield ""
    chance = f"{auc['auc']:.0%} of pairs: half is chance."
    yield f"A key made anew scores above one of the {auc['false']} false ones in {chance}"


def times(rows: list[Row]) -> Iterator[str]:
    """Processor time."""
    yield "| text | characters | CPU, median | decided by |"
    yield "|---|---|---|---|"
    for row in rows:
        yield line(
            row["what"], f"{row['chars']:,}", f"{row['median_ms']:.2f} ms", ", ".join(row["layers"]) or "nothing"
        )


def closing(result: Row) -> Iterator[str]:
    """Time and place."""
    changes = " with changes" if result["dirty"] else ""
    yield f"Measured {result['machine']['date'][:10]} at {result['commit'][:7]}{changes} on {result['machine']['cpu']}."


if __name__ == "__main__":
    PAGE.tell(shown())
