#!/usr/bin/env python3
"""
Write fresh labelled prompts, to measure the detectors on what they were not made with.

    .venv/bin/python bench/fresh_prompts.py [--seed N] [--many N] > fresh.jsonl
    .venv/bin/localfleet privacy evaluate fresh.jsonl

Another method than that of scripts/train_meaning.py: no whole sentences to fill, but stories put together from clauses
(who, what happened, since when, what is asked), and records (forms, mails, logs, tables) around values made anew with
their checksums. Each private thing has its general twin about the same matter. CC0.
"""

import argparse
import base64
import json
import random
import sys
from collections.abc import Callable

Maker = Callable[[random.Random], tuple[str, str]]

FIRST = [
    "Oskar",
    "Lidia",
    "Bertrand",
    "Noor",
    "Ewa",
    "Tobias",
    "Camille",
    "Renzo",
    "Isolde",
    "Kwame",
    "Mirela",
    "Anselm",
    "Yara",
    "Dmitri",
    "Solveig",
    "Paloma",
]
LAST = [
    "Hartwell",
    "Zielinski",
    "Oduya",
    "Brandão",
    "Castellani",
    "Vermeulen",
    "Achterberg",
    "Quispe",
    "Ferreira",
    "Lindholm",
    "Szabo",
    "Mulder",
    "Okonjo",
]
ILLS = (
    "kidney stones|gestational diabetes|a stroke|panic disorder|ulcerative colitis|a torn ligament|"
    "chlamydia|anorexia|gout"
)
DRUGS = "citalopram|atorvastatin|omeprazole|clonazepam|semaglutide|ramipril|quetiapine|hydrocodone"
PEOPLE = (
    "my cousin|my stepdad|my neighbour Carla|my flatmate|my grandson|my ex|my business partner|our nanny|my godmother"
)
STAFF = (
    "one of my technicians|our receptionist|the apprentice on my shift|a nurse on our ward|my deputy|"
    "our junior accountant"
)
SINCE = (
    "since Easter|for about six weeks now|the day before yesterday|back in the autumn|right after our move|ever since"
)
WANT = (
    "Please help me put it into words.|How would you reply?|Is there anything I can still do?|"
    "I'd like a calm, short text.|What happens next?|Should I mention it to anyone?|Draft it for me.|"
    "Which questions should I ask them?"
)
OWN = (
    "our forecast for the spring collection|the draft of our tender|"
    "our warehouse robot's control loop|our churn dashboard|the minutes of our works council|"
    "our supplier price list|our beta firmware|the schema of our claims database|"
    "our bid for the hospital contract|the root password policy on our bastion host|"
    "our grading rubric for the pilot customers"
)
MATTERS = (
    "kidney stones|panic disorder|a stroke|gout|a second mortgage|wage garnishment|probate|"
    "small claims court|parental leave|whistleblowing|school refusal|two-factor authentication|"
    "warehouse robots|firmware updates|churn|tenders|works councils"
)


def of(rng: random.Random, words: str) -> str:
    """One of several phrases."""
    return rng.choice(words.split("|"))


def person(rng: random.Random) -> str:
    """A name."""
    return f"{rng.choice(FIRST)} {rng.choice(LAST)}"


def luhn(rng: random.Random, start: str, length: int) -> str:
    """A number with a good last digit."""
    body = start + "".join(str(rng.randrange(10)) for _ in range(length - len(start) - 1))
    total = sum(d if i % 2 else (d * 2 if d < 5 else d * 2 - 9) for i, d in enumerate(map(int, reversed(body))))
    return body + str(-total % 10)


def card(rng: random.Random) -> str:
    """A card number, written in one of several ways."""
    number = luhn(rng, rng.choice(["4", "53", "55"]), 16)
    return rng.choice(["", " ", "-"]).join(number[i : i + 4] for i in range(0, 16, 4))


def mail(rng: random.Random) -> str:
    """A mail address."""
    host = rng.choice(["posteo.de", "fastmail.com", "hartwell.co.uk", "wanadoo.fr", "zielinski.pl"])
    name = f"{rng.choice(FIRST)}{rng.choice(['.', '_', ''])}{rng.choice(LAST)}".lower()
    return f"{name}@{host}".encode("ascii", "ignore").decode()


