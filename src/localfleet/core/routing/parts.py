"""What a request is made of, in tokens by part of its context (S35), and the words that ask: the last user turn."""

from localfleet.core.value import value

__all__ = ["NOTHING_READ", "Parts"]


@value
class Parts:
    """
    Estimated tokens by part. `documents` are texts that were retrieved and handed over, `history` all turns before the
    last user turn (`user`), `tools` the definitions, `output` the most that was asked for (0: nothing said).
    """

    system: int = 0
    user: int = 0
    documents: int = 0
    history: int = 0
    tools: int = 0
    tool_results: int = 0
    output: int = 0

    @property
    def context(self) -> int:
        """The whole input."""
        return self.system + self.user + self.documents + self.history + self.tools + self.tool_results

    def row(self) -> dict[str, int]:
        """By name, for records and people; empty parts are left out."""
        named = {name: getattr(self, name) for name in PARTS}
        return {name: tokens for name, tokens in named.items() if tokens}


PARTS = ("system", "user", "documents", "history", "tools", "tool_results", "output")
NOTHING_READ = Parts()
