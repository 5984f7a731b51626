"""Labelled prompts of our own: easy questions about places, and sums that only a strong model does."""

import json
import random

__all__ = ["lines", "row", "written"]

_PLACES = ("Rome", "Oslo", "Lima", "Cairo", "Delhi", "Quito", "Kyoto", "Perth", "Turin", "Porto")
_THINGS = ("apples", "bricks", "tickets", "pencils", "stamps", "barrels", "lamps", "coins")


def row(chance: random.Random) -> dict[str, object]:
    """One prompt; the weak model fails most sums, the strong one few."""
    if chance.random() < 0.5:
        text = f"Which river runs through {chance.choice(_PLACES)}, and in which country is {chance.choice(_PLACES)}?"
        return {"text": text, "weak": chance.random() < 0.9, "strong": chance.random() < 0.95, "subject": "places"}
    count, thing = chance.randint(2, 99), chance.choice(_THINGS)
    text = f"Anna buys {count} {thing} and sells {count // 2} of them at {chance.randint(2, 9)} each. What is left?"
    return {"text": text, "weak": chance.random() < 0.3, "strong": chance.random() < 0.9, "subject": "sums"}


def written(count: int, seed: int) -> list[dict[str, object]]:
    """So many prompts; the same seed gives the same ones."""
    chance = random.Random(seed)
    return [{"id": f"{seed}-{at}", **row(chance)} for at in range(count)]


def lines(count: int, seed: int) -> list[bytes]:
    """The same as JSON lines."""
    return [json.dumps(one).encode() for one in written(count, seed)]
