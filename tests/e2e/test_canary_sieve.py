"""The search for many canaries at once finds what the search for one finds."""

import random

import pytest
from canary import Sieve, new_canary, traces
from test_canary import DISGUISES


@pytest.fixture(scope="module")
def canaries() -> list[str]:
    """Two hundred of them."""
    return [new_canary() for _ in range(200)]


@pytest.fixture(scope="module")
def sieve(canaries: list[str]) -> Sieve:
    """The search for all of them."""
    return Sieve(canaries)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_the_sieve_finds_what_the_single_search_finds(canaries: list[str], sieve: Sieve, disguise: str) -> None:
    """One hidden canary among two hundred is named, in every disguise."""
    hidden = b"before " + DISGUISES[disguise](canaries[123]) + b" after"
    assert traces(hidden, canaries[123])
    assert set(sieve.find(hidden)) == {canaries[123]}


def test_the_sieve_finds_nothing_in_noise(sieve: Sieve) -> None:
    """Random bytes and ordinary words hold no canary."""
    noise = random.Random(7).randbytes(300_000) + b"CANARY and other words of a request " * 1000
    assert sieve.find(noise) == {}
