"""
The traps that other gateways fell into, each with a word that must not turn up. docs/threat-model.md lists them all.

Those that have a test elsewhere (errors of providers, arguments, files, the engine's log) are named there.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from canary import new_canary, traces
from process import Tap
from router import KEY, Response, Router
from tap_behaviour import Behaviour, Fault
from tap_fleet import NATIVE, Entry, fleet, local_entry

CHAT = "/v1/chat/completions"
LOUD = {
    "LITELLM_LOG": "DEBUG", "OPENAI_LOG": "debug", "ANTHROPIC_LOG": "debug", "PYTHONASYNCIODEBUG": "1",
    "PYTHONFAULTHANDLER": "1", "PYTHONDEVMODE": "1", "LOG_LEVEL": "DEBUG", "UVICORN_LOG_LEVEL": "trace", "DEBUG": "1",
}  # fmt: skip
"""What a person sets who looks for a fault; in other gateways it writes prompts into the log."""


def loud(folder: Path, taps: tuple[Tap, Tap, Tap], claude: Entry) -> Router:
    """A router under every debugging variable that it, its libraries or Python knows."""
    local, openai, anthropic = taps
    privacy = {"default": "public", "detector_budget_ms": 60_000, "layers": ["own", "secrets", "patterns"]}
    return Router.start(
        folder,
        fleet(local=local, openai=openai, anthropic=anthropic, claude=claude, privacy=privacy),
        env=LOUD,
    )


@pytest.fixture(scope="module")
def loud_router(tmp_path_factory: pytest.TempPathFactory, shared_taps: tuple[Tap, Tap, Tap]) -> Iterator[Router]:
    """One for all, that need not load litellm."""
    with loud(tmp_path_factory.mktemp("traps"), shared_taps, NATIVE) as started:
        yield started


@pytest.fixture
def router(loud_router: Router, local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap) -> Router:
    """The router, with taps as new."""
    assert local_tap is not openai_tap is not anthropic_tap
    return loud_router


def chat(
    router: Router, text: str, model: str = "mini", headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """One chat."""
    return router.post(CHAT, {"model": model, "messages": [{"role": "user", "content": text}], **more}, headers)


def clean(left: Mapping[str, bytes], canary: str) -> bool:
    """Whether nothing that was left behind or shown holds the word."""
    return not [name for name, data in left.items() if traces(data, canary)]


@pytest.mark.slow
def test_debugging_switches_write_no_words(
    tmp_path: Path, shared_taps: tuple[Tap, Tap, Tap], openai_tap: Tap, anthropic_tap: Tap
) -> None:
    """Every route, good and bad answers, litellm's too, under all switches at once: the log has none of the words."""
    # litellm takes its time to load, in development mode more so.
    with loud(tmp_path, shared_taps, {"timeout_s": 60}) as router:
        write_no_words(router, openai_tap, anthropic_tap)


def write_no_words(router: Router, openai_tap: Tap, anthropic_tap: Tap) -> None:
    """Good answers and bad ones, whole and streamed, leave none of the words."""
    canary = new_canary()
    for model in ("box", "mini", "claude"):
        assert chat(router, f"Say {canary}.", model).status == 200
        assert chat(router, f"Say {canary}.", model, stream=True).status == 200
    for tap in (openai_tap, anthropic_tap):
        tap.always(Behaviour(fault=Fault.STATUS, status=400))
    for model in ("mini", "claude"):
        answer = chat(router, f"Say {canary}.", model)
        assert answer.status >= 400
        assert not traces(answer.everything, canary)
    assert router.log.stat().st_size > 0
    assert clean(router.at_rest(), canary)


def test_labels_of_metrics_hold_no_words(router: Router) -> None:
    """Names that a caller makes up (model, task, session, tool, user) are `unknown` or nothing on the metrics page."""
    canary = new_canary()
    headers = {"x-localfleet-task": canary, "x-localfleet-session": canary, "user-agent": canary}
    tools = [{"type": "function", "function": {"name": canary, "parameters": {"type": "object"}}}]
    assert chat(router, "x", canary, headers).status == 404
    assert chat(router, "x", "mini", headers, tools=tools, user=canary, metadata={"a": canary}).status == 200
    page = router.get("/metrics")
    assert page.status == 200
    assert b"localfleet_requests" in page.body
    assert not traces(page.everything, canary)


def test_headers_of_a_client_do_not_travel(router: Router, openai_tap: Tap) -> None:
    """Whatever a client sends along (who it is, where it comes from, cookies, traces, organisations) ends here."""
    canary = new_canary()
    names = (
        *(
            "user-agent",
            "cookie",
            "referer",
            "x-forwarded-for",
            "forwarded",
            "via",
            "traceparent",
            "tracestate",
            "baggage",
        ),
        *(
            "openai-organization",
            "openai-project",
            "x-stainless-os",
            "x-request-id",
            "x-client-request-id",
            "x-api-key",
        ),
        *("idempotency-key", "x-real-ip", "accept-language", "anthropic-beta"),
    )
    assert chat(router, "hello", headers=dict.fromkeys(names, canary)).status == 200
    assert openai_tap.posts()
    assert not traces(openai_tap.received(), canary)


