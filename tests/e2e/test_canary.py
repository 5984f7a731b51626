"""The canary generator plants what it says where it says, and the search finds a canary whatever was done to it."""

import base64
import codecs
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from canary import new_canary, traces
from canary_cases import FIELDS, PATHS, Case, sources_for
from canary_fields import Field, Place, escaped
from canary_sources import EVIDENCE, SECTIONS, Source
from canary_strategies import cases
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from process import Tap
from router import Router
from tap_behaviour import Behaviour
from tap_fleet import fleet
from wire_explore import CALM

from localfleet.config import parse_settings
from localfleet.core.ask import WORDLESS, Api


def in_chunks(data: bytes, size: int) -> bytes:
    """The bytes as HTTP's chunked framing sends them."""
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


DISGUISES: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "lower": lambda text: text.lower().encode(),
    "cut at the end": lambda text: text[:-6].encode(),
    "cut at the start": lambda text: text[-12:].encode(),
    "json escapes": lambda text: escaped(text).encode(),
    "percent": lambda text: "".join(f"%{ord(letter):02X}" for letter in text).encode(),
    "hex": lambda text: text.encode().hex().upper().encode(),
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16 big": lambda text: text.encode("utf-16-be"),
    "reversed": lambda text: text[::-1].encode(),
    "gzip": lambda text: b"junk" + gzip.compress(text.encode()),
    "zlib": lambda text: b"junk" + zlib.compress(text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, one off": lambda text: base64.b64encode(b"x" + text.encode()),
    "base64, two off": lambda text: base64.b64encode(b"xy" + text.encode()),
    "base64 url": lambda text: base64.urlsafe_b64encode(b"{" + text.lower().encode() + b"}"),
    "base32": lambda text: base64.b32encode(text.encode()),
    "base32, three off": lambda text: base64.b32encode(b"xyz" + text.lower().encode()),
    "json escapes in utf-16": lambda text: escaped(text).encode("utf-16"),
    "json in json": lambda text: json.dumps(escaped(text)).encode(),
    "json in json in json": lambda text: json.dumps(json.dumps(escaped(text))).encode(),
    "percent twice": lambda text: "".join(f"%25{ord(letter):02X}" for letter in text).encode(),
    "python escapes": lambda text: "".join(f"\\x{ord(letter):02x}" for letter in text).encode(),
    "octal escapes": lambda text: "".join(f"\\{ord(letter):03o}" for letter in text).encode(),
    "entities": lambda text: "".join(f"&#{ord(letter)};" for letter in text).encode(),
    "quoted printable": lambda text: "".join(f"={ord(letter):02X}" for letter in text.lower()).encode(),
    "hex dump": lambda text: text.encode().hex(" ").encode(),
    "rot13": lambda text: codecs.encode(text, "rot13").encode(),
    "utf-32": lambda text: text.encode("utf-32"),
    "swapped case": lambda text: (text[:7] + text[7:].swapcase()).encode(),
    "in chunks": lambda text: in_chunks(text.encode(), 3),
    "gzip in chunks": lambda text: in_chunks(gzip.compress(text.encode()), 16),
    "base64 of utf-16": lambda text: base64.b64encode(text.encode("utf-16")),
}


def case(api: Api, field: Field, source: Source = Source.NONE, *, hidden: bool = False) -> Case:
    """A case without faults."""
    return Case(
        api=api,
        field=field,
        source=source,
        model="auto",
        stream=False,
        escaped=hidden,
        first=False,
        lowering=False,
        faults={},
        down=frozenset(),
        lasting=False,
        leave_after_bytes=None,
    )


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_canary_is_found_in_every_disguise(disguise: str) -> None:
    """Each spelling is found inside other bytes, and only for its own canary."""
    for _ in range(20):
        canary = new_canary()
        hidden = b"before " + DISGUISES[disguise](canary) + b" after"
        assert traces(hidden, canary)
        assert not traces(hidden, new_canary())


def test_clean_bytes_have_no_trace() -> None:
    """Random-looking bytes are clean: fragments are long enough never to meet by chance."""
    noise = b"".join(base64.b64encode(bytes([number % 251] * 7)) for number in range(5000)) + b"CANARY"
    assert traces(noise, new_canary()) == []


@pytest.mark.parametrize("api", [*Api])
def test_every_field_is_planted(api: Api) -> None:
    """Each place really holds the canary, plain and with every letter escaped, and the JSON says the same."""
    for field in FIELDS[api]:
        canary = new_canary()
        plain = case(api, field).request(canary)
        hidden = case(api, field, hidden=True).request(canary)
        assert traces(plain.everything, canary), field.name
        assert traces(hidden.everything, canary), field.name
        if field.place is not Place.BODY:
            assert not traces(plain.body, canary), field.name
        elif not field.raw:
            assert json.loads(plain.body) == json.loads(hidden.body), field.name
            assert traces(json.dumps(json.loads(plain.body)).encode(), canary), field.name


