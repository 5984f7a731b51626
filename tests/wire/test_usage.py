"""Provider counts become one partition, or are unknown."""

import pytest

from localfleet.core.usage import Usage
from localfleet.wire.usage import input_usage, messages_usage, openai_usage

CHAT = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 8},
}
RESPONSES = {
    "input_tokens": 100,
    "output_tokens": 20,
    "input_tokens_details": {"cached_tokens": 60},
    "output_tokens_details": {"reasoning_tokens": 8},
}
SAME = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=60, reasoning_tokens=8)


@pytest.mark.parametrize("usage", [CHAT, RESPONSES])
def test_openai_counts_include_the_cache(usage: dict[str, object]) -> None:
    """`cached_tokens` is a part of the input count."""
    assert openai_usage(usage) == SAME


def test_anthropic_counts_exclude_the_cache() -> None:
    """The whole input is the sum of the three."""
    usage = {"input_tokens": 10, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 30, "output_tokens": 20}
    expected = Usage(input_tokens=100, output_tokens=20, cache_read_tokens=60, cache_write_tokens=30)
    assert messages_usage(usage) == expected
    assert messages_usage({"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": None}) == Usage(
        input_tokens=1, output_tokens=2
    )


def test_zero_is_a_value_and_embeddings_have_no_output() -> None:
    """An embedding counts its prompt only."""
    assert openai_usage({"prompt_tokens": 7, "total_tokens": 7}) == Usage(input_tokens=7, output_tokens=0)
    assert (
        input_usage({"total_tokens": 7}) == input_usage({"prompt_tokens": 7}) == Usage(input_tokens=7, output_tokens=0)
    )
    assert openai_usage({"total_tokens": 7}) is None
    assert input_usage({}) is input_usage(None) is None
    assert openai_usage({"prompt_tokens": 0, "completion_tokens": 0}) == Usage(input_tokens=0, output_tokens=0)


@pytest.mark.parametrize(
    ("usage", "read", "written"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}, 4, 0),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cache_write_tokens": 4}}, 0, 4),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cache_creation_tokens": 4}}, 0, 4),
    ],
)
def test_other_names_for_the_cache(usage: dict[str, object], read: int, written: int) -> None:
    """DeepSeek, OpenRouter and litellm name the cache otherwise."""
    found = openai_usage(usage)
    assert found is not None
    assert (found.cache_read_tokens, found.cache_write_tokens) == (read, written)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt_tokens": -1},
        {"prompt_tokens": True},
        {"prompt_tokens": "12"},
        {"prompt_tokens": 1.5},
        {"prompt_tokens": 10**12},
        {"completion_tokens": []},
        {"prompt_tokens": None},
        {"prompt_tokens_details": {"cached_tokens": 101}},
        {"prompt_tokens_details": {"cached_tokens": "x"}},
        {"prompt_tokens_details": [1]},
        {"completion_tokens_details": {"reasoning_tokens": 21}},
    ],
)
def test_impossible_counts_are_unknown(change: dict[str, object]) -> None:
    """Nothing is clamped or guessed."""
    assert openai_usage(CHAT | change) is None


@pytest.mark.parametrize("usage", [None, 5, "x", [], {}, {"output_tokens": 3}, {"input_tokens": {}}])
def test_missing_counts_are_unknown(usage: object) -> None:
    """No count is `None`, never zero."""
    assert openai_usage(usage) is None
    assert messages_usage(usage) is None
