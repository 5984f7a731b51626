"""A split on its way through the gateway: the trial's row orders doors by the same law; the receipt names the side."""

import asyncio
from itertools import product

from action_rig import Room, chat

from localfleet.actions.bench import Bench
from localfleet.actions.cascade import Cascades
from localfleet.actions.front import Actions
from localfleet.actions.pipeline import Pipelines
from localfleet.actions.shadow import Shadows
from localfleet.actions.split import Splits
from localfleet.core.label import Label
from localfleet.core.shadow import Hours
from localfleet.core.split import Experiment

NEWER = Experiment(name="newer", task="work", doors=("best",), share=1.0, by="session", margin=0.02, most_cost_ratio=1)


def ask(room: Room, share: float, **facts: object) -> bytes:
    """One request of the task, with a split of this share."""
    letter = room.letter(ask=facts)
    gateway, bench = room.gateway, Bench(gateway=room.gateway)
    experiment = Experiment(**{name: getattr(NEWER, name) for name in NEWER.__slots__} | {"share": share})
    actions = Actions(
        gateway=gateway,
        cascades=Cascades(gateway=gateway, bench=bench, by_task={}),
        pipelines=Pipelines(gateway=gateway, bench=bench, by_name={}),
        splits=Splits(gateway=gateway, by_task={"work": experiment}),
        shadows=Shadows(gateway=gateway, bench=bench, by_task={}, hours=Hours()),
    )
    assert actions.takes(letter)
    answer = asyncio.run(actions.answer(letter, room.visit(letter)))
    return answer.whole or b""


def test_each_side_goes_by_its_row() -> None:
    """The control by the task's own, the trial by the experiment's; the receipt says which."""
    room = Room()
    assert chat(ask(room, 0.0)) == "from small"
    assert chat(ask(room, 1.0)) == "from best"
    assert [receipt.arm for receipt in room.books.receipts] == ["newer:control", "newer:trial"]


def test_no_side_opens_a_closed_door() -> None:
    """Every label on either side, ledger open or shut: restricted text stays, as does all that has no record."""
    for label, share, closed in product(Label, (0.0, 1.0), (False, True)):
        room = Room()
        room.books.shut = closed
        ask(room, share, declared=label)
        if label is Label.RESTRICTED or closed:
            assert room.leaving == ""


def test_a_model_by_its_name_is_that_model() -> None:
    """A trial moves what the router may choose, not what a caller asked for."""
    room = Room()
    letter = room.letter(model="mini")
    splits = Splits(gateway=room.gateway, by_task={"work": NEWER})
    visit = room.visit(letter)
    asyncio.run(splits.decide(letter, visit, NEWER))
    assert {route.model for route in visit.decided.routes} <= {"mini"}
