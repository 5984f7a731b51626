"""The protocol of V9 on an engine whose truth is known: what was held out, and which prediction of a burst holds."""

import random

import pytest
from known_engine import KnownEngine, behind_a_line, run_jumping

from localfleet.bench.plan import Bounds
from localfleet.bench.validate import Validation, burst_arrivals, validate

SHAPES = ((64, 32), (64, 256), (256, 32), (256, 128), (512, 32), (128, 384), (1024, 64), (1024, 256))
HELD_OUT = ((160, 96), (400, 200), (768, 48), (96, 200))


@pytest.fixture(scope="module")
def proof() -> Validation:
    """One run of the protocol, with the router's own line before the engine."""

    async def run() -> Validation:
        return await validate(
            behind_a_line(KnownEngine()),
            shapes=SHAPES,
            held_out=HELD_OUT,
            shares=(0.5, 1.0, 1.6),
            burst=150,
            patience_s=2.0,
            bounds=Bounds(rounds=3, total_s=2000),
            draw=random.Random(7).random,
            told=lambda _share, _what: None,
        )

    found: Validation = run_jumping(run())
    return found


@pytest.mark.slow
def test_shapes_that_were_held_out_are_predicted(proof: Validation) -> None:
    """Four shapes that the fit has not seen."""
    assert len(proof.held_out) == 4
    assert proof.worst_error < 0.01


def test_spill_of_a_burst_is_predicted_by_slots(proof: Validation) -> None:
    """At half, at all and at 1.6 of the box: within two points or a fifth of what was measured."""
    assert [burst.failed for burst in proof.bursts] == [0, 0, 0]
    assert proof.bursts[0].measured_spill < 0.02
    assert proof.bursts[2].measured_spill > 0.1
    assert all(burst.near(burst.slots_spill) for burst in proof.bursts), proof.bursts


def test_waits_in_the_line_are_predicted_by_slots(proof: Validation) -> None:
    """The mean wait for a turn of those that were served, within a quarter of the patience."""
    for burst in proof.bursts:
        assert burst.slots_wait_s[0] == pytest.approx(burst.measured_wait_s[0], abs=proof.patience_s / 4)


def test_the_fluid_queue_is_told_beside_it(proof: Validation) -> None:
    """It calls all work ahead a wait, so it never spills less than an engine with slots does here."""
    assert all(burst.fluid_spill >= burst.slots_spill - 0.02 for burst in proof.bursts)


def test_a_burst_has_a_mean_gap_of_one_and_a_crowd_in_the_middle() -> None:
    """A third of the requests come in a sixth of the time."""
    at = burst_arrivals(3000, random.Random(1).random)
    assert at == sorted(at)
    assert at[-1] == pytest.approx(3000, rel=0.05)
    assert at[1999] - at[1000] == pytest.approx(500, rel=0.1)
