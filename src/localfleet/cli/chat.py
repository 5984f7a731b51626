"""`chat`: talk to a running router in the terminal. Words stay in memory: no history file, nothing on disk."""

import http.client
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Self
from urllib.parse import SplitResult, urlsplit

import typer
from rich.console import Console
from rich.markup import escape

from localfleet.cli.parts import Config, Json
from localfleet.errors import FleetError
from localfleet.wire.sse import SseGarbled, SseSplitter

__all__ = ["chat_command"]

WAIT_S = 660.0
"""A little longer than the router lets its slowest engine think."""
LABELS = ("public", "internal", "restricted")
HELP = "/restricted /internal /public  /model NAME  /new  /quit; Ctrl-C stops an answer"
BARE = dict.fromkeys((*range(9), *range(11, 32), *range(127, 160)))
"""Control characters but tab and line feed: a model must not be able to steer the terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One answer and what the router said of its decision. `failed` is a sentence for the person, or `None`."""

    answer: str
    headers: dict[str, str]
    seconds: float
    failed: str | None = None
    stopped: bool = False

    def row(self) -> dict[str, Any]:
        """Plain values, as `--json` prints them."""
        said = {name: self.headers.get(f"x-localfleet-{name}") for name in ("model", "tier", "privacy", "reason")}
        return {"answer": self.answer, **said, "seconds": round(self.seconds, 3), "error": self.failed}


