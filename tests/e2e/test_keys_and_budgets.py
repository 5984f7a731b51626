"""Keys, rates, plans and money, against the running router: who gets in, where to, how often, and for how much."""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from fault_rig import CHAT, Stream, ask, open_intents, receipt, records, until
from process import Tap
from router import Response, Router
from tap_behaviour import Behaviour, Fault, Tokens
from tap_fleet import local_entry, openai_entry

from localfleet.core.label import Label
from localfleet.storage.keys import create_key, revoke_key
from localfleet.storage.verify import verify

TAKES_EFFECT_S = 1.5
USD_PER_TOKEN = Decimal("0.001")
OUT = 50
"""Output tokens of the requests below; the tap says it used them all."""
PLANS = {
    "slow": {"requests_per_minute": 3},
    "boxed": {"models": ["box"]},
    "poor": {"usd_per_month": "0"},
}


@pytest.fixture
def settings(local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap) -> dict[str, Any]:
    """One local and two hosted doors in two tiers; a token of either costs a tenth of a cent."""
    price = {"since": "2025-01-01", "usd_per_mtok_in": "1000", "usd_per_mtok_out": "1000", "source": "test"}
    dear = {"prices": [price]}
    return {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {
            "mini": openai_entry(openai_tap, **dear),
            "best": openai_entry(anthropic_tap, tier="premium", **dear),
        },
        "plans": PLANS,
        "limits": {"fallbacks_per_request": 5},
    }


@pytest.fixture
def router(tmp_path: Path, settings: dict[str, Any]) -> Iterator[Router]:
    """The router, without keys yet."""
    with Router.start(tmp_path, settings) as started:
        yield started


def _made(router: Router, **more: Any) -> tuple[str, dict[str, str]]:
    """Create a key as the command line does, from another process: its id, and the header that shows it."""
    key, token = create_key(router.home, **{"name": "app", "label": Label.INTERNAL, "at": time.time(), **more})
    return key.id, {"authorization": f"Bearer {token}"}


def _key(router: Router, **more: Any) -> tuple[str, dict[str, str]]:
    """Create a key and wait until the router takes it, and nobody without one."""
    key_id, headers = _made(router, **more)

    def taken() -> bool:
        without, with_it = (router.get("/v1/models", given).status for given in ({}, headers))
        return (without, with_it) == (401, 200)

    assert until(taken, TAKES_EFFECT_S)
    return key_id, headers


def _chat(router: Router, headers: Mapping[str, str], model: str = "auto", **more: Any) -> Response:
    return router.post(CHAT, ask(model, **{"max_tokens": OUT, **more}), headers)


@pytest.mark.slow
def test_keys_take_effect_while_running(router: Router) -> None:
    """Before the first key anybody on this machine may ask; after it nobody without one; a revoked one is none."""
    assert _chat(router, {}).status == 200
    key_id, good = _key(router)
    assert _chat(router, good).status == 200
    longer = {"authorization": good["authorization"] + "x"}
    for headers in ({}, {"authorization": "Bearer lf_wrong"}, {"x-api-key": ""}, longer):
        answer = _chat(router, headers)
        assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
        assert answer.headers["x-localfleet-reason"] == "bad_key"
    assert _chat(router, {"x-api-key": good["authorization"][7:]}).status == 200
    revoke_key(router.home, key_id, at=time.time())
    assert until(lambda: _chat(router, good).status == 401, TAKES_EFFECT_S)
    assert _chat(router, {}).status == 401, "all keys revoked is not the same as no keys"
    router.kill()
    router.restart()
    assert (_chat(router, good).status, _chat(router, {}).status) == (401, 401)


@pytest.mark.slow
def test_real_clients_see_a_401(router: Router) -> None:
    """In the shape that each client's own exception reads."""
    _key(router)
    client = openai.OpenAI(base_url=router.v1, api_key="lf_wrong", max_retries=0)
    with client, pytest.raises(openai.AuthenticationError) as refused:
        client.chat.completions.create(**ask())
    assert refused.value.code == "invalid_api_key"
    asked: Any = [{"role": "user", "content": "Paris?"}]
    claude = anthropic.Anthropic(base_url=router.url, api_key="lf_wrong", max_retries=0)
    with claude, pytest.raises(anthropic.AuthenticationError) as turned_away:
        claude.messages.create(model="auto", max_tokens=5, messages=asked)
    body: Any = turned_away.value.body
    assert (body["type"], body["error"]["type"]) == ("error", "authentication_error")


