"""A bar on stderr for what takes longer than a breath; nothing where nobody watches."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["counted"]

T = TypeVar("T")
EVERY = 2000


def counted(items: Iterable[T], what: str, *, total: int | None = None) -> Iterator[T]:
    """The same items; on a terminal with a bar that says how many have passed."""
    if not sys.stderr.isatty():
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        for passed, item in enumerate(items, start=1):
            yield item
            if passed % EVERY == 0 or total is not None:
                bar.update(task, completed=passed)