@dataclass(slots=True, kw_only=True)
class Talk:
    """A conversation with one router."""

    url: SplitResult
    key: str | None
    model: str
    label: str | None = None
    messages: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def at(cls, url: str, key: str | None, model: str) -> Self:
        """A new conversation; a URL that is none is misuse."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or not _is_port(parts):
            raise typer.BadParameter("the router's address, such as http://127.0.0.1:8080", param_hint="--url")
        if key is not None and not (key.isascii() and key.isprintable()):
            raise typer.BadParameter("a key is one word of plain characters", param_hint="--key")
        return cls(url=parts, key=key or None, model=model)

    def say(self, text: str, show: Callable[[str], None]) -> Turn:
        """Send `text` with all before it; each piece of the answer goes to `show` as it comes."""
        began = time.monotonic()
        pieces: list[str] = []
        headers: dict[str, str] = {}
        self.messages.append({"role": "user", "content": text})
        failed, stopped = None, False
        try:
            for piece in self._stream(headers):
                pieces.append(piece)
                show(piece)
        except KeyboardInterrupt:
            stopped = True
        except FleetError as exc:
            failed = exc.message
        answer = "".join(pieces)
        if answer:
            self.messages.append({"role": "assistant", "content": answer})
        else:
            self.messages.pop()
        return Turn(answer=answer, headers=headers, seconds=time.monotonic() - began, failed=failed, stopped=stopped)

    def _stream(self, headers: dict[str, str]) -> Iterator[str]:
        """The pieces of the answer; fills `headers` first. Raises `FleetError` for all that goes wrong."""
        connection = self._connection()
        try:
            connection.request("POST", _path(self.url), body=self._body(), headers=self._sent())
            response = connection.getresponse()
            headers.update((name.lower(), value) for name, value in response.getheaders())
            if response.status != 200:
                raise FleetError(_complaint(response.read(65_536), response.status))
            yield from _texts(response)
        except ConnectionRefusedError as exc:
            sentence = f"no router runs at {self.url.geturl()}; start one with `localfleet up`"
            raise FleetError(sentence) from exc
        except (OSError, http.client.HTTPException, SseGarbled) as exc:
            raise FleetError("the connection to the router broke; `localfleet doctor` tells what runs there") from exc
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
        return kind(self.url.hostname or "", self.url.port, timeout=WAIT_S)

    def _body(self) -> bytes:
        asked = {"model": self.model, "messages": self.messages, "stream": True}
        return json.dumps(asked).encode("utf-8")

    def _sent(self) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if self.key is not None:
            headers["authorization"] = f"Bearer {self.key}"
        if self.label is not None:
            headers["x-localfleet-privacy"] = self.label
        return headers


def chat_command(
    url: Annotated[str, typer.Option(help="The running router.")] = "http://127.0.0.1:8080",
    key: Annotated[
        str | None,
        typer.Option(envvar="LOCALFLEET_KEY", show_default=False, help="An API key; the variable keeps it private."),
    ] = None,
    model: Annotated[str, typer.Option(help="A model of models.yaml, `auto` or `local`.")] = "auto",
    once: Annotated[str | None, typer.Option("--once", metavar="TEXT", help="Print one answer and exit.")] = None,
    config: Config = "models.yaml",
    as_json: Json = False,
) -> None:
    """Talk to the fleet in the terminal, showing each decision."""
    talk = Talk.at(url, key, model)
    if once is not None:
        raise typer.Exit(_turn(talk, once, as_json=as_json))
    person = sys.stdin.isatty()
    if person:
        _notes().print(f"[dim]{escape(url)}, model {escape(model)}. {HELP}[/dim]")
    worst = 0
    for line in _typed() if person else _piped():
        text = line.strip()
        if text == "/quit":
            break
        if text.startswith("/"):
            worst = max(worst, _order(talk, text))
        elif text:
            worst = max(worst, _turn(talk, text, as_json=as_json))
    raise typer.Exit(0 if person else worst)


def _turn(talk: Talk, text: str, *, as_json: bool) -> int:
    """One message and its answer; 1 if it failed."""
    turn = talk.say(text, _silent if as_json else _show)
    if as_json:
        sys.stdout.write(json.dumps(turn.row()) + "\n")
        sys.stdout.flush()
        return int(turn.failed is not None)
    if turn.answer:
        _show("\n")
    notes = _notes()
    if turn.failed is not None:
        notes.print(turn.failed.translate(BARE), style="red", markup=False)
    if turn.stopped and not turn.answer:
        _show("\n")  # after the terminal's own ^C
    if turn.headers or turn.stopped:
        notes.print(_decision(turn), style="dim", markup=False)
    return int(turn.failed is not None)


def _decision(turn: Turn) -> str:
    row = turn.row()
    words = [row[name] or "-" for name in ("model", "tier", "privacy", "reason")]
    return f"[{' | '.join(words)} | {turn.seconds:.1f} s{' | stopped' if turn.stopped else ''}]"


def _order(talk: Talk, text: str) -> int:
    """A line that starts with a slash; 1 if it is none of ours."""
    word, _, rest = text[1:].partition(" ")
    if word in LABELS:
        talk.label = word
        said = f"from now on at least {word}; the router may only raise it"
    elif word == "model" and rest.strip():
        talk.model = rest.strip()
        said = f"model {talk.model}"
    elif word == "new":
        talk.messages.clear()
        said = "a new conversation"
    else:
        _notes().print(HELP, style="dim", markup=False)
        return 1
    _notes().print(said, style="dim", markup=False)
    return 0


def _typed() -> Iterator[str]:
    """Lines from a person, with editing; Ctrl-C clears the line, Ctrl-D ends."""
    import readline  # noqa: F401, PLC0415  # gives input() its editing; its history is in memory only

    while True:
        try:
            yield input("> ")
        except KeyboardInterrupt:
            sys.stderr.write("\n")
        except EOFError:
            sys.stderr.write("\n")
            return


def _piped() -> Iterator[str]:
    """Lines of a script; bytes that are no UTF-8 become replacement characters."""
    return (line.decode("utf-8", "replace") for line in sys.stdin.buffer)


def _show(piece: str) -> None:
    sys.stdout.write(piece.translate(BARE))
    sys.stdout.flush()


def _silent(_: str) -> None:
    """Nothing is shown while an answer comes that is printed whole."""


def _notes() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def _is_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _path(url: SplitResult) -> str:
    return url.path.rstrip("/").removesuffix("/v1") + "/v1/chat/completions"


def _complaint(body: bytes, status: int) -> str:
    """The router's own sentence, or one for whoever else answered."""
    try:
        message = json.loads(body)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return f"what answered with status {status} is no localfleet router; `localfleet doctor` tells what runs there"
    return str(message)


def _texts(response: http.client.HTTPResponse) -> Iterator[str]:
    splitter = SseSplitter()
    whole = False
    while data := response.read1(65_536):
        for event in splitter.feed(data):
            if event.data == b"[DONE]":
                whole = True
            elif event.data:
                yield _text(event.data)
    if not whole:
        raise FleetError("the answer was cut off; ask again")


def _text(data: bytes) -> str:
    """The text in one event of a stream; raises `FleetError` for an error in its place."""
    try:
        event = json.loads(data)
        if "error" in event:
            raise FleetError(str(event["error"]["message"]))
        return "".join(choice["delta"].get("content") or "" for choice in event["choices"])
    except (ValueError, LookupError, TypeError, AttributeError) as exc:
        raise FleetError("what answered is no localfleet router; `localfleet doctor` tells what runs there") from exc
