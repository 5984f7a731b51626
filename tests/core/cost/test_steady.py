"""Textbook queues: Erlang's numbers, and the least replicas for a steady stream."""

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as some

from localfleet.core.cost.steady import erlang_c, steady_replicas


def test_v6_erlang_c_of_the_textbook() -> None:
    """Two servers at half load wait with 1/3, ten at eight with 0.409; a full house always."""
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3, rel=1e-12)
    assert erlang_c(10, 8.0) == pytest.approx(0.4091801507964435, rel=1e-9)
    assert erlang_c(3, 3.0) == 1.0


@given(rate=some.floats(0, 50), seconds=some.floats(0.01, 2), wait=some.floats(0, 5), late=some.floats(0.0001, 0.5))
def test_one_replica_fewer_breaks_the_promise(rate: float, seconds: float, wait: float, late: float) -> None:
    """The found number keeps the share of late requests, the number below does not."""

    def share(servers: int) -> float:
        drain = servers / seconds - rate
        return erlang_c(servers, rate * seconds) * exp(-drain * wait) if drain > 0 else 1.0

    found = steady_replicas(requests_per_s=rate, seconds_per_request=seconds, wait_s=wait, late_share=late)
    assert found is not None
    assert share(found) <= late
    assert found == 1 or share(found - 1) > late


def test_what_cannot_be_is_refused() -> None:
    """Numbers below zero and no numbers name themselves."""
    with pytest.raises(ValueError, match="requests_per_s"):
        steady_replicas(requests_per_s=float("nan"), seconds_per_request=1, wait_s=1, late_share=0.1)
    with pytest.raises(ValueError, match="servers: must be at least 1"):
        erlang_c(0, 1)