@pytest.mark.slow
def test_what_a_key_may(router: Router, openai_tap: Tap) -> None:
    """Its default label, its models, its rate and its plan hold, whatever the request says."""
    _, secret = _made(router, name="legal", label=Label.RESTRICTED)
    _, listed = _made(router, models=frozenset({"box"}))
    _, boxed = _made(router, plan="boxed")
    _, poor = _made(router, plan="poor")
    _, hasty = _made(router, requests_per_minute=2)
    _, slow = _made(router, plan="slow")
    _, public = _key(router, name="web", label=Label.PUBLIC)
    answer = _chat(router, {**secret, "x-localfleet-privacy": "public"})
    assert (answer.headers["x-localfleet-privacy"], answer.headers["x-localfleet-tier"]) == ("restricted", "local")
    assert _chat(router, secret, "mini").status == 409
    assert _chat(router, public).headers["x-localfleet-privacy"] == "public"
    calls = len(openai_tap.posts())

    assert _chat(router, listed).headers["x-localfleet-model"] == "box"
    refused = _chat(router, listed, "mini")
    assert (refused.status, refused.json["error"]["code"]) == (403, "not_permitted")
    assert [model["id"] for model in router.get("/v1/models", listed).json["data"] if model["id"] == "mini"] == []
    assert _chat(router, boxed, "mini").status == 403
    assert _chat(router, poor).headers["x-localfleet-tier"] == "local"
    assert _chat(router, poor, "mini").status == 402
    assert len(openai_tap.posts()) == calls

    for headers, allowed in ((hasty, 2), (slow, 3)):
        answers = [_chat(router, headers, "box") for _ in range(allowed + 2)]
        assert [answer.status for answer in answers] == [200] * allowed + [429] * 2
        assert answers[-1].headers["x-localfleet-reason"] == "key_rate_limit"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert _chat(router, public, "box").status == 200


def _worst(body: dict[str, Any]) -> Decimal:
    """What the router has to reserve: a token for each byte of the body, and all of the output."""
    return (len(json.dumps(body)) + OUT) * USD_PER_TOKEN


def _crowd(router: Router, headers: Mapping[str, str], model: str, number: int = 12) -> list[Response]:
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(lambda _: _chat(router, headers, model), range(number)))


def _spent(router: Router, tap: Tap) -> Decimal:
    """What the provider would bill: every call it got at the price of the tokens it counts."""
    return len(tap.posts()) * (_body_tokens() + OUT) * USD_PER_TOKEN


def _body_tokens() -> int:
    return len(json.dumps(ask("mini", max_tokens=OUT)))


def _bills_the_worst() -> Behaviour:
    """A provider that counts as much as a request can cost at most."""
    return Behaviour(delay_s=0.3, tokens=Tokens(input=_body_tokens(), output=OUT))


def test_a_budget_is_never_overspent(router: Router, openai_tap: Tap, anthropic_tap: Tap) -> None:
    """
    Law 9: money for three, twelve at once: three go out, nine get the box or a 402; a restart forgets nothing.

    The worst case really happens here, so one more call would be overspending.
    """
    for tap in (openai_tap, anthropic_tap):
        tap.always(_bills_the_worst())
    budget = 3 * _worst(ask("mini", max_tokens=OUT))
    _, auto = _made(router, name="auto", usd_per_month=budget)
    _, named = _key(router, name="named", usd_per_month=budget)
    answers = _crowd(router, named, "mini")
    assert Counter(answer.status for answer in answers) == {200: 3, 402: 9}
    assert {a.headers["x-localfleet-reason"] for a in answers if a.status == 402} == {"over_budget"}
    assert _spent(router, openai_tap) <= budget
    answers = _crowd(router, auto, "auto")
    assert {answer.status for answer in answers} == {200}
    tiers = Counter(answer.headers["x-localfleet-tier"] for answer in answers)
    assert (tiers["local"], tiers.total()) == (9, 12)
    on_the_box = [answer.headers for answer in answers if answer.headers["x-localfleet-tier"] == "local"]
    assert {headers["x-localfleet-reason"] for headers in on_the_box} <= {"over_budget", "only_local"}
    for headers in on_the_box:
        written = receipt(router, headers["x-localfleet-request-id"])
        shut = {name: why for name, _, _, why, _ in written["doors"]}
        lost = {model for model, _, why, *_ in written["tried"] if why == "over_budget"}
        # Shut when it was decided, or open then, and the money taken by another request before its turn.
        assert (shut["mini"], shut["best"]) == ("over_budget", "over_budget") or lost == {"mini", "best"}
    assert len(openai_tap.posts()) + len(anthropic_tap.posts()) == 6
    router.kill()
    router.restart()
    assert _chat(router, named, "mini").status == 402
    assert _chat(router, auto).headers["x-localfleet-tier"] == "local"
    assert len(openai_tap.posts()) + len(anthropic_tap.posts()) == 6


