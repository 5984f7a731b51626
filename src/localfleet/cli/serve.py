"""`up` and `serve`: start the house, say where it is, drain on Ctrl-C."""

import os
import sys
from contextlib import suppress
from functools import partial

import uvloop

from localfleet import __version__
from localfleet.assemble import House, assemble
from localfleet.cli.config import read_checked
from localfleet.cli.parts import Config, Host, Port, console, state_home
from localfleet.config import Settings
from localfleet.engines.stages import Progress
from localfleet.logs import set_up_logs
from localfleet.notify import Herald
from localfleet.price_map import read_price_map
from localfleet.run import Place, bind, serve

__all__ = ["serve_command", "up_command"]


def up_command(config: Config = "models.yaml", host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Start the local engines and the router; progress while models load; Ctrl-C drains."""
    _run(config, host, port, start_engines=True)


def serve_command(config: Config = "models.yaml", host: Host = "127.0.0.1", port: Port = 8080) -> None:
    """Start the router alone; engines run elsewhere (`engine: endpoint`)."""
    _run(config, host, port, start_engines=False)


def _run(config: str, host: str, port: int, *, start_engines: bool) -> None:
    set_up_logs()
    read = partial(read_checked, config, read_price_map(), local=start_engines)
    checked = read()
    house = assemble(
        checked,
        home=state_home(),
        env=os.environ,
        start_engines=start_engines,
        read_again=read,
        on_progress=_progress,
    )
    sock, place = bind(Place(host=host, port=port), has_keys=not house.ledger.keys.empty)
    _say(f"localfleet {__version__}")
    _say(f"  models    {_models(checked.settings)}")
    clean = uvloop.run(serve(house, sock, lambda: _started(house, place), Herald.find(os.environ, pid=os.getpid())))
    _say("stopped; every record is on disk" if clean else "stopped; some records could not be written")
    sys.exit(0 if clean else 1)


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may have been closed, and the drain goes on
        console().print(text, markup=False)
        sys.stdout.flush()


def _models(settings: Settings) -> str:
    hosted = ", ".join(f"{name} ({model.tier}, up to {model.accepts})" for name, model in settings.hosted.items())
    searches = f"; search: {', '.join(settings.search)}" if settings.search else ""
    return f"local: {', '.join(settings.local) or 'none'}; hosted: {hosted or 'none'}{searches}"


def _progress(progress: Progress) -> None:
    why = f": {progress.why}" if progress.why else ""
    _say(f"  {progress.name:<9} {progress.stage}{why} ({progress.seconds:.1f} s)")


def _started(house: House, place: Place) -> None:
    keyed = not house.ledger.keys.empty
    _say(f"  router    {place.url}/v1   ({'keys required' if keyed else 'no keys yet: this machine only'})")
    _say(f"  console   {place.url}/console#token={house.admin_token}")
    if not house.ledger.health.ok:
        _say(f"  ledger    {house.ledger.health.why}")
