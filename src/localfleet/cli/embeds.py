"""What makes embeddings for the classifier's commands: a model in a folder, or a local engine of models.yaml."""

import asyncio
import os
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from threading import Thread
from typing import Protocol

from localfleet.config import Settings, load_settings
from localfleet.core.ask import Api
from localfleet.core.routing.lens import Lens, engine_of, engine_print
from localfleet.errors import FleetError

__all__ = ["Vectors", "vectors_at", "vectors_for"]

WAIT_S = 60.0


class Vectors(Protocol):
    """Makes embeddings. `place` and `digest` are how a classifier's file knows it again."""

    @property
    def place(self) -> str:
        """The folder, or `model:NAME`."""
        ...

    @property
    def digest(self) -> str:
        """Of the model's file, or of what models.yaml says of the engine."""
        ...

    def of(self, text: str) -> Sequence[float]:
        """The embedding of the end of a text, of length 1."""
        ...


def vectors_at(where: str, config: str) -> Vectors:
    """`model:NAME`, an engine that runs until the command ends, or a folder; raises `FleetError`."""
    name = engine_of(where)
    if name is not None:
        return _Engine(name, load_settings(config))
    from localfleet.readers.embedder import load_embedder  # noqa: PLC0415  # loaded when asked for

    try:
        return load_embedder(Path(where))
    except ValueError as exc:
        raise FleetError(str(exc)) from exc


def vectors_for(lens: Lens, config: str) -> Vectors:
    """What a classifier was trained with; raises `FleetError` where it is there no more."""
    found = vectors_at(lens.folder, config)
    if found.digest != lens.print:
        sentence = f"{lens.folder} is another model than the classifier was trained with; train it again"
        raise FleetError(sentence)
    return found


class _Engine:
    """A model of `local:`, started for the while; no other engine is ever asked, so no text leaves this machine."""

    def __init__(self, name: str, settings: Settings) -> None:
        """Start it; raises `FleetError`."""
        from localfleet.assemble.under_test import local_under_test  # noqa: PLC0415  # engines come with it

        model = settings.local.get(name)
        if model is None:
            known = ", ".join(one for one, each in settings.local.items() if Api.EMBEDDING in each.apis) or "none"
            raise FleetError(f"`model:{name[:64]}` is no model under `local:`; those with `apis: [embedding]`: {known}")
        if Api.EMBEDDING not in model.apis:
            raise FleetError(f"local.{name} makes no embeddings: write `apis: [embedding]` to its entry")
        self.place, self.digest = f"model:{name}", engine_print(model.model or model.weights or name)
        self._runner, self._stack = asyncio.Runner(), AsyncExitStack()
        home = Path(tempfile.mkdtemp(prefix="localfleet-embeddings-"))
        weakref.finalize(self, _close, self._runner, self._stack)
        self._stack.callback(shutil.rmtree, home, ignore_errors=True)
        started = local_under_test(name, settings, env=os.environ, home=home)
        self._target = self._runner.run(self._stack.enter_async_context(started))

    def of(self, text: str) -> Sequence[float]:
        """Ask the engine; raises `FleetError`."""
        from localfleet.steering import embedded  # noqa: PLC0415  # loaded with the engine

        try:
            return self._runner.run(embedded(self._target.engine, self._target.name, text, deadline_s=WAIT_S))
        except ValueError as exc:
            raise FleetError(f"{self.place}: {exc}") from exc


def _close(runner: asyncio.Runner, stack: AsyncExitStack) -> None:
    """End the engine with the object, at the end of the process at the latest."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _end(runner, stack)
    else:  # the collector found it while another loop runs in this thread, which may not run two
        thread = Thread(target=_end, args=(runner, stack))
        thread.start()
        thread.join()


def _end(runner: asyncio.Runner, stack: AsyncExitStack) -> None:
    runner.run(stack.aclose())
    runner.close()
