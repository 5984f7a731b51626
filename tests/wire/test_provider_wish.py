"""`metadata.provider_policy`: every word it knows, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.data_policy import NO_DEMAND, Demand
from localfleet.errors import BadAsk
from localfleet.wire.provider_wish import read_demand


def test_every_word_is_read() -> None:
    """All fields of a demand in one text; countries in capitals, regions in lower case, companies as written."""
    text = (
        "zero_data_retention, no_training, retention_days=30, jurisdictions=de|EU, exclude_jurisdictions=CN, "
        "regions=EU-west-1, subprocessors=A GmbH|b"
    )
    assert read_demand(text) == Demand(
        regions=frozenset({"eu-west-1"}),
        jurisdictions=frozenset({"DE", "EU"}),
        exclude_jurisdictions=frozenset({"CN"}),
        retention_days=30,
        no_training=True,
        zero_data_retention=True,
        subprocessors=frozenset({"A GmbH", "b"}),
    )
    assert read_demand(None) is NO_DEMAND


@pytest.mark.parametrize(
    "value",
    [
        "", "nonsense", "no_training=yes", "retention_days", "retention_days=-1", "retention_days=9999999", "regions",
        "regions=", "regions=a||b", "no_training, no_training", "x" * 600, 7, [], {"a": 1}, True,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(value: object) -> None:
    """A demand that was not understood must not be taken for none."""
    with pytest.raises(BadAsk) as caught:
        read_demand(value)
    assert caught.value.param == "metadata"


@given(text=st.text(max_size=80))
def test_any_text_is_a_demand_or_refused(text: str) -> None:
    """Nothing else can come of it, whatever a caller writes."""
    try:
        demand = read_demand(text)
    except BadAsk:
        return
    assert demand != NO_DEMAND
