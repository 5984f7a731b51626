"""At the porch: who may come in, with keys and without, and how often."""

from dataclasses import replace

import pytest

from localfleet.core.ask import Caller
from localfleet.core.label import Label
from localfleet.errors import BadAsk, NotPermitted, RateLimited, Unauthenticated
from localfleet.server.auth import Doorkeeper, bearer
from localfleet.server.headers import read_headers

ANYONE = Caller(key_id="anyone", name="anyone", default_label=Label.INTERNAL)
KEYED = Caller(key_id="k1", name="app", default_label=Label.RESTRICTED, requests_per_minute=2)


class Watch:
    """A clock that stands still unless told."""

    at = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.at


def keeper(*, keys: dict[str, Caller] | None = None, watch: Watch | None = None) -> Doorkeeper:
    """A doorkeeper over some keys; `None` for a router that never had any."""
    known = keys or {}
    return Doorkeeper(
        lookup=known.get, has_keys=lambda: keys is not None, anyone=ANYONE, monotonic=watch or Watch()
    )  # fmt: skip


HOSTS_HERE = [
    "localhost",
    "localhost:8080",
    "LOCALHOST:1",
    "localhost.",
    "127.0.0.1",
    "127.0.0.1:65535",
    "[::1]",
    "[::1]:80",
]
HOSTS_ELSEWHERE = [
    "", " ", "localhost.evil.com", "evil.localhost", "127.0.0.1.evil.com", "127.0.0.1:8080@evil", "evil@127.0.0.1",
    "user:pw@localhost",
    "localhost, evil.com", "evil.com, localhost", "localhost/evil", "localhost?x", "localhost#x", "localhost\\evil",
    "127.0.0.1:abc", "127.0.0.1:", "localhost:999999", "0.0.0.0", "127.1", "2130706433", "::1",
    "[::1", "[::1]x", "[::ffff:127.0.0.1]", "192.168.0.1",
    "example.org:8080", "localho\u017ft", "localhost\x00", "localhost\n",
]  # fmt: skip


@pytest.mark.parametrize("host", HOSTS_HERE)
def test_this_machine_needs_no_key_where_there_are_none(host: str) -> None:
    """By any of its own names."""
    assert keeper().admit({"host": host}) is ANYONE
    assert keeper().admit({"host": host, "origin": f"http://{host}"}) is ANYONE


@pytest.mark.parametrize("host", HOSTS_ELSEWHERE)
def test_another_host_is_refused(host: str) -> None:
    """A name that was bound to this address by somebody else, or one that only looks like ours."""
    with pytest.raises(NotPermitted):
        keeper().admit({"host": host})


def test_no_host_is_refused() -> None:
    """HTTP/1.0 may leave it out."""
    with pytest.raises(NotPermitted):
        keeper().admit({})


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.com", "null", "", "http://localhost", "http://localhost:3000", "http://localhost:8080.evil.com",
        "http://localhost:8080@evil.com", "http://[::1", "file://", "localhost:8080", "http://localhost:8080/",
        "http://localhost:8080, http://evil.com", "chrome-extension://localhost:8080", "http://127.0.0.1:8080",
    ],
)  # fmt: skip
def test_a_web_page_of_elsewhere_is_refused(origin: str) -> None:
    """Only the page that this router served itself may call it."""
    with pytest.raises(NotPermitted):
        keeper().admit({"host": "localhost:8080", "origin": origin})


def test_a_second_host_header_is_not_lost() -> None:
    """Both are read, so neither order passes."""
    for pair in ((b"localhost", b"evil.com"), (b"evil.com", b"localhost")):
        with pytest.raises(NotPermitted):
            keeper().admit(read_headers([(b"host", host) for host in pair]))


