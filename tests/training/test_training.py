"""Training: what it learns, that the file says what the arrays say, and what it refuses."""

import json
import random
import re
import time
from collections.abc import Callable

import numpy as np
import pytest
from sums import lines, written

from localfleet.core.routing.scorer import Scorer, load, squashed
from localfleet.core.routing.shape import SHAPE
from localfleet.errors import FleetError
from localfleet.training.evaluate import held_out
from localfleet.training.file import bytes_of
from localfleet.training.fit import Fitted, facts_of, fitted
from localfleet.training.folds import by_group, by_luck
from localfleet.training.labelled import kept_features, read_labelled
from localfleet.training.measures import apgr
from localfleet.training.reports import choices, folded, gain_of, on_file
from localfleet.training.share import trained
from localfleet.training.table import Table, pair_of, tabled


@pytest.fixture(scope="module")
def table() -> Table:
    """Four hundred prompts of our own."""
    return tabled(read_labelled(lines(400, 1), name="sums"))


@pytest.fixture(scope="module")
def found(table: Table) -> Fitted:
    """A classifier trained on them."""
    return fitted(table, pair_of(table))


@pytest.fixture(scope="module")
def scorer(table: Table, found: Fitted) -> Scorer:
    """The same, written and read again."""
    return load(bytes_of(found, facts_of(table, found.pair)))


def test_sums_need_the_stronger_model(scorer: Scorer) -> None:
    """Prompts that it never saw are ordered as the models' answers would order them."""
    fresh = written(300, 2)
    gain = np.array([float(bool(one["strong"])) - float(bool(one["weak"])) for one in fresh])
    said = np.array([scorer.score(str(one["text"])).value for one in fresh])
    assert apgr(said, gain) > 0.65
    assert said.min() > 0
    assert said.max() < 1


def test_the_file_says_what_training_found(table: Table, found: Fitted, scorer: Scorer) -> None:
    """Weights of one byte move no need by more than a hundredth."""
    texts = [str(one["text"]) for one in written(400, 1)]
    read = np.array([scorer.score(text).gain for text in texts])
    assert np.abs(read - found.gain(table)).max() < 0.01
    assert {scorer.score(text).known for text in texts} == {True, False} or all(
        scorer.score(text).known for text in texts
    )
    assert scorer.models == ("weak", "strong")


def test_the_file_blends_as_training_measured(table: Table) -> None:
    """With measured shares, topics and kinds the value of every prompt is what the arrays say of it."""
    pair = pair_of(table)
    found = trained(table, pair)
    scorer = load(bytes_of(found, {}))
    read = [scorer.score(str(one["text"])).value for one in written(400, 1)]
    told = [squashed(need) for need in found.need(table).tolist()]
    assert np.abs(np.array(read) - np.array(told)).max() < 0.02
    chances = np.array([list(scorer.chances(str(one["text"])).values()) for one in written(400, 1)])
    assert np.abs(chances - found.chances(table)).max() < 0.01


def test_a_classifier_that_learned_nothing_orders_by_length() -> None:
    """Where outcomes have nothing to do with the words, the length keeps nearly all of its say."""
    chance = random.Random(8)
    rows = [{**one, "weak": chance.random() < 0.4, "strong": chance.random() < 0.8} for one in written(300, 5)]
    table = tabled(read_labelled([json.dumps(row).encode() for row in rows], name="luck"))
    found = trained(table, pair_of(table))
    assert found.blend.length_share > 0.8
    longer = np.argsort(table.shape[:, 0])[-60:]
    shorter = np.argsort(table.shape[:, 0])[:60]
    assert found.need(table)[longer].min() > found.need(table)[shorter].max()


def test_the_same_data_gives_the_same_file(table: Table, found: Fitted) -> None:
    """Nothing in training is left to luck."""
    again = fitted(table, pair_of(table))
    assert bytes_of(again, {}) == bytes_of(found, {})


def test_no_word_of_a_prompt_is_in_the_file(found: Fitted) -> None:
    """Features are kept, never text: not even one word of those prompts."""
    head = bytes_of(found, {}).partition(b"\n")[0].decode().lower()
    words = set(re.findall(r"[a-z]{4,}", " ".join(str(one["text"]) for one in written(400, 1)).lower()))
    allowed = set(re.findall("[a-z]+", " ".join(SHAPE)))
    assert not [word for word in words - allowed if f'"{word}"' in head]


def test_a_prompt_of_another_kind_is_not_known(scorer: Scorer) -> None:
    """Where nothing like it was trained on, it abstains, and the longer of two prompts counts as the harder one."""
    code = "def f(x):\n    return {x: [y_ for y_ in x]}\n" * 8
    short, long = scorer.score(code), scorer.score(code * 3)
    assert not short.known
    assert not long.known
    assert short.value < long.value


def test_known_shape_with_strange_words_is_not_known(scorer: Scorer) -> None:
    """A question in the same form about something else entirely: nothing that was learned is about it."""
    known = scorer.score("Which river runs through Oslo, and in which country is Lima?")
    strange = scorer.score("Welche Muskeln bewegen das Auge, und von welchem Nerv kommt Gefuehl?")
    assert known.known
    assert not strange.known


def test_it_is_fast(scorer: Scorer) -> None:
    """A long conversation's last turn takes milliseconds at most, a question much less (processor time)."""
    long = "Suppose that the function maps each integer to a prime. " * 300
    start = time.process_time()
    for _ in range(20):
        scorer.score(long)
    assert (time.process_time() - start) / 20 < 0.02


