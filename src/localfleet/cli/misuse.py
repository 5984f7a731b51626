"""How a command ends that was asked for something it cannot do, or was given a file that is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from localfleet.cost.inputs import Misuse
from localfleet.errors import BadInput, ConfigError

__all__ = ["FILES_TOO", "misuse_told"]

FILES_TOO = (Misuse, ConfigError, BadInput)


@contextmanager
def misuse_told(kinds: tuple[type[Exception], ...] = (Misuse, ConfigError)) -> Iterator[None]:
    """The sentence on stderr and exit code 2 where one of `kinds` comes up."""
    try:
        yield
    except kinds as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(2) from None
