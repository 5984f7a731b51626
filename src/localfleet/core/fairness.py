"""
The waiting line of one model: who goes next, and why. Pure: no clock, no I/O; the time is passed in.

Two rules, in this order. **Live before batch**, but a batch ticket that has waited `batch_turn_s` counts as live. In a
class **the key that was served least goes next**, and of its tickets the oldest. Served means tokens, not requests: a
virtual token counter for each key, as in VTC (Sheng et al., *Fairness in Serving Large Language Models*, arXiv
2401.00588, algorithm 2 with predicted lengths):

- a turn is charged with the estimate when it begins, and corrected by what was measured when it ends;
- a key that comes back, or whose batch ticket begins to count as live, is lifted to the smallest counter that waits in
  that class, or where nobody waits to that of the last turn: idle time is no credit;
- a counter is tokens divided by the weight of the key's plan, so weight 2 gets twice the share.

The counters of two keys that wait all the time differ by at most `(slots + 1) * largest cost of one request`, and what
they were served by at most twice that, however they cut their work into requests (docs/adr/0010). Nobody is held back
while there is room: whoever waits alone goes next.
"""

from collections import OrderedDict
from dataclasses import dataclass, field

from localfleet.core.ask import Priority

__all__ = ["BATCH_TURN_S", "Line", "Ticket", "work_of"]

TOKENS_IN = 1.0
TOKENS_OUT = 2.0
"""The paper's weights: to write a token keeps an engine busy for longer than to read one."""
BATCH_TURN_S = 60.0
IDLE_KEYS = 1024
"""Keys remembered although they neither wait nor are served: those that took more than their share just now."""