def test_features_train_as_text_does(table: Table) -> None:
    """What was kept in place of the text gives the same classifier, and holds no text."""
    kept = [json.dumps(one).encode() for one in kept_features(lines(400, 1), name="sums")]
    assert b"river" not in b"".join(kept)
    again = tabled(read_labelled(kept, name="kept"))
    assert np.allclose(again.shape, table.shape, atol=1e-5)
    assert (again.words.buckets == table.words.buckets).all()


def test_held_out_prompts_are_not_trained_on(table: Table) -> None:
    """Folds cover every prompt once; groups stay whole; what is said of them is better than chance, not perfect."""
    luck, groups = list(by_luck(table)), list(by_group(table))
    assert sorted(np.concatenate(luck)) == sorted(np.concatenate(groups)) == list(range(400))
    assert all(len({table.groups[at] for at in fold}) == 1 for fold in groups)
    said, known = held_out(table, pair_of(table), luck)
    assert known.mean() > 0.9
    assert 0.6 < apgr(said, gain_of(table, pair_of(table))) < 0.95


def test_a_report_holds_the_classifier_against_length_and_cue_words(table: Table) -> None:
    """One row for each router with an interval around its figure."""
    rows = folded(table.of(np.arange(200)), None, None)
    assert [row["router"] for row in rows] == ["keywords", "length", "classifier"]
    assert all(row["low"] < row["apgr"] < row["high"] for row in rows)


def test_an_operator_s_own_words_are_measured_beside_the_others(scorer: Scorer) -> None:
    """The level that they give each prompt is a router of its own; where a file declares none there is no such row."""
    said = {word: tabled(read_labelled(lines(200, 2), name="sums", levels=has(word))) for word in ("buys", "zebra")}
    rows = {word: {row["router"]: row for row in on_file(table, scorer, None, None)} for word, table in said.items()}
    assert list(rows["buys"]) == ["keywords", "your words", "length", "classifier"]
    assert rows["buys"]["your words"]["apgr"] > 0.6
    assert abs(rows["zebra"]["your words"]["apgr"] - 0.5) < 1e-9
    plain = on_file(tabled(read_labelled(lines(200, 2), name="sums")), scorer, None, None)
    assert [row["router"] for row in plain] == ["keywords", "length", "classifier"]


def has(word: str) -> Callable[[str], float]:
    """Level 4 where a word stands in the text, else 2."""
    return lambda text: 4.0 if word in text else 2.0


def test_scores_of_many_models_make_a_pair() -> None:
    """The best model is the strong one; the weak one is the cheapest where costs are known, else as named."""
    rows = [
        {"text": f"question {at}", "scores": {"a": at % 2, "b": 0.2, "c": 0.9}, "cost": {"a": 2, "b": 1, "c": 9}}
        for at in range(60)
    ]
    table = tabled(read_labelled([json.dumps(row).encode() for row in rows], name="many"))
    pair = pair_of(table)
    assert (table.models[pair.weak], table.models[pair.strong]) == ("b", "c")
    assert table.models[pair_of(table, weak="a").weak] == "a"
    with pytest.raises(FleetError, match="not better"):
        pair_of(table, weak="c", strong="a")
    with pytest.raises(FleetError, match="no model d"):
        pair_of(table, weak="d")


def test_many_models_make_a_choice() -> None:
    """Each of three models knows one kind; the likeliest beats the best single one, and a cheap choice saves."""
    chance = random.Random(4)
    kinds = {"a": "Where is the town of", "b": "Calculate the sum of the primes below", "c": "Translate the word for"}
    rows = []
    for at in range(240):
        own = chance.choice("abc")
        scores = {model: float(chance.random() < (0.9 if model == own else 0.3)) for model in "abc"}
        rows.append({"text": f"{kinds[own]} {at}?", "scores": scores, "cost": {"a": 0.001, "b": 0.002, "c": 0.01}})
    table = tabled(read_labelled([json.dumps(row).encode() for row in rows], name="three"))
    found = choices(table, pair_of(table))
    single, likeliest, oracle, lead = found["choice"]
    assert single["mean"] + 0.2 < likeliest["mean"] < oracle["mean"]
    assert lead["low"] > 0.1
    assert found["saving"]["saved"] > 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "x:1 is no JSON"),
        (b"[]", "no JSON object"),
        (b'{"weak": true, "strong": true}', "has no `text`"),
        (b'{"text": "a"}', "has no label"),
        (b'{"text": "a", "weak": "yes", "strong": true}', "has no label"),
        (b'{"text": "a", "weak": 3, "strong": 5}', "outside 0 to 1"),
        (b'{"features": {"shape": [1], "words": {}}, "weak": 0, "strong": 1}', "another release"),
    ],
)
def test_a_bad_line_is_named(line: bytes, says: str) -> None:
    """The error names file and line and what to do, never the text."""
    with pytest.raises(FleetError, match=re.escape(says)):
        list(read_labelled([line], name="x"))


def test_too_little_is_refused() -> None:
    """Fewer than fifty prompts train nothing."""
    with pytest.raises(FleetError, match="too few"):
        tabled(read_labelled(lines(49, 1), name="sums"))


@pytest.mark.parametrize("raw", [b"", b"{}", b"no\nfile", b'{"format": "other"}\n', b"\xff\n"])
def test_a_file_that_is_none_is_refused(raw: bytes) -> None:
    """Anything but a classifier is a ValueError."""
    with pytest.raises(ValueError, match=r"classifier|format|Expecting"):
        load(raw)