def test_headers_that_stand_twice() -> None:
    """Joined by a comma; our own are refused but for the label, of which the highest counts."""
    joined = read_headers([(b"A", b"1"), (b"a", b"2"), (b"x-localfleet-privacy", b"public")])
    assert joined == {"a": "1, 2", "x-localfleet-privacy": "public"}
    twice = [(b"x-localfleet-privacy", b"restricted"), (b"X-Localfleet-Privacy", b"public")]
    assert read_headers(twice) == {"x-localfleet-privacy": "restricted, public"}
    for name in (b"task", b"session", b"max-cost-usd", b"deadline-ms", b"priority"):
        with pytest.raises(BadAsk):
            read_headers([(b"x-localfleet-" + name, b"1"), (b"x-localfleet-" + name, b"1")])


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, None), ({"authorization": "Bearer lf_1"}, "lf_1"), ({"authorization": "bearer  lf_1 "}, "lf_1"),
        ({"x-api-key": "lf_2"}, "lf_2"), ({"authorization": "Basic x", "x-api-key": "lf_2"}, "lf_2"),
        ({"authorization": "Bearer lf_1", "x-api-key": "lf_2"}, "lf_1"), ({"authorization": "Bearer"}, None),
    ],
)  # fmt: skip
def test_where_the_key_stands(headers: dict[str, str], token: str | None) -> None:
    """As OpenAI's clients send it, or as Anthropic's do."""
    assert bearer(headers) == token


@pytest.mark.parametrize("headers", [{"authorization": "Bearer lf_1"}, {"x-api-key": "lf_1"}])
def test_a_known_key_comes_in_from_anywhere(headers: dict[str, str]) -> None:
    """With keys the host does not matter: the key does."""
    assert keeper(keys={"lf_1": KEYED}).admit({"host": "example.org", "origin": "http://a.b", **headers}) is KEYED


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer"}, {"authorization": "Bearer "}, {"x-api-key": ""}, {"x-api-key": "lf_9"},
                {"authorization": "Bearer lf_1, Bearer lf_1"}, {"authorization": "lf_1"}, {"x-api-key": "\xff\xfe"}],
)  # fmt: skip
def test_no_key_a_wrong_one_or_a_revoked_one(headers: dict[str, str]) -> None:
    """Also from this machine: once there are keys, everybody needs one."""
    with pytest.raises(Unauthenticated) as caught:
        keeper(keys={"lf_1": KEYED}).admit({"host": "localhost", **headers})
    assert "lf_9" not in caught.value.message


def test_where_all_keys_are_revoked_nobody_comes_in() -> None:
    """Revoking the last key does not open the router."""
    with pytest.raises(Unauthenticated):
        keeper(keys={}).admit({"host": "localhost"})


def test_the_rate_of_a_key() -> None:
    """Two at once, then one each half minute; others are not concerned; looking at pages does not count."""
    watch = Watch()
    other = Caller(key_id="k2", name="b", default_label=Label.PUBLIC)
    door = keeper(keys={"lf_1": KEYED, "lf_2": other}, watch=watch)
    assert [door.admit({"x-api-key": "lf_1"}) for _ in range(2)] == [KEYED, KEYED]
    with pytest.raises(RateLimited) as caught:
        door.admit({"x-api-key": "lf_1"})
    assert caught.value.retry_after_s == 31
    assert door.identify({"x-api-key": "lf_1"}) is KEYED
    assert door.admit({"x-api-key": "lf_2"}) is other
    watch.at = 31.0
    assert door.admit({"x-api-key": "lf_1"}) is KEYED


def test_a_key_that_used_its_tokens_waits() -> None:
    """The plan's tokens of a minute: an answer may overdraw them, the next request is told when to come back."""
    watch = Watch()
    caller = replace(ANYONE, key_id="k", tokens_per_minute=600)
    door = keeper(keys={"lf_a": caller}, watch=watch)
    headers = {"authorization": "Bearer lf_a"}
    assert door.admit(headers) is caller
    door.token_buckets["k"].spend(1000)
    with pytest.raises(RateLimited) as told:
        door.admit(headers)
    assert told.value.retry_after_s is not None
    assert 40 <= told.value.retry_after_s <= 42
    watch.at += 42
    assert door.admit(headers) is caller
