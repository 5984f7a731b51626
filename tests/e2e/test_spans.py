"""Spans of a running router: a real collector on a socket, words in every place, and not one of them in a span."""

import json
import secrets
from pathlib import Path

from canary_cases import FIELDS, PATHS
from canary_deck import plain_case
from canary_fields import Place
from canary_sources import SECTIONS, Source
from collector import collecting
from process import Tap
from router import Router
from tap_fleet import local_entry, openai_entry

from localfleet.core.ask import Api

CHAT = "/v1/chat/completions"


def test_spans_of_real_requests_hold_no_words(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """Words in every field of every API, restricted or not, answered or refused: each has its span, and none a word."""
    with collecting() as collector:
        facts = {
            "version": 1,
            "local": {"box": local_entry(local_tap)},
            "hosted": {"mini": openai_entry(openai_tap)},
            **SECTIONS,
            "tasks": {"payroll": SECTIONS["tasks"]["payroll"]},
            "traces": {"url": collector.url, "every_s": 0.1, "headers_env": "SPANS"},
        }
        word = f"Zq{secrets.token_hex(6)}"
        with Router.start(tmp_path, facts, env={"SPANS": "authorization=Basic%20abc"}) as router:
            sent = 0
            for api in Api:
                for number, field in enumerate(FIELDS[api]):
                    if field.place is Place.PATH or field.raw:
                        continue
                    source = Source.HEADER if number % 3 == 0 else Source.NONE
                    wire = plain_case(api, field.name, source).request(word)
                    router.send("POST", wire.path, wire.body, wire.headers)
                    sent += 1
            router.post(CHAT, {"model": word, "messages": [{"role": "user", "content": word}]}, {"traceparent": word})
            lost = router.post(PATHS[Api.CHAT], {"model": "mini", "messages": [{"role": "user", "content": word}]})
            ours = lost.headers["x-localfleet-request-id"]
            counted = sum(
                float(line.rpartition(" ")[2])
                for line in router.get("/metrics").body.decode().splitlines()
                if line.startswith("localfleet_requests_total{")
            )
            spans = collector.wait_for(int(counted))
            assert router.stop() == 0
        assert counted > sent / 2
        assert len(spans) == counted
        assert {span.attributes["localfleet.label"] for span in spans} >= {"internal", "restricted"}
        assert [span.name for span in spans if span.attributes.get("localfleet.request_id") == ours] == ["chat mini"]
        assert all(
            "localfleet.key" not in s.attributes for s in spans if s.attributes["localfleet.label"] == "restricted"
        )
        everything = collector.all().lower()
        assert word.lower().encode() not in everything
        assert all(text.lower().encode() not in everything for text in ("capital", "France"))
        assert {head["authorization"] for head in collector.heads} == {"Basic abc"}
        shown = json.loads(router.run("check", "--paths", "--json").stdout)
        rows = [row for row in shown["without_text"] if row["kind"] == "exporter"]
        assert [(row["path"], collector.url.split("/")[2]) for row in rows] == [("traces.url", rows[0]["host"])]


def test_a_collector_that_is_gone_costs_nobody_anything(tmp_path: Path, local_tap: Tap, openai_tap: Tap) -> None:
    """Requests are answered, the loss is in `/metrics` and a sentence in the log, and the router ends in time."""
    facts = {
        "version": 1,
        "local": {"box": local_entry(local_tap)},
        "hosted": {"mini": openai_entry(openai_tap)},
        "traces": {"url": "http://127.0.0.1:1/v1/traces", "every_s": 0.1, "most_waiting": 2},
    }
    with Router.start(tmp_path, facts) as router:
        for _ in range(5):
            asked = {"model": "mini", "messages": [{"role": "user", "content": "Name a river."}]}
            assert router.post(CHAT, asked).status == 200
        page = router.get("/metrics").body.decode()
        assert 'localfleet_spans_total{became="dropped"} 3.0' in page
        assert router.stop() == 0
        assert router.output().count(b"Spans do not reach the collector") == 1
