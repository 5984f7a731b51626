"""Tools that run at a provider: a request that names one is not sent twice."""

from typing import Any

import pytest

from localfleet.wire.acting import acts_elsewhere


@pytest.mark.parametrize(
    ("body", "acts"),
    [
        ({}, False),
        ({"tools": []}, False),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, False),
        ({"tools": [{"name": "f", "input_schema": {}}]}, False),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, True),
        ({"tools": [{"type": "function", "name": "f"}, {"type": "mcp", "server_url": "https://x"}]}, True),
        ({"tools": ["?"]}, True),
        ({"tools": {"type": "function"}}, True),
        ({"tools": [{"type": None}]}, True),
        ({"mcp_servers": [{"url": "https://x"}]}, True),
        ({"web_search_options": {"search_context_size": "low"}}, True),
        ({"background": False}, False),
        ({"background": True}, True),
    ],
)
def test_what_acts_elsewhere(body: dict[str, Any], acts: object) -> None:
    """Functions and client tools run at the caller; all others, and what nobody knows, do not."""
    assert acts_elsewhere(body) is acts