def work_of(input_tokens: int, output_tokens: int) -> float:
    """What one request costs in weighted tokens; at least 1, so that every turn counts."""
    return max(input_tokens * TOKENS_IN + output_tokens * TOKENS_OUT, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ticket:
    """One place in the line. `cost` is an estimate in weighted tokens over the key's weight."""

    key: str
    cost: float
    input_tokens: int
    priority: Priority
    joined_s: float
    number: int


Tickets = OrderedDict[int, Ticket]


@dataclass(slots=True, kw_only=True, eq=False)
class _Account:
    """What is known of one key while it waits, is served, or owes."""

    counter: float = 0.0
    inside: int = 0
    counts_as_live: bool = False
    live: Tickets = field(default_factory=OrderedDict)
    batch: Tickets = field(default_factory=OrderedDict)

    @property
    def waits(self) -> bool:
        return bool(self.live or self.batch)

    def next(self, now: float, batch_turn_s: float) -> Ticket:
        """The ticket that goes when it is this key's turn; it must have one."""
        live, batch = _oldest(self.live), _oldest(self.batch)
        if live is None or batch is None:
            return live or batch  # type: ignore[return-value]  # an account that waits has one of the two
        return batch if now - batch.joined_s >= batch_turn_s and batch.number < live.number else live


class Line:
    """
    The line of one model, and the counters of its keys. Times are seconds of any clock that only goes forward.

    To find who is next looks at each waiting key once; everything else takes the same time however long the line is.
    """

    def __init__(self, *, batch_turn_s: float = BATCH_TURN_S, idle_keys: int = IDLE_KEYS) -> None:
        """Nobody waits. `batch_turn_s`: after so long a batch ticket counts as live."""
        self.batch_turn_s = batch_turn_s
        self._idle_keys = idle_keys
        self._accounts: dict[str, _Account] = {}
        self._in_line: dict[str, _Account] = {}
        self._served = 0
        self._last_turn = 0.0
        self._number = 0
        self.waiting = 0
        """Tickets in the line."""
        self.input_tokens = 0
        """Prompt tokens that wait with them."""

    @property
    def keys_known(self) -> int:
        """How many keys are remembered."""
        return len(self._accounts)

    def counter(self, key: str) -> float | None:
        """The virtual tokens of a key, `None` where it is not remembered."""
        account = self._accounts.get(key)
        return None if account is None else account.counter

    def oldest_wait_s(self, now: float) -> float:
        """How long the oldest ticket has waited; 0 where nobody waits."""
        heads = (head for a in self._in_line.values() for head in (_oldest(a.live), _oldest(a.batch)) if head)
        return max((now - head.joined_s for head in heads), default=0.0)

    def begin(self, key: str, cost: float) -> None:
        """A turn without waiting: nobody is in the line."""
        account = self._account(key)
        account.counter = max(account.counter, self._last_turn)
        self._turn(account, cost)

    def join(self, key: str, *, cost: float, input_tokens: int, priority: Priority, now: float) -> Ticket:
        """Take a place at the end of the key's own tickets."""
        account = self._account(key)
        live = priority is Priority.LIVE
        if not (account.counts_as_live if live else account.waits):
            self._lift(account, live=live)
        account.counts_as_live = account.counts_as_live or live
        self._number += 1
        ticket = Ticket(
            key=key, cost=cost, input_tokens=input_tokens, priority=priority, joined_s=now, number=self._number
        )
        (account.live if live else account.batch)[ticket.number] = ticket
        self._in_line[key] = account
        self.waiting += 1
        self.input_tokens += input_tokens
        return ticket

    def take(self, now: float) -> Ticket | None:
        """Whose turn it is: out of the line, and charged. `None` only where nobody waits."""
        if not self._in_line:
            return None
        for account in self._in_line.values():
            self._grow_old(account, now)
        chosen = min(self._in_line.values(), key=lambda account: self._rank(account, now))
        ticket = chosen.next(now, self.batch_turn_s)
        self._remove(chosen, ticket)
        self._turn(chosen, ticket.cost)
        return ticket

    def drop(self, ticket: Ticket) -> None:
        """Whoever held this ticket left the line; one that had its turn already is not there any more."""
        account = self._accounts.get(ticket.key)
        if account is not None and ticket.number in _tickets(account, ticket):
            self._remove(account, ticket)
            self._forget(ticket.key, account)

    def end(self, key: str, *, charged: float, cost: float) -> None:
        """A turn ended: put what it really cost in the place of the estimate."""
        account = self._accounts[key]
        account.counter += cost - charged
        account.inside -= 1
        self._served -= 1
        self._forget(key, account)

    def _account(self, key: str) -> _Account:
        account = self._accounts.get(key)
        if account is None:
            account = self._accounts[key] = _Account()
        return account

    def _turn(self, account: _Account, cost: float) -> None:
        self._last_turn = max(self._last_turn, account.counter)
        account.counter += cost
        account.inside += 1
        self._served += 1

    def _rank(self, account: _Account, now: float) -> tuple[bool, float, int]:
        return not account.counts_as_live, account.counter, account.next(now, self.batch_turn_s).number

    def _grow_old(self, account: _Account, now: float) -> None:
        """A batch ticket that is old enough brings its key into the live class, as if it had just come."""
        if not account.counts_as_live and now - next(iter(account.batch.values())).joined_s >= self.batch_turn_s:
            self._lift(account, live=True)
            account.counts_as_live = True

    def _lift(self, account: _Account, *, live: bool) -> None:
        account.counter = max(account.counter, self._smallest(live=live))

    def _smallest(self, *, live: bool) -> float:
        """The smallest counter that waits in a class, else that of the last turn."""
        waiting = (a.counter for a in self._in_line.values() if a.counts_as_live is live)
        return min(waiting, default=self._last_turn)

    def _remove(self, account: _Account, ticket: Ticket) -> None:
        del _tickets(account, ticket)[ticket.number]
        # Whether an old batch ticket still counts as live is asked anew at the next turn.
        account.counts_as_live = bool(account.live)
        self.waiting -= 1
        self.input_tokens -= ticket.input_tokens
        if not account.waits:
            del self._in_line[ticket.key]

    def _forget(self, key: str, account: _Account) -> None:
        """A key that does nothing and owes nothing is forgotten; where nobody does anything, all are."""
        if account.inside or account.waits:
            return
        if not self._served and not self._in_line:
            self._accounts.clear()
            self._last_turn = 0.0
        elif account.counter <= self._owes_nothing():
            del self._accounts[key]
        elif len(self._accounts) > self._idle_keys + self._served + len(self._in_line):
            self._forget_smallest_debts()

    def _owes_nothing(self) -> float:
        """A counter that a lift would reach anyway."""
        return min(self._smallest(live=True), self._smallest(live=False))

    def _forget_smallest_debts(self) -> None:
        idle = [(a.counter, key) for key, a in self._accounts.items() if not a.inside and not a.waits]
        for _, key in sorted(idle)[: max(len(idle) - self._idle_keys // 2, 0)]:
            del self._accounts[key]


def _tickets(account: _Account, ticket: Ticket) -> Tickets:
    return account.live if ticket.priority is Priority.LIVE else account.batch


def _oldest(tickets: Tickets) -> Ticket | None:
    return next(iter(tickets.values()), None)
