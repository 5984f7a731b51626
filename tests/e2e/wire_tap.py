"""
The rig of the wire tap: one real router, several lanes of taps, and one generated case at a time in each lane.

A lane is one local and two hosted taps of its own, with two API keys that may use their models only. The lanes share
the router process, so that several cases run at once, and anything of one lane that shows up in another is a mix-up. A
tap that nobody may ever reach is named by redirects and by the proxy variables of the router's environment.
"""

import http.client
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from canary import new_canary
from canary_cases import PATHS, TAPS, Case
from canary_fields import Field, Wire
from canary_sources import SECTIONS
from process import Tap
from router import Response, Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import anthropic_entry, local_entry, openai_entry

from localfleet.core.ask import Api
from localfleet.core.label import Label
from localfleet.storage.keys import create_key

__all__ = ["HOSTED", "Fleet", "Lane", "Rig", "Seen", "Sent", "Tally", "ask"]

HOSTED = ("openai", "anthropic")
MODELS = {"local": "box", "openai": "mini", "anthropic": "claude"}
UPSTREAM_S = 1.0
"""How long the router waits for a tap's first byte."""
PATIENCE_S = 20.0
SILENCE_S = 1.5
"""How long the caller waits for an answer to begin, and for the next bytes of one that has begun."""
KINDS = {"plain": Label.PUBLIC, "restricted": Label.RESTRICTED}
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
GOOD: Mapping[Api, dict[str, Any]] = {
    Api.CHAT: {"messages": [{"role": "user", "content": "Hello."}]},
    Api.MESSAGES: {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 8},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request that was sent: what must be true of its receipt. `known` says that its path and its key are known."""

    about: str
    request_id: str | None
    restricted: bool
    known: bool
    status: int


@dataclass(slots=True)
class Tally:
    """
    What one lane did, for the books.

    `posts` counts POSTs at hosted taps by request id and model, `shown` the faults that a tap really showed.
    """

    sent: list[Sent] = field(default_factory=list)
    posts: Counter[tuple[str, str]] = field(default_factory=Counter)
    shown: Counter[tuple[str, Fault]] = field(default_factory=Counter)
    canaries: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Everything one case left: the answers, the bytes at each tap, and the size of the tap nobody may reach."""

    case: Case
    canary: str
    lane: int
    answers: Sequence[Response]
    received: Mapping[str, bytes]
    elsewhere: int

    @property
    def answer(self) -> Response:
        """The answer to the case's own request."""
        return self.answers[-1]

    @property
    def planted(self) -> tuple[tuple[Field, str], ...]:
        """Each place and the canary in it."""
        return self.case.planted(self.canary)


def ask(port: int, wire: Wire, token: str, leave_after_bytes: int | None = None) -> Response:
    """Send one request; keeps what came of an answer that died, stopped, or was left."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.putrequest("POST", wire.path, skip_accept_encoding=True)
        for name, value in (*wire.headers, ("authorization", f"Bearer {token}"), *_framing(wire)):
            connection.putheader(name, value)
        connection.endheaders(wire.body)
        assert connection.sock is not None
        sock = connection.sock
        answer = connection.getresponse()
        sock.settimeout(SILENCE_S)
        return _read(answer, leave_after_bytes)
    except (ConnectionError, TimeoutError):
        return Response(status=0, headers={}, body=b"", broken=True)
    finally:
        connection.close()


def _framing(wire: Wire) -> tuple[tuple[str, str], ...]:
    """The length, unless the body comes in chunks."""
    chunked = any(name == "transfer-encoding" for name, _ in wire.headers)
    return () if chunked else (("content-length", str(len(wire.body))),)


def _read(answer: http.client.HTTPResponse, leave_after_bytes: int | None) -> Response:
    headers = {name.lower(): value for name, value in answer.getheaders()}
    body, broken = b"", False
    try:
        while (leave_after_bytes is None or len(body) < leave_after_bytes) and (data := answer.read1(65536)):
            body += data
    except (ConnectionError, TimeoutError, http.client.IncompleteRead):
        broken = True
    return Response(status=answer.status, headers=headers, body=body, broken=broken)


@dataclass(slots=True, kw_only=True)
class Lane:
    """One lane: runs one case at a time. `honest` is false where the keys were swapped on purpose."""

    number: int
    taps: Mapping[str, Tap]
    elsewhere: Tap
    port: int
    tokens: Mapping[str, str]
    tally: Tally = field(default_factory=Tally)
    honest: bool = True

    @property
    def text(self) -> str:
        """What the models of this lane answer."""
        return f"The capital of France is Paris, said lane-{self.number}."

    def run(self, case: Case, canary: str | None = None) -> Seen:
        """Send the earlier request if there is one, then set the taps and send the case's own; mend afterwards."""
        canary = canary or new_canary()
        self.tally.canaries += [word for _, word in case.planted(canary)]
        pinned = f"{case.model}{self.number}" if case.model in MODELS.values() else case.model
        case = replace(case, model=pinned)
        self._note_posts()
        answers = []
        before = case.before(canary)
        if before is not None:
            answers.append(self.send(before, f"before {case.title}", restricted=True))
        wire = case.request(canary, _json(answers[0]) if answers else None)
        self._set(case)
        answers.append(
            self.send(wire, case.title, restricted=case.restricted, leave_after_bytes=case.leave_after_bytes)
        )
        self._until_quiet()
        received = {name: tap.received() for name, tap in self.taps.items()}
        seen = Seen(
            case=case,
            canary=canary,
            lane=self.number,
            answers=answers,
            received=received,
            elsewhere=len(self.elsewhere.received()),
        )
        self._mend(case)
        return seen

    def send(self, wire: Wire, about: str, *, restricted: bool, leave_after_bytes: int | None = None) -> Response:
        """Send one request with this lane's key and note it."""
        answer = ask(self.port, wire, self.tokens[wire.key], leave_after_bytes)
        sent = Sent(
            about=about,
            request_id=answer.headers.get("x-localfleet-request-id"),
            restricted=restricted and self.honest,
            known=wire.path.partition("?")[0] in PATHS.values() and answer.status != 401,
            status=answer.status,
        )
        self.tally.sent.append(sent)
        return answer

    def greet(self, tap: str, api: Api) -> bool:
        """One good request to the model behind a tap, so that the router trusts its door again."""
        api = Api.MESSAGES if tap == "anthropic" and api is Api.MESSAGES else Api.CHAT
        body = {"model": f"{MODELS[tap]}{self.number}", **GOOD[api]}
        headers = (("content-type", "application/json"),)
        wire = Wire(path=PATHS[api], headers=headers, body=json.dumps(body).encode())
        return self.send(wire, "a greeting", restricted=False).status == 200

    def warm(self) -> None:
        """Wait until every door of this lane answers; the first litellm call takes seconds."""
        for tap, api in (
            ("local", Api.CHAT),
            ("openai", Api.CHAT),
            ("anthropic", Api.CHAT),
            ("anthropic", Api.MESSAGES),
        ):
            self._greet_until_it_answers(tap, api, wait_s=60)

    def _set(self, case: Case) -> None:
        for name in TAPS:
            script = case.script(name, elsewhere=self.elsewhere.v1, text=self.text)
            if script:
                if any(one.fault is Fault.ACCEPT_CLOSE for one in script):
                    self.taps[name].drop()  # this fault needs a new connection
                self.taps[name].script(*script)
                if case.lasting:
                    self.taps[name].always(script[-1])
            if name in case.down:
                self.taps[name].refuse()

    def _until_quiet(self) -> None:
        """Wait until no tap works on a request any more: what still comes would be counted with the next case."""
        deadline = time.monotonic() + UPSTREAM_S + 2
        while any(tap.counters()["in_flight"] for tap in self.taps.values()) and time.monotonic() < deadline:
            time.sleep(0.01)

    def _mend(self, case: Case) -> None:
        """Make the taps good again, and let the doors that failed answer once: a shut door would hide later leaks."""
        for name in TAPS:
            tap, script = self.taps[name], case.faults.get(name, ())
            left = tap.counters()["scripted"]
            for one in script[: len(script) - left]:
                self.tally.shown[name, one.fault] += 1
            touched = name in case.down or left < len(script)
            if left:
                self._note_posts((name,))
                tap.reset()
            elif name in case.down:
                tap.listen()
            if script and case.lasting:
                tap.always(Behaviour())
            if touched:
                self._greet_until_it_answers(name, case.api, wait_s=8)

    def _greet_until_it_answers(self, tap: str, api: Api, wait_s: float) -> None:
        deadline = time.monotonic() + wait_s
        while not self.greet(tap, api):
            assert time.monotonic() < deadline, f"the door of {MODELS[tap]}{self.number} stays shut"
            time.sleep(0.2)

    def _note_posts(self, names: Iterable[str] = TAPS) -> None:
        for name in names:
            if name in HOSTED:
                model = f"{MODELS[name]}{self.number}"
                ids = (post.headers.get("x-client-request-id", "none") for post in self.taps[name].posts())
                self.tally.posts.update((request_id, model) for request_id in ids)
            self.taps[name].clear()

    def close_tally(self) -> None:
        """Count what the taps got since the last case."""
        self._note_posts()


@dataclass(slots=True, kw_only=True)
class Rig:
    """The router and its lanes."""

    router: Router
    lanes: Sequence[Lane]
    elsewhere: Tap

    def run(self, cases: Sequence[Case], check: Callable[[Seen], list[str]]) -> list[str]:
        """Run all cases, one at a time in each lane; the problems found, each with its case."""
        numbered = iter(list(enumerate(cases)))  # next() of a list's iterator is atomic

        def work(lane: Lane) -> list[str]:
            found = []
            for index, case in numbered:
                seen = lane.run(case)
                found += [f"case {index}, lane {lane.number}, {case.title}: {text}" for text in check(seen)]
            lane.close_tally()
            return found

        with ThreadPoolExecutor(len(self.lanes)) as pool:
            return [text for found in pool.map(work, self.lanes) for text in found]

    @property
    def tally(self) -> Tally:
        """All lanes together."""
        whole = Tally()
        for lane in self.lanes:
            whole.sent += lane.tally.sent
            whole.posts += lane.tally.posts
            whole.shown += lane.tally.shown
            whole.canaries += lane.tally.canaries
        return whole


class Fleet(ExitStack):
    """Starts and stops a rig."""

    @classmethod
    def start(cls, folder: Path, lanes: int) -> tuple[Self, Rig]:
        """Start the taps, make the keys, start the router, wait until every door answers."""
        stack = cls()
        try:
            return stack, stack._rig(folder, lanes)
        except BaseException:
            stack.close()
            raise

    def _rig(self, folder: Path, count: int) -> Rig:
        names = [f"{name}{number}" for number in range(count) for name in TAPS]
        with ThreadPoolExecutor(4) as pool:
            started = dict(zip(names, pool.map(lambda name: self._tap(folder / name, name), names), strict=True))
        elsewhere = self._tap(folder / "elsewhere", "elsewhere")
        lanes = [{name: started[f"{name}{number}"] for name in TAPS} for number in range(count)]
        proxies = dict.fromkeys(PROXIES, elsewhere.url)
        (folder / "router" / "state").mkdir(parents=True)
        tokens = [_keys(folder / "router" / "state", number) for number in range(1, count)]
        router = self.enter_context(Router.start(folder / "router", settings(lanes), env=proxies))
        tokens.insert(0, _keys_by_command(router))
        rig = Rig(
            router=router,
            elsewhere=elsewhere,
            lanes=[
                Lane(number=number, taps=taps, elsewhere=elsewhere, port=router.port, tokens=tokens[number])
                for number, taps in enumerate(lanes)
            ],
        )
        for lane in rig.lanes:
            for tap in lane.taps.values():
                tap.say(lane.text)
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Lane.warm, rig.lanes))
        return rig

    def _tap(self, folder: Path, name: str) -> Tap:
        return self.enter_context(Tap.start(folder, models=name))


