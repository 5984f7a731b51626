"""
How well a model ranks, asked of a running router, beside chance and the share of words in common.

    python bench/rerank.py --model NAME [--url http://127.0.0.1:8080]

`rerank.json` is written by hand for this: 24 queries, the passage that answers each, and four that do not. Two ways to
ask: `traps`, the five passages of a query, where the wrong ones have its words and the right one has others; `plain`,
the right passages of all queries. The number is the mean reciprocal rank with a 95 % interval over the queries.
"""

import argparse
import json
import random
import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

Rank = Callable[[str, list[str]], list[float]]
HERE = Path(__file__).parent
ROWS = json.loads((HERE / "rerank.json").read_bytes())
RESAMPLES = 2000


def in_common(query: str, documents: list[str]) -> list[float]:
    """The share of words that two texts have in common, over the root of their lengths."""
    asked = {*re.findall(r"\w+", query.lower())}
    said = [{*re.findall(r"\w+", text.lower())} for text in documents]
    return [len(asked & words) / (len(asked) * len(words)) ** 0.5 for words in said]


def asked_of(url: str, model: str) -> Rank:
    """The scores of a router's model."""

    def rank(query: str, documents: list[str]) -> list[float]:
        body = {"model": model, "query": query, "documents": documents, "return_documents": False}
        head = {"content-type": "application/json"}
        request = urllib.request.Request(f"{url}/v1/rerank", json.dumps(body).encode(), head)
        with urllib.request.urlopen(request) as response:
            results = json.load(response)["results"]
        scores = {row["index"]: row["relevance_score"] for row in results}
        return [scores[at] for at in range(len(documents))]

    return rank


def reciprocal_ranks(rank: Rank, *, traps: bool) -> Iterator[float]:
    """One for each query; a tie is the mean of its places."""
    for row in ROWS:
        others = row["wrong"] if traps else [other["right"] for other in ROWS if other is not row]
        right, *rest = rank(row["query"], [row["right"], *others])
        yield 1 / (1 + sum(score > right for score in rest) + sum(score == right for score in rest) / 2)


def told(ranks: list[float]) -> str:
    """The mean and its interval."""
    dice = random.Random(0)
    means = sorted(sum(dice.choices(ranks, k=len(ranks))) / len(ranks) for _ in range(RESAMPLES))
    low, high = means[RESAMPLES // 40], means[-RESAMPLES // 40]
    return f"{sum(ranks) / len(ranks):.2f} ({low:.2f} to {high:.2f})"


def chance(documents: int) -> float:
    """The mean reciprocal rank of a blind order."""
    return sum(1 / place for place in range(1, documents + 1)) / documents


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--model", required=True)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    given = parser.parse_args()
    print("| who ranks | traps | plain |\n|---|---|---|")
    print(f"| chance | {chance(len(ROWS[0]['wrong']) + 1):.2f} | {chance(len(ROWS)):.2f} |")
    for name, rank in (("words in common", in_common), (given.model, asked_of(given.url, given.model))):
        traps, plain = (told([*reciprocal_ranks(rank, traps=way)]) for way in (True, False))
        print(f"| {name} | {traps} | {plain} |")


if __name__ == "__main__":
    main()