def phone(rng: random.Random) -> str:
    """A telephone number of one of several countries."""
    d = "".join(str(rng.randrange(10)) for _ in range(8))
    return rng.choice(
        [
            f"+49 171 {d[:7]}",
            f"+33 6 {d[:2]} {d[2:4]} {d[4:6]} {d[6:]}",
            f"(415) {d[:1]}62-{d[1:5]}",
            f"+44 7700 {d[:6]}",
        ]
    )


def secret(rng: random.Random) -> str:
    """A credential in a documented shape."""
    chars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    rand = lambda n: "".join(rng.choice(chars) for _ in range(n))  # noqa: E731  # said three times below
    return rng.choice(
        [f"ghp_{rand(36)}", f"sk_live_{rand(28)}", f"xoxb-{rng.randrange(10**11, 10**12)}-{rand(24)}", f"hf_{rand(34)}"]
    )


def story(rng: random.Random) -> tuple[str, str]:
    """Somebody's own affairs."""
    who = rng.choice(["I", of(rng, PEOPLE), of(rng, PEOPLE)])
    have = "have" if who == "I" else "has"
    what = rng.choice(
        [
            f"{have} been treated for {of(rng, ILLS)}",
            f"{have} been on {of(rng, DRUGS)}",
            f"{have} owed the bank {rng.randrange(4, 90)} thousand",
            f"{have} been summoned by the police",
            f"{have} lost the custody hearing",
            f"{have} been drinking again",
            f"{have} hidden the debts from me",
        ]
    )
    text = f"{who} {what} {of(rng, SINCE)}. {of(rng, WANT)}"
    return "story", text[0].upper() + text[1:]


def staff(rng: random.Random) -> tuple[str, str]:
    """Somebody's employee."""
    what = rng.choice(
        [f"signed off sick with {of(rng, ILLS)}", "was caught falsifying timesheets", "asked for a raise of 9 percent"]
    )
    return "staff", f"{of(rng, STAFF)} {what} {of(rng, SINCE)}. {of(rng, WANT)}".capitalize()


def own(rng: random.Random) -> tuple[str, str]:
    """A company's own affairs."""
    verb = rng.choice(
        ["Tidy up", "Have a look at", "Poke holes in", "Make slides from", "What is wrong with", "Shorten"]
    )
    return "own", f"{verb} {of(rng, OWN)}{rng.choice(['', ' before Thursday', ', two pages at most'])}."


def record(rng: random.Random) -> tuple[str, str]:
    """A form, mail, table or log around a value."""
    who, reach = person(rng), rng.choice([mail, phone, card])(rng)
    first, _, last = who.partition(" ")
    shapes = [
        json.dumps({"first": first, "last": last, "reach": reach}, ensure_ascii=False),
        f"<contact><n>{who}</n><c>{reach}</c></contact>",
        f"id;name;contact\n1;{who};{reach}",
        f"2026-03-02 11:04:51 WARN callback user={who!r} to={reach}",
        f"Subject: your visit\n\nDear {who},\nwe tried to reach you at {reach}.\nBest, the front desk",
    ]
    asked = rng.choice(
        ["Turn this into a table: ", "Fix the grammar:\n", "Parse this:\n", "Why does my script choke on this?\n"]
    )
    return "record", asked + rng.choice(shapes)


def dressed(rng: random.Random) -> tuple[str, str]:
    """A value in disguise."""
    value = rng.choice([mail, card])(rng)
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    spoken = " ".join(names[int(c)] for c in card(rng) if c.isdigit())
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in card(rng))
    forms = [
        "decode " + base64.b64encode(value.encode()).decode(),
        f"the card reads {spoken}, book it",
        f"card: {wide}",
        f"see ?user={mail(rng).replace('@', '%40')}&lang=en",
        mail(rng).replace("@", " (at) ").replace(".", " dot "),
    ]
    return "dressed", rng.choice(forms)


