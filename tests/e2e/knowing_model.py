"""A model server that knows the answers it was given: the prompt's first word looks one up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from answering import answering, chat_answer

__all__ = ["KnowingModel"]


@dataclass
class KnowingModel:
    """Answers chat requests by `answers`, else with "no idea"; keeps the first words of what it was asked."""

    answers: Mapping[str, str]
    asked: list[str] = field(default_factory=list)
    url: str = ""
    """Its base URL, while it serves."""

    def __enter__(self) -> Self:
        """Serve."""
        self._serving = answering(self._answer)
        self.url = self._serving.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._serving.__exit__(None, None, None)

    def _answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        word = body["messages"][-1]["content"].split()[0]
        self.asked.append(word)
        return 200, chat_answer(self.answers.get(word, "no idea"), asked=100, said=10)

    def local(self, **more: Any) -> dict[str, Any]:
        """Its entry below `local:`."""
        return {"engine": "endpoint", "url": self.url, "context_tokens": 8192, **more}

    def hosted(self, key_env: str, usd_per_mtok: str, **more: Any) -> dict[str, Any]:
        """Its entry below `hosted:`, at one price for all tokens."""
        price = {
            "since": "2026-01-01", "usd_per_mtok_in": usd_per_mtok, "usd_per_mtok_out": usd_per_mtok, "source": "test",
        }  # fmt: skip
        return {
            "provider": "somebody", "base_url": self.url, "model": "knowing", "tier": "strong", "accepts": "internal",
            "api_key_env": key_env, "context_tokens": 8192, "apis": ["chat"], "prices": [price], **more,
        }  # fmt: skip
