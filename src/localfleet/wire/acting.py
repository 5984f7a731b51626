"""Requests that a provider does more for than answer: tools that run there, and may be seen by others."""

from collections.abc import Mapping
from typing import Any

__all__ = ["acts_elsewhere"]

OURS = frozenset({"function", "custom", "apply_patch", "local_shell"})
"""Types of tools that the client runs itself; Anthropic's client tools have none, or `custom`."""
SWITCHES = frozenset({"mcp_servers", "web_search_options", "conversation", "background"})
"""Fields that make a provider fetch, call, or keep something."""


def acts_elsewhere(body: Mapping[str, Any]) -> bool:
    """Whether the body asks for a tool that runs at the provider, or keeps state there; what is not known does."""
    if any(body.get(field) for field in SWITCHES):
        return True
    tools = body.get("tools")
    if not tools:
        return False
    return not isinstance(tools, list) or not all(
        isinstance(tool, dict) and tool.get("type", "custom") in OURS for tool in tools
    )
