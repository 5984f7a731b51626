"""
Twenty thousand cases through two routers in minutes: many callers at once, connections kept, checks by the wave.

A wave is some hundred cases under one weather. Cases are told apart at the taps by the router's request id, and words
by their numbers, so nothing has to run alone. After each wave the taps are quiet, and what they got is searched once.
"""

import http.client
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Self

from canary_deck import BEHAVIOURS
from canary_fields import Wire
from canary_sources import SECTIONS
from canary_strategies import takes_seconds
from collector import Collector, collecting
from crowd_batches import through_a_batch
from crowd_cases import TASK_MODEL, TASKS, Dealt, House, Way, Weather
from crowd_words import Words
from leaking_router import FLAW
from process import Tap
from reload_rig import admin
from router import PROGRAM, Response, Router
from search_server import SearchServer
from tap_behaviour import Behaviour, Fault
from tap_fleet import anthropic_entry, local_entry, openai_entry

from localfleet.core.label import Label
from localfleet.storage.keys import create_key

__all__ = ["Crowd", "Told", "Wave"]

CALLERS = 24
PATIENCE_S = 20.0
SILENCE_S = 1.5
UPSTREAM_S = 0.5
SCRIPTED_SHARE = 0.25
"""So many of a wave's requests meet a fault at an ill tap."""
HOSTED = ("openai", "anthropic")
SEAL = {"LOCALFLEET_BATCH_KEY": "4f" * 3 + "0123456789abcdef" * 3 + "a1b2c3d4e5"}
KINDS = {"plain": Label.PUBLIC, "restricted": Label.RESTRICTED}
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
PAGE = {"title": "Rivers", "url": "https://a.example/1", "content": "One river."}
FACTS = json.dumps({"age": 41, "band": "high"})
FAULTS = [one for one in BEHAVIOURS if not takes_seconds(one)] + [Behaviour(fault=Fault.HANG)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of one case: its answers, the last one its own."""

    dealt: Dealt
    answers: Sequence[Response]

    @property
    def answer(self) -> Response:
        """The answer to the case's own request."""
        return self.answers[-1]

    @property
    def request_id(self) -> str:
        """The router's id of it; empty where it was left unanswered."""
        return self.answer.headers.get("x-localfleet-request-id", "")


@dataclass(slots=True)
class Caller:
    """One caller with a connection of its own to each router."""

    ports: Mapping[House, int]
    lines: dict[House, http.client.HTTPConnection] = field(default_factory=dict)

    def ask(self, house: House, wire: Wire, token: str, leave_after_bytes: int | None = None) -> Response:
        """Send one request; what is left of an answer that died or was left. A kept connection that died is renewed."""
        fresh = house not in self.lines
        answer = self._asked(house, wire, token, leave_after_bytes)
        return answer if answer.status or fresh else self._asked(house, wire, token, leave_after_bytes)

    def _asked(self, house: House, wire: Wire, token: str, leave_after_bytes: int | None) -> Response:
        line = self.lines.pop(house, None) or http.client.HTTPConnection(
            "127.0.0.1", self.ports[house], timeout=PATIENCE_S
        )
        try:
            line.putrequest("POST", wire.path, skip_accept_encoding=True)
            for name, value in (*wire.headers, ("authorization", f"Bearer {token}")):
                line.putheader(name, value)
            line.putheader("content-length", str(len(wire.body)))
            line.endheaders(wire.body)
            return self._read(house, line, line.getresponse(), leave_after_bytes)
        except (OSError, http.client.HTTPException):
            line.close()
            return Response(status=0, headers={}, body=b"", broken=True)

    def _read(
        self, house: House, line: http.client.HTTPConnection, answer: http.client.HTTPResponse, leave: int | None
    ) -> Response:
        headers = {name.lower(): value for name, value in answer.getheaders()}
        body, broken = b"", False
        if line.sock is not None:
            line.sock.settimeout(SILENCE_S)
        try:
            while (leave is None or len(body) < leave) and (data := answer.read1(65536)):
                body += data
        except (OSError, http.client.HTTPException):
            broken = True
        if broken or leave is not None or answer.will_close:
            line.close()
        else:
            if line.sock is not None:
                line.sock.settimeout(PATIENCE_S)
            self.lines[house] = line
        return Response(status=answer.status, headers=headers, body=body, broken=broken)

    def close(self) -> None:
        """Hang up."""
        for line in self.lines.values():
            line.close()


@dataclass(slots=True)
class Wave:
    """What one wave left."""

    weather: Weather
    told: list[Told]
    received: Mapping[str, bytes]
    posts: Counter[str]
    """Request id -> POSTs at hosted taps."""
    elsewhere: int


@dataclass(slots=True, kw_only=True)
class Crowd:
    """Two routers, three taps, and everything said so far."""

    routers: Mapping[House, Router]
    taps: Mapping[str, Tap]
    elsewhere: Tap
    web: SearchServer
    collector: Collector
    tokens: Mapping[House, Mapping[str, str]]
    words: Words
    rng: random.Random
    shown: Counter[tuple[str, Fault]] = field(default_factory=Counter)

    def wave(self, cases: Sequence[Dealt], weather: Weather) -> Wave:
        """All of these at once, so many callers at a time; then wait until the taps are quiet."""
        for tap in (*self.taps.values(), self.elsewhere):
            tap.clear()
        self.web.queries.clear()
        scripts = self._set(weather, len(cases))
        numbered = iter(list(cases))

        def work(_: int) -> list[Told]:
            caller = Caller({house: router.port for house, router in self.routers.items()})
            told = [self._told(caller, one) for one in numbered]
            caller.close()
            return told

        lines = [one for one in cases if one.way is Way.BATCH]
        numbered = iter([one for one in cases if one.way is not Way.BATCH])
        with ThreadPoolExecutor(CALLERS) as pool:
            told = [one for part in pool.map(work, range(CALLERS)) for one in part]
        told += [
            Told(dealt=dealt, answers=(answer,))
            for dealt, answer in through_a_batch(self.routers[House.STAYS], self.tokens[House.STAYS], lines, self.words)
        ]
        self._until_quiet()
        received = {name: tap.received() for name, tap in self.taps.items()}
        received["search"] = "\n".join(self.web.queries).encode()
        ids = (post.headers.get("x-client-request-id", "") for name in HOSTED for post in self.taps[name].posts())
        wave = Wave(weather, told, received, Counter(ids), len(self.elsewhere.received()))
        self._mend(weather, scripts)
        return wave

    def _told(self, caller: Caller, dealt: Dealt) -> Told:
        case, word, tokens = dealt.case, dealt.planted(self.words), self.tokens[dealt.house]
        answers = []
        before = case.before(word)
        if before is not None:
            answers.append(caller.ask(dealt.house, before, tokens[before.key]))
        wire = case.request(word, _json(answers[0]) if answers else None)
        if dealt.way in TASKS and not case.model.startswith(TASK_MODEL):
            wire = replace(wire, headers=(*wire.headers, ("x-localfleet-task", TASKS[dealt.way])))
        answers.append(caller.ask(dealt.house, wire, tokens[wire.key], case.leave_after_bytes))
        return Told(dealt=dealt, answers=answers)

    def _set(self, weather: Weather, cases: int) -> dict[str, list[Behaviour]]:
        ill = {
            Weather.CALM: (), Weather.BOX_DOWN: (), Weather.BOX_ILL: ("local",), Weather.STREET_ILL: HOSTED,
            Weather.ALL_ILL: (*self.taps,),
        }[weather]  # fmt: skip
        good = [Behaviour()] * round(1 / SCRIPTED_SHARE - 1)
        scripts = {}
        for name in ill:
            drawn = [
                replace(self.rng.choice(FAULTS), location=self.elsewhere.v1, after=self.rng.randint(0, 5))
                for _ in range(round(cases * SCRIPTED_SHARE))
            ]
            scripts[name] = [one for fault in drawn for one in (fault, *good)]
            self.taps[name].script(*scripts[name])
        if weather is Weather.BOX_DOWN:
            self.taps["local"].refuse()
        return scripts

    def _until_quiet(self) -> None:
        deadline = time.monotonic() + UPSTREAM_S + 3
        while any(tap.counters()["in_flight"] for tap in self.taps.values()) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _mend(self, weather: Weather, scripts: Mapping[str, list[Behaviour]]) -> None:
        """Make the taps good again; wait for all doors to open, since a shut one would hide a leak."""
        for name, script in scripts.items():
            left = self.taps[name].counters()["scripted"]
            for one in script[: len(script) - left]:
                self.shown[name, one.fault] += 1
            self.taps[name].reset()
        if weather is Weather.BOX_DOWN:
            self.taps["local"].listen()
        if weather is not Weather.CALM:
            for house, model in product(House, ("box", "mini", "claude")):
                self.until_open(house, model)

    def until_open(self, house: House, model: str, wait_s: float = 40) -> None:
        """Ask a model until it answers."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 8}
        path = "/v1/messages" if model == "claude" else "/v1/chat/completions"
        head = {"authorization": f"Bearer {self.tokens[house]['plain']}"}
        deadline = time.monotonic() + wait_s
        while self.routers[house].post(path, body, head).status != 200:
            assert time.monotonic() < deadline, f"the door of {model} stays shut"
            time.sleep(0.1)


class Stage(ExitStack):
    """Starts and stops a crowd's routers and taps."""

    @classmethod
    def start(cls, folder: Path, *, seed: int, flaw: str | None = None) -> tuple[Self, Crowd]:
        """Taps, keys, routers; returns when every door answers. With a `flaw` the routers are broken on purpose."""
        stage = cls()
        try:
            return stage, stage._crowd(folder, seed, flaw)
        except BaseException:
            stage.close()
            raise

    def _crowd(self, folder: Path, seed: int, flaw: str | None) -> Crowd:
        program = PROGRAM if flaw is None else (sys.executable, str(Path(__file__).with_name("leaking_router.py")))
        names = ("local", *HOSTED, "elsewhere")
        taps = {name: self.enter_context(Tap.start(folder / name, models=name)) for name in names}
        elsewhere = taps.pop("elsewhere")
        web, collector = self.enter_context(SearchServer([PAGE])), self.enter_context(collecting())
        env = dict.fromkeys(PROXIES, elsewhere.url) | SEAL | {FLAW: flaw or ""}
        tokens, routers = {}, {}
        for house in House:
            home = folder / house / "state"
            home.mkdir(parents=True)
            tokens[house] = {
                kind: create_key(home, name=kind, label=label, at=time.time(), models=None)[1]
                for kind, label in KINDS.items()
            }
            routers[house] = self.enter_context(
                Router.start(folder / house, settings(taps, house, web.url, collector.url), env=env, program=program)
            )
        crowd = Crowd(
            routers=routers, taps=taps, elsewhere=elsewhere, web=web, collector=collector, tokens=tokens,
            words=Words(), rng=random.Random(seed),
        )  # fmt: skip
        taps["local"].say(FACTS)
        for house in House:
            for model in ("box", "mini", "claude"):
                crowd.until_open(house, model)
        return crowd


def settings(taps: Mapping[str, Tap], house: House, web: str, collector: str) -> dict[str, Any]:
    """Everything a file can declare that sends text somewhere."""
    # Topics and names would find somebody's affairs in words drawn by chance: here labels are known beforehand.
    layers = ["own", "secrets", "patterns"]
    privacy = {
        **SECTIONS["privacy"],
        "layers": layers,
        "on_restricted": "redact" if house is House.REDACTS else "local_only",
    }
    after = {"first": "box", "fallback": ["mini", "claude"]}
    hosted_second = [
        {"name": "a", "model": "local", "prompt": "{input}"},
        {"name": "b", "model": "mini", "prompt": "{a} {input}"},
    ]
    return {
        "version": 1,
        "local": {"box": local_entry(taps["local"], timeout_s=UPSTREAM_S)},
        "hosted": {
            "mini": openai_entry(taps["openai"], timeout_s=UPSTREAM_S),
            # Redacted text never goes to a model with words of its own, so the other one has none.
            "claude": anthropic_entry(
                taps["anthropic"], timeout_s=UPSTREAM_S, form={"before": "Answer in one sentence."}
            ),
        },
        "privacy": privacy,
        "tasks": {
            "payroll": SECTIONS["tasks"]["payroll"],
            "short": {**after, "cascade": {"judge": {"least_chars": 500}}},
            "graded": {**after, "cascade": {"judge": {"model": {"model": "mini"}}}},
            "tried": {"first": "box", "fallback": ["mini"]},
            "seen": after,
            "care": {**after, "person": True},
        },
        "experiments": {
            "trial": {"task": "tried", "first": "mini", "fallback": ["box"], "share": 0.5},
            "shadow": {
                "task": "seen", "first": "mini", "share": 1, "by": "request",
                "shadow": {"usd_per_day": 100_000, "requests_per_hour": 10_000_000, "judge": {"least_chars": 5}},
            },
        },
        "pipelines": {
            "careless": {"stages": hosted_second},
            "polish": {
                "stages": [
                    {"name": "draft", "model": "local", "prompt": "{input}", "enough": {"least_chars": 500}},
                    {"name": "better", "model": "mini", "prompt": "{input} {draft}"},
                ]
            },
            "research": {
                "stages": [
                    {"name": "claims", "model": "local", "each": "documents", "prompt": "{item}"},
                    {"name": "answer", "model": "mini", "prompt": "{claims} {input}"},
                ]
            },
            "lookup": {
                "stages": [
                    {"name": "found", "model": "web", "prompt": "{input}"},
                    {"name": "answer", "model": "mini", "prompt": "From {found} answer {input}"},
                ]
            },
            "private": {
                "stages": [
                    {
                        "name": "facts", "model": "local", "prompt": "Read {input}", "release": True,
                        "fields": {"age": "integer", "band": ["low", "high"]},
                    },
                    {"name": "advice", "model": "mini", "prompt": "Advise on {facts}"},
                ]
            },
        },
        "search": {"web": {"url": web, "accepts": "internal"}},
        "traces": {"url": collector, "every_s": 0.5, "most_waiting": 100_000},
        "batches": {"parallel": 16},
    }  # fmt: skip


def _json(answer: Response) -> Any:
    try:
        return answer.json
    except ValueError:
        return None


def pages(crowd: Crowd, house: House) -> Iterator[tuple[str, bytes]]:
    """What a router shows to those who may see all of it."""
    router = crowd.routers[house]
    people, key = admin(router), {"authorization": f"Bearer {crowd.tokens[house]['plain']}"}
    for path in ("/metrics", "/readyz", "/v1/models", "/openapi.json", "/console"):
        yield path, router.get(path, key).everything
    by = ("model", "tier", "label", "task", "key", "reason", "day", "api")
    for path in ("/api/receipts?limit=500", "/api/status", "/api/tickets", *(f"/api/summary?by={one}" for one in by)):
        shown = router.get(path, people)
        assert shown.status == 200, path
        yield path, shown.everything