def leak(rng: random.Random) -> tuple[str, str]:
    """A credential in something pasted."""
    token = secret(rng)
    forms = [
        f"deploy fails:\nTOKEN={token}\nmake ship",
        f"why 403? requests.get(u, headers={{'X-Auth': '{token}'}})",
        f"rotate {token} please",
    ]
    return "leak", rng.choice(forms)


def letter(rng: random.Random) -> tuple[str, str]:
    """A named private person."""
    who = person(rng)
    forms = [
        f"Compose a condolence note for {who}, whose father passed away.",
        f"Minutes: {who} will take over the tender from {person(rng)}.",
        f"Could you phrase a reminder to {who}? The rent is still open.",
        f"{who} applied for the post of caretaker. Turn her down politely.",
        f"I share a flat with {who} and we argue about money.",
    ]
    return "letter", rng.choice(forms)


def question(rng: random.Random) -> tuple[str, str]:
    """The same matters in general."""
    forms = [
        "Give an overview of {}.",
        "How common is {} in Europe?",
        "Which laws deal with {}?",
        "What do textbooks say about {}?",
    ]
    forms += [
        "Explain {} as if I were twelve.",
        "Write a quiz on {}.",
        "Summarise the history of {}.",
        "Name two myths about {}.",
    ]
    return "question", rng.choice(forms).format(of(rng, MATTERS))


def drugs(rng: random.Random) -> tuple[str, str]:
    """The same medicines in general."""
    forms = [
        "Which class of medicine is {}?",
        "Does {} interact with grapefruit?",
        "How is {} metabolised?",
        "When was {} approved?",
    ]
    return "drugs", rng.choice(forms).format(of(rng, DRUGS))


def sums(rng: random.Random) -> tuple[str, str]:
    """An exercise with first names."""
    one, two, a, b = rng.choice(FIRST), rng.choice(FIRST), rng.randrange(3, 60), rng.randrange(3, 60)
    forms = [
        f"{one} picks {a} plums, {two} picks {b}. How many plums do they have together?",
        f"A rope of {a} m is cut by {one} into pieces of {b} cm. How many whole pieces?",
        f"{one} runs {a} laps each day and {two} half as many. What is the total after {b} days?",
    ]
    return "sums", rng.choice(forms)


def craft(rng: random.Random) -> tuple[str, str]:
    """Code, texts and small tasks about nobody."""
    forms = [
        "Write a Go function that merges two sorted slices.",
        "Refactor: for x in xs:\n    if x > 0:\n        out.append(x * 2)",
        "SELECT dept, COUNT(*) FROM staff GROUP BY dept; -- how do I sort by count?",
        "Turn 'the report was written' into active voice.",
        "Give me a limerick about a lighthouse.",
        "What does HTTP status 418 mean?",
        "Convert 72 F to C.",
        "Regex for ISO dates?",
        "Plan four days on the Azores in May.",
        "Explain the offside rule.",
        "Why is the sky dark at night?",
        "CSS grid or flexbox?",
        "Was Jane Austen read in her lifetime?",
        "Compare Kant and Hume on causality.",
        "Make a packing list for a sailing trip.",
        "My sourdough is too sticky, what went wrong?",
        "What is 17 % of 2,450?",
        "Version 4.12.1 broke the build, how do I pin 4.11.9?",
        "docker: Error response from daemon: port is already allocated.",
        "export TOKEN=<your-token> is in the manual. What goes there?",
        "Outline a lecture on coral reefs.",
        "List synonyms for 'brisk'.",
        "Which is older, Oxford or Bologna?",
    ]
    return "craft", rng.choice(forms)


PRIVATE: tuple[Maker, ...] = (story, staff, own, record, dressed, leak, letter)
GENERAL: tuple[Maker, ...] = (question, drugs, sums, craft)


def main() -> None:
    """Write as many private as general ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--many", type=int, default=1400)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    for number in range(args.many):
        private = number % 2 == 0
        makers = PRIVATE if private else GENERAL
        category, text = makers[number // 2 % len(makers)](rng)
        row = {
            "id": f"fresh-{number}",
            "category": category,
            "label": "restricted" if private else "public",
            "text": text,
        }
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
