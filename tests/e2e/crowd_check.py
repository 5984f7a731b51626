"""What is wrong with a wave of the crowd, and with what both routers left behind: sentences, none if all is well."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from crowd_cases import Dealt, House, Way
from crowd_rig import HOSTED, Crowd, Wave, pages
from crowd_words import Family, Words
from router import Response

__all__ = ["Control", "left_behind", "problems"]


def problems(wave: Wave, words: Words) -> list[str]:
    """Everything that must not be."""
    cases = {told.dealt.number: told.dealt for told in wave.told}
    return [*_at_taps(wave, words, cases), *_bytes_by_id(wave), *_in_answers(wave, words), *_decided(wave)]


def _at_taps(wave: Wave, words: Words, cases: Mapping[int, Dealt]) -> Iterator[str]:
    for name in (*HOSTED, "search"):
        yield from _named(wave.received[name], words, cases, f"LEAK: at {name}", Family.HOME, Family.HEAD)
    yield from _named(wave.received["local"], words, cases, "at the local engine", Family.HEAD)
    if wave.elsewhere:
        yield f"LEAK: {wave.elsewhere} bytes reached a host that no model names"


def _named(data: bytes, words: Words, cases: Mapping[int, Dealt], where: str, *families: Family) -> Iterator[str]:
    for family, spellings in words.found(data, *families).items():
        who = [cases[number].title for number in words.who(data, family)[:3] if number in cases]
        yield f"{where}: words of {family}, {spellings[:4]}: {who}"


def _bytes_by_id(wave: Wave) -> Iterator[str]:
    """A restricted request has no request of its own at a hosted tap, whatever it holds."""
    for told in wave.told:
        if told.dealt.stays and wave.posts[told.request_id] and told.request_id:
            yield f"LEAK: a request with bytes of a restricted one reached a hosted tap: {told.dealt.title}"


def _in_answers(wave: Wave, words: Words) -> Iterator[str]:
    """One search over all answers together; only where it finds something is it looked for whose it is."""
    answers = [(told.dealt, answer) for told in wave.told for answer in told.answers]
    for part, reads in (("header", _head), ("answer", _quiet_body)):
        data = [(dealt, reads(dealt, answer)) for dealt, answer in answers]
        if words.found(b"\n\n".join(one for _, one in data)):
            for dealt, one in data:
                for sentence in words.told(one):
                    yield f"in the {part} of {dealt.title}: {sentence}"


def _head(_: Dealt, answer: Response) -> bytes:
    return "\r\n".join(f"{name}: {value}" for name, value in answer.headers.items()).encode("latin-1")


def _quiet_body(dealt: Dealt, answer: Response) -> bytes:
    """The body, where no answer may hold the word: a good answer may repeat the names of tools and properties."""
    return b"" if dealt.case.field.answered and answer.status == 200 else answer.body


def _decided(wave: Wave) -> Iterator[str]:
    for told in wave.told:
        answer = told.answer
        if answer.status == 500 or answer.headers.get("x-localfleet-reason") == "internal_error":
            yield f"localfleet failed inside: {told.dealt.title}"
        decided = (answer.headers.get("x-localfleet-tier"), answer.headers.get("x-localfleet-privacy"))
        binds = answer.status == 200 and told.dealt.stays and told.dealt.way is not Way.BATCH
        if binds and decided != ("local", "restricted"):
            yield f"a restricted request was answered as {decided}: {told.dealt.title}"


@dataclass(slots=True)
class Control:
    """What did leave, without which an empty tap means nothing: numbers of cases by way, API and router."""

    free: Counter[str] = field(default_factory=Counter)
    redacted: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    requests: int = 0
    posts: int = 0
    sought: int = 0
    """Queries of a search endpoint that held a word which may leave."""

    def note(self, wave: Wave, words: Words) -> None:
        """Count one wave."""
        left = {number for name in HOSTED for number in words.who(wave.received[name], Family.FREE)}
        self.sought += len(words.who(wave.received["search"], Family.FREE))
        for told in wave.told:
            self.requests += len(told.answers)
            self.statuses[told.answer.status] += 1
            dealt = told.dealt
            if dealt.number in left:
                self.free.update((dealt.way, dealt.case.api))
            if dealt.house is House.REDACTS and dealt.family is Family.HOME and wave.posts[told.request_id]:
                self.redacted.update((dealt.way, dealt.case.api))
        self.posts += wave.posts.total()


def left_behind(crowd: Crowd, commands: Sequence[Sequence[str]] = ()) -> list[str]:
    """Words of any family in what the routers wrote, print or show: files, output, process, metrics, pages, reports."""
    found = [f"LEFT BEHIND in spans: {said}" for said in crowd.words.told(crowd.collector.all())]
    for house, router in crowd.routers.items():
        places = dict(router.at_rest())
        if router.alive():
            places |= dict(pages(crowd, house))
        for command in commands:
            done = router.run(*command)
            places[f"`localfleet {' '.join(command)}`"] = done.stdout + done.stderr
        found += [
            f"LEFT BEHIND in {house}, {name}: {said}"
            for name, data in places.items()
            for said in crowd.words.told(data)
        ]
    return found
