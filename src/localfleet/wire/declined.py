"""
Whether a provider's safety refused to answer, as its API says it: an outcome of its own, not a failure.

Looked for in the bytes that go to the client, by what cannot stand inside a JSON text: there a quote is escaped.
"""

import re

from localfleet.core.ask import Api

__all__ = ["declined"]

STOPPED = re.compile(rb'"(?:finish_reason|stop_reason|reason)"\s*:\s*"(?:content_filter|refusal)"')
REFUSED = re.compile(rb'"refusal"\s*:\s*"|"type"\s*:\s*"(?:response\.refusal\.\w+|refusal)"')


def declined(said: bytes, api: Api) -> bool:
    """Whether a whole answer, or whole events of a stream, say so in this API."""
    # Nearly every answer says `"refusal":null`, which is none.
    if b"content_filter" not in said and said.count(b"refusal") == said.count(b'"refusal":null'):
        return False
    # Anthropic's answers may hold a tool's own arguments as JSON, where a key may be called anything.
    return STOPPED.search(said) is not None or (api is not Api.MESSAGES and REFUSED.search(said) is not None)
