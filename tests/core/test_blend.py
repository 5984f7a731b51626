"""The blend of a classifier's opinion with the length: shares are shares, and all of it is the length's order."""

from hypothesis import given
from hypothesis import strategies as st

from localfleet.core.routing.blend import Blend, Kind

UNIT = st.floats(0, 1)
Z = st.floats(-3, 3)
KINDS = (Kind(mean=0.4, spread=0.8, length_share=0.35), Kind(mean=-0.2, spread=0.5, length_share=1.0))


@given(UNIT, UNIT, UNIT)
def test_a_share_lies_between_the_usual_and_the_strange_one(usual: float, strange: float, cover: float) -> None:
    """However few of the words were seen, the length's share is between the two that were measured."""
    blend = Blend(length_share=usual, strange_share=strange, usual_cover=0.7, strange_cover=0.6)
    assert min(usual, strange) - 1e-9 <= blend.share(cover) <= max(usual, strange) + 1e-9
    assert blend.share(0.0) == strange
    assert abs(blend.share(1.0) - usual) < 1e-9


@given(Z, Z, Z, Z, UNIT)
def test_with_the_whole_share_only_the_length_counts(
    gain: float, long: float, kin: float, other: float, c: float
) -> None:
    """A classifier that has not earned a say changes nothing of the length's order."""
    blend = Blend(length_share=1.0, strange_share=1.0, kinds=KINDS)
    assert blend.need(gain, long, kin, 0, c) == blend.need(other, long, kin, 0, c) == long


@given(Z, Z, Z, UNIT, st.floats(0.01, 1))
def test_a_need_rises_with_the_gain(gain: float, long: float, kin: float, cover: float, more: float) -> None:
    """Whatever else is known of a prompt, a greater gain is a greater need."""
    blend = Blend(length_share=0.3, strange_share=0.8, usual_cover=0.7, strange_cover=0.6, kinds=KINDS)
    assert blend.need(gain + more, long, kin, 0, cover) > blend.need(gain, long, kin, 0, cover)


@given(Z, Z, Z, Z, st.floats(0.01, 1))
def test_in_a_kind_that_is_the_length_s_only_the_length_orders(
    gain: float, other: float, long: float, kin: float, more: float
) -> None:
    """Where the classifier earned nothing within a kind, a longer prompt needs more, whatever the gain."""
    blend = Blend(length_share=0.0, strange_share=0.0, kinds=KINDS)
    assert abs(blend.need(gain, long, kin, 1, 1.0) - blend.need(other, long, kin, 1, 1.0)) < 1e-9
    assert blend.need(gain, long, kin + more, 1, 1.0) > blend.need(gain, long, kin, 1, 1.0)
