"""
Asks a running router, as any caller does: law, budgets, ledger and receipts are its own.

Nothing here can open a door. What the router refuses for the label is not asked elsewhere.
"""

import http.client
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from urllib.parse import SplitResult

import orjson

from localfleet.core.label import Label
from localfleet.core.reason import Reason
from localfleet.errors import FleetError
from localfleet.suites.read import Item

__all__ = ["Asker", "Heard", "Run"]

TIMEOUT_S = 120.0
LAW = frozenset({Reason.PRIVACY_FORBIDS, Reason.PROVIDER_POLICY_FORBIDS, Reason.NOT_PERMITTED})
MONEY = frozenset({Reason.OVER_MAX_COST, Reason.PRICE_UNKNOWN, Reason.OVER_BUDGET, Reason.TIER_SHARE})
ANSWER_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One answer: right or not, by which model, for how much, within how many milliseconds; `failed` says why not."""

    item: Item
    right: bool
    model: str
    usd: Decimal | None
    ms: float
    failed: str = ""


@dataclass(slots=True, kw_only=True)
class Run:
    """What one candidate came to. `kept` prompts were not for it, by label or law; `stopped` says what ended it."""

    model: str
    heard: list[Heard] = field(default_factory=list)
    kept: int = 0
    stopped: str = ""

    @property
    def usd(self) -> Decimal | None:
        """US dollars of all answers; `None` where some are unknown."""
        known = [one.usd for one in self.heard if one.usd is not None]
        return sum(known, Decimal(0)) if len(known) == len(self.heard) else None


@dataclass(slots=True, kw_only=True)
class Asker:
    """One router, and what may still be spent and waited for, over all candidates."""

    url: SplitResult
    key: str | None
    usd_left: Decimal
    until: float
    """Monotonic seconds."""

    def run(self, model: str, items: Iterable[Item], *, hosted: bool, told: Callable[[], None]) -> Run:
        """
        Ask all; a hosted candidate gets public prompts only, whatever it accepts.

        Ends early where money or time are used up; raises `FleetError` where no router answers.
        """
        run = Run(model=model)
        for item in items:
            if hosted and item.label is not Label.PUBLIC:
                run.kept += 1
            elif time.monotonic() >= self.until:
                run.stopped = "time is up"
                break
            else:
                self._one(run, item)
            told()
            if run.stopped:
                break
        return run

    def _one(self, run: Run, item: Item) -> None:
        began = time.monotonic()
        status, headers, body = self._post(run.model, item)
        ms, reason = 1000 * (time.monotonic() - began), headers.get("x-localfleet-reason", "")
        if status == 404:
            raise FleetError(
                f"the router at {self.url.geturl()} has no model {run.model[:64]}; does it hold this file?"
            )
        if status == 401:
            raise FleetError("the router wants a key: set LOCALFLEET_KEY, or give --key")
        if status != 200 and reason in LAW:
            run.kept += 1
            return
        if status != 200 and reason in MONEY:
            run.stopped = f"money is used up ({reason})"
            return
        usd = _usd(headers.get("x-localfleet-cost-usd"))
        self.usd_left -= usd or Decimal(0)
        answer = _text(body) if status == 200 else ""
        run.heard.append(
            Heard(
                item=item,
                right=status == 200 and item.check.right(answer),
                model=headers.get("x-localfleet-model", run.model),
                usd=usd,
                ms=ms,
                failed="" if status == 200 else reason or str(status),
            )
        )

    def _post(self, model: str, item: Item) -> tuple[int, dict[str, str], bytes]:
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.url.hostname or "", self.url.port, timeout=TIMEOUT_S)
        asked = {"model": model, "messages": item.messages, "max_tokens": item.max_tokens, "temperature": 0}
        try:
            path = self.url.path.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"
            connection.request("POST", path, body=orjson.dumps(asked), headers=self._headers(item))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, found, answer.read(ANSWER_BYTES)
        except ConnectionRefusedError as exc:
            raise FleetError(f"no router runs at {self.url.geturl()}; start one with `localfleet up`") from exc
        except (OSError, http.client.HTTPException):
            return 0, {}, b""
        finally:
            connection.close()

    def _headers(self, item: Item) -> dict[str, str]:
        sent = {
            "content-type": "application/json",
            "x-localfleet-privacy": item.label.word,
            "x-localfleet-max-cost-usd": f"{max(self.usd_left, Decimal(0)):f}",
        }
        if item.task:
            sent["x-localfleet-task"] = item.task
        return sent | ({} if self.key is None else {"authorization": f"Bearer {self.key}"})


def _usd(text: str | None) -> Decimal | None:
    try:
        return None if text is None else Decimal(text)
    except InvalidOperation:
        return None


def _text(body: bytes) -> str:
    try:
        said = orjson.loads(body)["choices"][0]["message"]["content"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError):
        return ""
    return said if isinstance(said, str) else ""
