"""
The newest result of `bench/routing.py` as the tables of docs/concepts/routing-classifier.md.

    python bench/routing_table.py --write
"""

from collections.abc import Iterator
from typing import Any

from result_page import ROOT, ResultPage

from localfleet.training.measures import interval_of_auc, interval_of_share

PAGE = ResultPage(path=ROOT / "docs/concepts/routing-classifier.md", results=ROOT / "bench/routing", mark="routing")
CLAIMS = {"cue words": "keywords, about 70 %", "length": "length, about 65 %", "localfleet": "classifier, 85 to 90 %"}
"""What the articles say of a router's accuracy."""


def markdown(result: dict[str, Any]) -> str:
    """All tables."""
    parts = (ranks(result["pairs"]), claims(result["pairs"]), choice(result["choice"]), closing(result))
    return "\n".join("\n".join(part) + "\n" for part in parts)


def ranks(rows: list[dict[str, Any]]) -> Iterator[str]:
    """APGR with intervals: a line for each set, a column for each router."""
    routers = list(dict.fromkeys(row["router"] for row in rows))
    yield "| APGR (95 % interval) | prompts | " + " | ".join(routers) + " |"
    yield "|---" * (len(routers) + 2) + "|"
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        cells = (f"{row['apgr']:.3f} ({row['low']:.2f} to {row['high']:.2f})" for row in own)
        yield f"| {name} | {own[0]['prompts']:,} | " + " | ".join(cells) + " |"


def claims(rows: list[dict[str, Any]]) -> Iterator[str]:
    """The articles' accuracies beside those on the pooled pairs."""
    pooled = {row["router"]: row for row in rows if row["set"] == rows[0]["set"]}
    yield "| the articles' claim | right (95 %) | sending none up | orders two right (95 %) | APGR (95 %) |"
    yield "|---|---|---|---|---|"
    for router, claim in CLAIMS.items():
        row = pooled[router]
        ups = round((1 - row["never"]) * row["prompts"])
        right = ranged(row["accuracy"], *interval_of_share(row["accuracy"], row["prompts"]))
        order = ranged(row["auc"], *interval_of_auc(row["auc"], ups, row["prompts"] - ups))
        apgr = f"{row['apgr']:.3f} ({row['low']:.2f} to {row['high']:.2f})"
        yield f"| {claim} | {right} | {row['never']:.0%} | {order} | {apgr} |"


def ranged(share: float, low: float, high: float) -> str:
    """A share with its interval."""
    return f"{share:.0%} ({low:.0%} to {high:.0%})"


def choice(found: dict[str, Any]) -> Iterator[str]:
    """Nine models, and the saving among eleven."""
    yield "| choosing one of many | result | 95 % interval |"
    yield "|---|---|---|"
    for row in found["nine"]:
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        yield f"| nine open models, mean score: {row['way']} | {row['mean']:.3f} | {interval} |"
    saving = found["saving"]
    for name, what in (("saved", "saving against the best single model"), ("kept", "share of its quality kept")):
        low, high = saving[f"{name}_low"], saving[f"{name}_high"]
        yield f"| eleven models (RouterBench), {what} | {saving[name]:.1%} | {low:.1%} to {high:.1%} |"


def closing(result: dict[str, Any]) -> Iterator[str]:
    """Time and place."""
    time, changes = result["time"], " with changes" if result["dirty"] else ""
    yield f"One prompt takes {time['median_ms']:.2f} ms of a core (median; 95 of 100 under {time['p95_ms']:.2f} ms),"
    yield f"a turn of 16,000 letters {time['of_16000_chars_ms']:.1f} ms. Measured {result['machine']['date'][:10]} at"
    yield f"{result['commit'][:7]}{changes} on {result['machine']['cpu']}."


if __name__ == "__main__":
    PAGE.tell(markdown(PAGE.newest()))