def test_field_names_are_unique() -> None:
    """A name in a failure message points to one place."""
    for fields in FIELDS.values():
        names = [field.name for field in fields]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("api", [*Api])
def test_every_source_reaches_every_api_it_can(api: Api) -> None:
    """Each source applies to most fields of an API, or by its nature to none of that API."""
    counts = {source: sum(source in sources_for(api, field) for field in FIELDS[api]) for source in Source}
    few = {source for source, number in counts.items() if number < 0.75 * len(FIELDS[api])}
    no_turns = {Source.CONVERSATION, Source.PICTURE}
    expected = {Source.PREVIOUS_RESPONSE} if api is not Api.RESPONSES else set[Source]()
    assert few == expected | (no_turns if api in {Api.COMPLETION, *WORDLESS} else set())


@pytest.mark.slow
@pytest.mark.parametrize("source", [*Source])
def test_a_source_says_so_on_the_wire(source: Source) -> None:
    """With a source the bytes differ from those without it, and the canary is still there."""
    canary = new_canary()
    for api in Api:
        for field in FIELDS[api]:
            if source is Source.NONE or source not in sources_for(api, field):
                continue
            one = case(api, field, source)
            wire, bare = one.request(canary, {"id": "resp_1"}), case(api, field).request(canary)
            assert one.restricted
            assert (wire.headers, wire.body, wire.key) != (bare.headers, bare.body, bare.key)
            assert traces(wire.everything, canary)
            if source in EVIDENCE and not field.raw:
                assert EVIDENCE[source] in json.dumps(json.loads(wire.body), ensure_ascii=False).replace("\\n", "\n")


def test_the_past_is_labelled_and_the_present_is_not() -> None:
    """Session, conversation and response cases say `restricted` once, in the earlier request only."""
    canary = new_canary()
    for source in (Source.SESSION, Source.CONVERSATION, Source.PREVIOUS_RESPONSE):
        one = case(Api.RESPONSES, FIELDS[Api.RESPONSES][0], source)
        before = one.before(canary)
        assert before is not None
        assert ("x-localfleet-privacy", "restricted") in before.headers
        wire = one.request(canary, {"id": "resp_7", "output": [{"content": [{"text": "Paris."}]}]})
        assert b"restricted" not in wire.everything
    assert json.loads(wire.body)["previous_response_id"] == "resp_7"


def test_a_follow_up_repeats_the_conversation() -> None:
    """The next turn of a conversation starts with exactly the turns before it."""
    one = case(Api.CHAT, FIELDS[Api.CHAT][0], Source.CONVERSATION)
    canary = new_canary()
    before = one.before(canary)
    assert before is not None
    answer = {"choices": [{"message": {"content": "Paris."}}]}
    first: Any = json.loads(before.body)["messages"]
    then: Any = json.loads(one.request(canary, answer).body)["messages"]
    assert then[: len(first)] == first
    assert then[len(first)] == {"role": "assistant", "content": "Paris."}


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_any_case_can_be_built(one: Case) -> None:
    """Drawn cases make requests with every one of their canaries, and scripts that a tap understands."""
    canary = new_canary()
    sent = one.request(canary).everything
    assert [field.name for field, word in one.planted(canary) if not traces(sent, word)] == []
    assert one.title
    for name in one.faults:
        for behaviour in one.script(name, elsewhere="http://127.0.0.1:9/", text="hello"):
            assert Behaviour.read(json.loads(json.dumps(behaviour.written()))) == behaviour


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_leak_would_be_seen(openai_tap: Tap, data: st.DataObject) -> None:
    """Sent straight to a tap, as a broken router would, any case leaves its canaries in the tap's recording."""
    one, canary = data.draw(cases()), new_canary()
    wire = one.request(canary)
    router = Router(openai_tap.folder, (), {}, openai_tap.port)
    openai_tap.reset()
    router.send("POST", quote(wire.path, safe="/?=%"), wire.body, wire.headers)
    received = openai_tap.received()
    assert [field.name for field, word in one.planted(canary) if not traces(received, word)] == []


def test_a_seed_repeats_its_cases() -> None:
    """A failure that names its seed can be had again: the same seed draws the same cases, another one others."""

    def drawn(number: int) -> list[str]:
        seen: list[str] = []

        @seed(number)
        @settings(CALM, max_examples=30)
        @given(cases())
        def note(one: Case) -> None:
            seen.append(one.title)

        note()
        return seen

    first = drawn(7)
    assert first == drawn(7)
    assert first != drawn(8)


def test_the_sections_are_valid(local_tap: Tap, openai_tap: Tap, anthropic_tap: Tap) -> None:
    """The rules and tasks that the sources need pass the router's own check."""
    settings_ = fleet(local=local_tap, openai=openai_tap, anthropic=anthropic_tap, **SECTIONS)
    checked = parse_settings(json.dumps(settings_).encode())
    assert {rule.name for rule in checked.privacy.rules} == {"bluebird", "case_number", "legal"}
    assert set(PATHS) == set(Api)