SPOKEN = {CHAT: "messages", "/v1/messages": "messages", "/v1/responses": "input"}


@pytest.mark.parametrize("first", SPOKEN)
def test_a_conversation_may_not_leave_by_another_api(
    router: Router, openai_tap: Tap, anthropic_tap: Tap, first: str
) -> None:
    """Said to be restricted once, and gone on without a word of that in each API: no byte of it reaches a provider."""
    canary = new_canary()
    said = {"role": "user", "content": f"The plan is called {canary}."}
    begun = said["content"] if first == "/v1/responses" else [said]
    body = {"model": "auto", "max_tokens": 9, SPOKEN[first]: begun}
    assert router.post(first, body, {"x-localfleet-privacy": "restricted"}).status == 200
    for path, where in SPOKEN.items():
        turns = [said, {"role": "assistant", "content": "Noted."}, {"role": "user", "content": "Go on."}]
        answer = router.post(path, {"model": "auto", "max_tokens": 9, where: turns})
        assert (answer.status, answer.headers["x-localfleet-privacy"]) == (200, "restricted")
    assert not any(traces(tap.received(), canary) for tap in (openai_tap, anthropic_tap))


def test_a_prompt_cache_key_is_read_like_any_text(router: Router, openai_tap: Tap) -> None:
    """Keys by which providers keep prompts are the caller's words: a private one keeps the request at home."""
    for name in ("prompt_cache_key", "safety_identifier", "user", "cache_salt"):
        body = {"model": "auto", "messages": [{"role": "user", "content": "hello"}], name: "joe.doe@firm.io"}
        answer = router.post(CHAT, body)
        assert (answer.status, answer.headers["x-localfleet-tier"]) == (200, "local"), name
    assert not openai_tap.posts()


def test_metrics_of_engines_stay_with_the_engines(router: Router, local_tap: Tap) -> None:
    """What an engine says on its own pages is not shown on ours, and no path leads to them."""
    canary = new_canary()
    local_tap.always_for_get(Behaviour(text=canary, headers={"x-engine": canary}))
    pages = (
        *("/metrics", "/v1/metrics", "/v1/../metrics", "/v1/models/../../metrics", "/v1/box/metrics", "/version"),
        *("/v1/load", "/v1/server_info", "/tokenize", "/v1/tokenize", "/collective_rpc", "/ping"),
    )
    for page in pages:
        answer = router.get(page)
        assert not traces(answer.everything, canary), page
        assert answer.status in ({200} if page == "/metrics" else {404, 405}), (page, answer.status)


def test_a_parameter_that_cannot_be_read_is_not_echoed(router: Router) -> None:
    """FastAPI's own 422 quotes the input; ours is a fixed sentence."""
    canary = new_canary()
    for page in (f"/api/receipts?limit={canary}", f"/api/summary?by={canary}", f"/api/summary?days={canary}"):
        answer = router.get(page)
        assert 400 <= answer.status < 500
        assert not traces(answer.everything, canary)
    assert clean(router.at_rest(), canary)


def test_no_temporary_file_holds_a_body(router: Router, openai_tap: Tap) -> None:
    """While large bodies are under way, in and out, nothing of them is on disk or in a deleted file that is open."""
    canary = new_canary()
    openai_tap.always(Behaviour(delay_s=0.6))
    text = f"{canary} " * 30_000
    with ThreadPoolExecutor(2) as callers:
        sent = [callers.submit(chat, router, text) for _ in range(2)]
        time.sleep(0.4)
        assert clean(router.at_rest(), canary)
        assert {one.result().status for one in sent} == {200}
    assert clean(router.at_rest(), canary)


def test_no_core_may_be_written(router: Router) -> None:
    """The limit of the running router, soft and hard, is nothing, although it was started where cores were allowed."""
    limits = Path(f"/proc/{router.pid}/limits").read_text(encoding="ascii")
    (line,) = [one for one in limits.splitlines() if one.startswith("Max core file size")]
    assert line.split()[4:6] == ["0", "0"]


def test_nobody_of_the_same_user_looks_into_the_router() -> None:
    """The process is not dumpable (prctl's PR_GET_DUMPABLE): no debugger, no crash reporter, no `/proc/PID/environ`."""
    code = (
        "import ctypes, resource\nfrom localfleet.run import shut_in\n"
        "before = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)\nshut_in()\n"
        "print(before, ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[0] == "1 0 (0, 0)"


@pytest.mark.slow
def test_keys_in_the_environment_open_no_door(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """A file with a box alone, the box down, a provider's key and address in the environment: nobody else is asked."""
    found = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": openai_tap.v1, "OPENAI_API_BASE": openai_tap.v1}
    local_tap.refuse()
    with Router.start(tmp_path, {"version": 1, "local": {"box": local_entry(local_tap)}}, env=found) as router:
        for model, status in (("auto", {502, 503}), ("gpt-4o-mini", {404}), ("openai/gpt-4o-mini", {404})):
            answer = router.post(CHAT, {"model": model, "messages": [{"role": "user", "content": "Hello."}]})
            assert answer.status in status, (model, answer.body)
    local_tap.listen()
    assert openai_tap.received() == b""