def _models(lane: int) -> frozenset[str]:
    return frozenset(f"{name}{lane}" for name in MODELS.values())


def _keys(home: Path, lane: int) -> dict[str, str]:
    """Two keys that may use a lane's models only: one by default public, one by default restricted."""
    return {
        kind: create_key(home, name=f"{kind}{lane}", label=label, at=time.time(), models=_models(lane))[1]
        for kind, label in KINDS.items()
    }


def _keys_by_command(router: Router) -> dict[str, str]:
    """The same for lane 0, as an operator makes them, while the router runs."""

    def create(kind: str) -> str:
        models = [word for name in sorted(_models(0)) for word in ("--model", name)]
        made = router.here("keys", "create", f"{kind}0", "--label", KINDS[kind].word, *models, "--json")
        token: str = json.loads(made.stdout)["token"]
        return token

    return {kind: create(kind) for kind in KINDS}


def settings(lanes: Sequence[Mapping[str, Tap]]) -> dict[str, Any]:
    """A `models.yaml` with the models `boxN`, `miniN` and `claudeN` of every lane, and the rules that sources need."""
    numbers = range(len(lanes))
    tasks = {
        name: {**task, "fallback": [f"{one}{n}" for one in task["fallback"] if one != "local" for n in numbers]}
        for name, task in SECTIONS["tasks"].items()
        if task["first"] == "local"
    }
    return {
        "version": 1,
        "local": {f"box{n}": local_entry(lanes[n]["local"], timeout_s=UPSTREAM_S) for n in numbers},
        "hosted": {
            **{f"mini{n}": openai_entry(lanes[n]["openai"], timeout_s=UPSTREAM_S) for n in numbers},
            **{f"claude{n}": anthropic_entry(lanes[n]["anthropic"], timeout_s=UPSTREAM_S) for n in numbers},
        },
        **SECTIONS,
        "tasks": tasks,
    }


def _json(answer: Response) -> Any:
    try:
        return answer.json
    except ValueError:
        return None