@pytest.mark.slow
def test_unused_reservations_come_back(router: Router, openai_tap: Tap) -> None:
    """Only what was used stays booked: cheap answers and failures leave room for the next request."""
    budget = _worst(ask("mini", max_tokens=OUT)) * 2
    _, key = _key(router, usd_per_month=budget)
    openai_tap.always(Behaviour(tokens=Tokens(input=1, output=1)))
    assert [_chat(router, key, "mini").status for _ in range(10)] == [200] * 10
    openai_tap.script(Behaviour(fault=Fault.STATUS, status=400))
    assert _chat(router, key, "mini").status == 400
    assert _chat(router, key, "mini").status == 200


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "left", "timed out"])
def test_an_answer_nobody_heard_is_paid_for(router: Router, openai_tap: Tap, how: str) -> None:
    """A call that was cut off may be on the bill: it stays reserved, also after a restart."""
    openai_tap.always(Behaviour(delay_s=30))
    budget = _worst(ask("mini", max_tokens=OUT)) * Decimal("1.5")
    key_id, key = _key(router, usd_per_month=budget)
    deadline = {"x-localfleet-deadline-ms": "400"} if how == "timed out" else {}
    with Stream(router, ask("mini", max_tokens=OUT), headers={**key, **deadline}) as call:
        assert until(lambda: openai_tap.counters()["in_flight"] == 1)
        if how == "killed":
            router.kill()
        elif how == "timed out":
            assert call.answer.status == 504
    if how == "killed":
        router.restart()
        end = records(router.home, "unsettled")[0]
    else:
        end = receipt(router)
        assert _until_opened(router, key).status == 402
        assert open_intents(router.home) == 0
        router.kill()
        router.restart()
    assert (end["key_id"], end["cost_usd"], Decimal(end["reserved_usd"])) == (key_id, None, budget / Decimal("1.5"))
    assert _until_opened(router, key).status == 402
    assert len(openai_tap.posts()) == 1
    assert verify(router.home).ok


def _until_opened(router: Router, key: Mapping[str, str]) -> Response:
    """The answer of the hosted door, once the router has counted what was spent before."""
    found: list[Response] = []

    def opened() -> bool:
        found[:] = [_chat(router, key, "mini")]
        return found[0].status != 503

    assert until(opened)
    return found[0]


@pytest.mark.slow
def test_a_tier_has_a_budget_a_day(
    tmp_path: Path, settings: dict[str, Any], openai_tap: Tap, anthropic_tap: Tap
) -> None:
    """Money for two in one tier: the third goes to the other tier, or gets a 402 where it names the model."""
    for tap in (openai_tap, anthropic_tap):
        tap.always(_bills_the_worst())
    usd = str(2 * _worst(ask("mini", max_tokens=OUT)))
    settings["limits"] = {"usd_per_day": {"low_cost": usd}}
    with Router.start(tmp_path, settings) as router:
        assert Counter(answer.status for answer in _crowd(router, {}, "mini", 6)) == {200: 2, 402: 4}
        assert _chat(router, {}).headers["x-localfleet-model"] == "best"
        router.kill()
        router.restart()
        assert _until_opened(router, {}).status == 402
        assert _chat(router, {}).headers["x-localfleet-model"] == "best"
    assert len(openai_tap.posts()) == 2


@pytest.mark.slow
def test_the_callers_own_limit(router: Router, openai_tap: Tap) -> None:
    """`x-localfleet-max-cost-usd` shuts doors that could cost more: 402 for a named one, the box for `auto`."""
    worst = _worst(ask("mini", max_tokens=OUT))
    enough = {"x-localfleet-max-cost-usd": str(worst)}
    short = {"x-localfleet-max-cost-usd": str(worst - USD_PER_TOKEN)}
    assert until(lambda: _chat(router, enough, "mini").status == 200)
    calls = len(openai_tap.posts())
    refused = _chat(router, short, "mini")
    assert (refused.status, refused.json["error"]["code"]) == (402, "over_max_cost")
    assert _chat(router, short).headers["x-localfleet-tier"] == "local"
    assert _chat(router, {"x-localfleet-max-cost-usd": "0"}).headers["x-localfleet-tier"] == "local"
    assert len(openai_tap.posts()) == calls
