"""
How long a decision takes with everything on, for a conversation of 4,000 tokens, on one core (processor time).

    python bench/decision.py        # writes bench/decision/DATE-COMMIT.json, prints it

Measured are the parts of the context, the signals of difficulty, the task by words and by kind, the standard strategies
and the law, as the router and `localfleet explain` build them from a `models.yaml`; then the same with a trained
classifier, for a conversation of 19 turns and for one turn that holds all 4,000 tokens. What reads for the law
(`bench/redaction_quality.py`) is not in it.
"""

import json
import random
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from machine import commit, machine

from localfleet.catalogue import anyone, build_models, build_policy
from localfleet.config import parse_settings
from localfleet.core.ask import Api
from localfleet.core.fleet import Fleet
from localfleet.core.label import Label, Verdict
from localfleet.core.policy import decide
from localfleet.explain import READY
from localfleet.price_map import read_price_map
from localfleet.steering import moment_of
from localfleet.strategies import build_finder, build_table
from localfleet.training.file import bytes_of
from localfleet.training.labelled import read_labelled
from localfleet.training.share import trained
from localfleet.training.table import pair_of, tabled
from localfleet.wire.read import Letter, read_ask

OUT = Path(__file__).resolve().parent / "decision"
ROUNDS = 1000
WORDS = ("some", "words", "of", "a", "conversation", "about", "a", "contract", "and", "its", "12", "clauses")
FILE = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")


def conversation(turns: int) -> list[dict[str, str]]:
    """16,000 letters, which are about 4,000 tokens, in so many turns."""
    chance, each = random.Random(0), 16_000 // turns
    said = (" ".join(chance.choice(WORDS) for _ in range(each // 5))[:each] for _ in range(turns))
    return [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(said)]


def classifier(folder: Path) -> Path:
    """A classifier of the usual size, trained on drawn sums and places; what it learns does not matter here."""
    chance, file = random.Random(1), folder / "routing.model"
    lines = (
        json.dumps(
            {
                "text": " ".join(
                    chance.choice(WORDS) + str(chance.randint(0, 400)) for _ in range(chance.randint(5, 90))
                ),
                "weak": chance.random() < 0.6,
                "strong": chance.random() < 0.8,
            }
        ).encode()
        for _ in range(1500)
    )
    table = tabled(read_labelled(lines, name="drawn"))
    file.write_bytes(bytes_of(trained(table, pair_of(table)), {}))
    return file


def median_us(text: str, letter_turns: int) -> float:
    """The median of so many decisions, in microseconds of processor time."""
    settings = parse_settings(text.encode())
    models = build_models(settings, read_price_map(), datetime.now(UTC).date())
    table, finder = build_table(settings), build_finder(settings)
    policy = build_policy(settings, table)
    states = {model.name: READY for model in models}
    body = {"model": "auto", "messages": conversation(letter_turns)}
    letter: Letter = read_ask(
        body, api=Api.CHAT, headers={}, caller=anyone(settings), request_id="r", size=16_000
    )  # fmt: skip
    if table is None or finder is None:
        raise SystemExit("the file names strategies and infers tasks; one of them was not built")
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        finder.find(letter)
        moment = table.judged(letter.ask, moment_of(letter))
        decide(letter.ask, Verdict(label=Label.PUBLIC), Fleet(models=models, states=states, moment=moment), policy)
        taken.append(time.process_time_ns() - began)
    return sorted(taken)[ROUNDS // 2] / 1000


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as folder:
        with_one = FILE + f"    classifier: {{file: {classifier(Path(folder))}, threshold: 0.5}}\n"
        found = {
            "without_classifier_us": median_us(FILE, 19),
            "with_classifier_us": median_us(with_one, 19),
            "with_classifier_one_turn_us": median_us(with_one, 1),
        }
    result = {**commit(), "machine": machine(), "median": found}
    OUT.mkdir(exist_ok=True)
    file = OUT / f"{result['machine']['date'][:10]}-{result['commit'][:7]}.json"
    file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found), file)


if __name__ == "__main__":
    main()
