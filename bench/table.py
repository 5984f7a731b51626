"""
The newest result as a Markdown table: `python bench/table.py` prints it, `--write` puts it into README.md.

The table stands between two markers there; a test holds it equal to the newest result file.
"""

from typing import Any

from result_page import ROOT, ResultPage

__all__ = ["PAGE", "markdown"]

PAGE = ResultPage(path=ROOT / "README.md", results=ROOT / "bench/results", mark="bench")
HEAD = (
    "| proxy | requests/s, 32 connections | CPU per request | added at 1 connection | p99 at 1 connection "
    "| memory | start |\n"
    "|---|---|---|---|---|---|---|\n"
)


def markdown(result: dict[str, Any]) -> str:
    """The table, the sentence about the first token, and where it was measured."""
    found, ratios = result["contestants"], result["ratios"]
    names = sorted((name for name in found if name != "upstream"), key=lambda name: -found[name]["median"]["rps"])
    rows = "".join(row(found[name], ratios["added_ms"][name]) for name in names)
    return f"{HEAD}{rows}\n{sentences(result)}\n"


def row(numbers: dict[str, Any], added_ms: float) -> str:
    """One contestant."""
    median = numbers["median"]
    cells = (
        numbers["title"],
        f"{median['rps']:,.0f}",
        f"{median['cpu_us']:,.0f} µs",
        f"{added_ms:.2f} ms",
        f"{median['p99_ms']:.2f} ms",
        f"{numbers['rss_mib']:.0f} MiB",
        f"{numbers['start_s']:.1f} s" if "start_s" in numbers else "",
    )
    return f"| {' | '.join(cells)} |\n"


ALIKE = "; everything of the bench ran with the same real-time priority, so that they could not take more"


def sentences(result: dict[str, Any]) -> str:
    """What the table does not hold."""
    ratios, machine, load = result["ratios"], result["machine"], result["load"]
    tokens = ratios["first_token_added_ms"]
    shares = [one["foreign_share"] for numbers in result["contestants"].values() for one in numbers["rounds"]]
    changed = " with changes" if result["dirty"] else ""
    lines = [against(ratios["throughput"])] if "litellm" in ratios["throughput"]["router-local"] else []
    lines.append(
        f"First token: {tokens['router-local']:.2f} ms later than from the engine itself through the local door, "
        f"{tokens['router-hosted']:.2f} ms through the hosted door (medians)."
    )
    lines.append(
        f"Measured {machine['date'][:10]} at {result['commit'][:7]}{changed} on {machine['cpu']}, one core for the "
        f"proxy; medians of {load['rounds']} alternating rounds. Other programs took up to {max(shares):.0%} of that "
        f"core meanwhile{ALIKE if load.get('realtime') else ''}."
    )
    return "\n".join(lines)


def against(throughput: dict[str, dict[str, float]]) -> str:
    """The ratios that the aims name."""
    local, hosted, restricted = (throughput[f"router-{way}"] for way in ("local", "hosted", "restricted"))
    bare = max(value for name, value in local.items() if name.startswith("passthrough-"))
    return (
        f"Throughput against LiteLLM's proxy: {local['litellm']:.0f} times through the local door, "
        f"{hosted['litellm']:.0f} times through the hosted door, {restricted['litellm']:.0f} times with restricted "
        f"text; {bare:.2f} of the bare pass-through."
    )


if __name__ == "__main__":
    PAGE.tell(markdown(PAGE.newest()))
