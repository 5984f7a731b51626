"""
Made-up conversations full of private values, each with the list of what must not leave: for the tests of redaction.

Values are made here by rules of their own (checksums worked out again), none is anybody's, and none comes from the
lists that the pseudonyms come from.
"""

import random
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Talk", "talk"]

GIVEN = [
    "Martha",
    "Oliver",
    "Beatrix",
    "Hugo",
    "Clara",
    "Anton",
    "Priya",
    "Diego",
    "Svetlana",
    "Yusuf",
    "Chiara",
    "Jonas",
]
SUR = ["Hollis", "Brandt", "Okafor", "Marchetti", "Lindqvist", "Nowak", "Delgado", "Tremblay", "Haddad", "Van Dyke"]
STREETS = ["Birch Street", "Elm Avenue", "Station Road", "Mill Lane", "Harbour Drive"]
TOWNS = ["Fairview", "Riverton", "Ashland", "Clayton"]


@dataclass
class Talk:
    """User messages in order, and the private units in them."""

    turns: list[str]
    units: list[str] = field(default_factory=list)


class _Maker:
    def __init__(self, seed: int, *, names: bool) -> None:
        self.dice = random.Random(seed)
        self.names = names
        self.units: list[str] = []
        self.given, self.sur = self.dice.choice(GIVEN), self.dice.choice(SUR)

    def unit(self, text: str) -> str:
        self.units.append(text)
        return text

    def digits(self, count: int) -> str:
        return "".join(self.dice.choice("0123456789") for _ in range(count))

    def card(self) -> str:
        body = "4" + self.digits(14)
        total = sum(d if i % 2 else d * 2 - 9 * (d > 4) for i, d in enumerate(map(int, body)))
        number = body + str(-total % 10)
        joint = self.dice.choice(["", " ", "-"])
        return joint.join(number[i : i + 4] for i in range(0, 16, 4))

    def iban(self) -> str:
        rest = self.digits(18)
        check = 98 - int(rest + "131400") % 97
        number = f"DE{check:02}{rest}"
        return " ".join(number[i : i + 4] for i in range(0, 22, 4)) if self.dice.random() < 0.5 else number

    def phone(self) -> str:
        return self.dice.choice(
            [
                f"+1 {self.dice.randrange(212, 989)}-{self.dice.randrange(212, 989)}-{self.digits(4)}",
                f"({self.dice.randrange(212, 989)}) {self.dice.randrange(212, 989)}-{self.digits(4)}",
                f"+49 30 {self.digits(7)}",
                f"+33 6 {self.digits(2)} {self.digits(2)} {self.digits(2)} {self.digits(2)}",
                f"+44 7{self.digits(3)} {self.digits(6)}",
            ]
        )

    def email(self) -> str:
        host = self.dice.choice(["firm.io", "posteo.de", "uni-ulm.eu"])
        return f"{self.given}.{self.sur.split()[-1]}{self.digits(2)}@{host}".lower()

    def token(self) -> str:
        letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        return "ghp_" + "".join(self.dice.choice(letters) for _ in range(36))

    def number(self, low: int, high: int) -> int:
        return self.dice.randrange(low, high)

    def line(self) -> str:
        """One sentence with a value in it, and the value among the units."""
        octets = [self.number(11, 250) for _ in range(3)]
        mac = ":".join(f"{self.number(16, 255):02x}" for _ in range(6))
        home = f"{self.number(11, 999)} {self.dice.choice(STREETS)}"
        ssn = f"{self.number(100, 660)}-{self.number(11, 99)}-{self.number(1000, 9999)}"
        born = f"19{self.number(50, 99)}-0{self.number(1, 9)}-{self.number(13, 28)}"
        code = "7" + self.digits(4)
        before, unit, after = self.dice.choice(
            [
                ("please charge card ", self.card(), " for the order"),
                ("the refund goes to IBAN ", self.iban(), " today"),
                ("call me at ", self.phone(), " after five"),
                ("write to ", self.email(), " about it"),
                ("SSN: ", ssn, ""),
                ("the server is at ", ".".join(map(str, (10, *octets))), " now"),
                ("born on ", born, ", as she said"),
                ("passport ", "K" + self.digits(8), " expires soon"),
                ("passport number ", "K" + self.digits(8), ""),
                ("ship it to ", home, f", {self.dice.choice(TOWNS)}, TX {code}"),
                ('config: {"github_token": "', self.token(), '"}'),
                ("password: ", "Qz" + self.digits(3) + "!kf" + self.digits(3), ""),
                ("medical record MRN ", "88" + self.digits(6), " was closed"),
                ("bank account number ", self.digits(10), ""),
                ("mac ", mac, " is blocked"),
            ]
        )
        self.units += [unit, code] if unit == home else [unit]
        return f"{before}{unit}{after}"

    def about(self) -> str:
        if not self.names:
            return self.dice.choice(["Fix the tone of this note", "Translate to French", "Summarise this"])
        first, last = self.unit(self.given), self.unit(self.sur)
        return self.dice.choice(
            [
                f"Draft a reply to our customer {first} {last}",
                f"Write a note to {first} {last} from accounts",
                f"My colleague {first} {last} asked for this",
            ]
        )


def talk(seed: int, *, names: bool = False) -> Talk:
    """The same conversation for the same seed: one to three turns, each with one to four private values."""
    maker = _Maker(seed, names=names)
    turns = []
    for turn in range(maker.dice.randrange(1, 4)):
        lines = [maker.line() for _ in range(maker.dice.randrange(1, 5))]
        joint = maker.dice.choice([". ", "; ", "\n", "\n- "])
        turns.append((maker.about() if turn == 0 else "Go on") + ": " + joint.join(lines) + ".")
    return Talk(turns=turns, units=list(dict.fromkeys(maker.units)))


def messages(turns: list[str], answers: list[str]) -> list[dict[str, Any]]:
    """The conversation so far, as chat messages."""
    out: list[dict[str, Any]] = []
    for at, turn in enumerate(turns):
        out.append({"role": "user", "content": turn})
        if at < len(answers):
            out.append({"role": "assistant", "content": answers[at]})
    return out
