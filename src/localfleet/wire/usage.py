"""
Token counts as providers write them -> `core.usage.Usage`, one function per dialect.

OpenAI's input count includes cached tokens, Anthropic's excludes them; both become the same partition here. What is
missing, malformed or impossible is `None` (unknown), never a guess and never an exception: upstreams are odd.
"""

from collections.abc import Mapping

from localfleet.core.usage import Usage

__all__ = ["OBJECT", "input_usage", "messages_usage", "openai_usage"]

OBJECT = (dict, Mapping)
"""What JSON objects are read from; nearly always the first, which is the quicker question."""
CHAT_NAMES = ("prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details")
OTHER_NAMES = ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details")
MOST_TOKENS = 10**9
"""No answer has more; a larger number is an error of the upstream."""


def openai_usage(usage: object) -> Usage | None:
    """The `usage` of chat completions, completions, embeddings (`prompt_tokens`) or Responses (`input_tokens`)."""
    if not isinstance(usage, OBJECT):
        return None
    chat = "prompt_tokens" in usage
    into, out, details_in, details_out = CHAT_NAMES if chat else OTHER_NAMES
    inner = usage.get(details_in)
    read = _detail(inner, "cached_tokens")
    if read == 0 and "prompt_cache_hit_tokens" in usage:
        read = _count(usage["prompt_cache_hit_tokens"], 0)  # DeepSeek
    written = _detail(inner, "cache_write_tokens")  # OpenRouter
    if written == 0:
        written = _detail(inner, "cache_creation_tokens")  # litellm
    return _usage(
        _count(usage.get(into), None),
        _count(usage.get(out), 0 if chat else None),  # an embedding has no output
        read,
        written,
        _detail(usage.get(details_out), "reasoning_tokens"),
    )


def input_usage(usage: object) -> Usage | None:
    """The `usage` of embeddings and rankings: it is all input, and some servers say `total_tokens` alone."""
    if isinstance(usage, OBJECT) and "prompt_tokens" not in usage:
        usage = {"prompt_tokens": usage.get("total_tokens")}
    return openai_usage(usage)


def messages_usage(usage: object) -> Usage | None:
    """The `usage` of an Anthropic message: `input_tokens` without what was read from or written to the cache."""
    if not isinstance(usage, OBJECT):
        return None
    plain = _count(usage.get("input_tokens"), None)
    read = _count(usage.get("cache_read_input_tokens"), 0)
    written = _count(usage.get("cache_creation_input_tokens"), 0)
    if plain is None or read is None or written is None:
        return None
    thinking = _detail(usage.get("output_tokens_details"), "thinking_tokens")
    return _usage(plain + read + written, _count(usage.get("output_tokens"), None), read, written, thinking)


def _usage(
    into: int | None, out: int | None, read: int | None, written: int | None, reasoning: int | None
) -> Usage | None:
    if into is None or out is None or read is None or written is None or reasoning is None:
        return None
    try:
        return Usage(
            input_tokens=into,
            output_tokens=out,
            cache_read_tokens=read,
            cache_write_tokens=written,
            reasoning_tokens=reasoning,
        )
    except ValueError:  # parts larger than their whole
        return None


def _count(value: object, absent: int | None) -> int | None:
    """A whole number from 0 up; `absent` where there is none or `null`; `None` for anything else."""
    if value is None:
        return absent
    # The type itself and not `isinstance`: true is no count.
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _detail(details: object, name: str) -> int | None:
    """A count inside an object that may be missing: then it is zero."""
    if details is None:
        return 0
    return _count(details.get(name), 0) if isinstance(details, OBJECT) else None
