"""
What the commands share: options, the state folder, and two ways to print.

Every command loads this file, so nothing heavy may come with it.
"""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from localfleet.errors import FleetError

__all__ = ["Config", "Host", "Json", "Port", "console", "home_path", "print_json", "state_home"]

_PIPE_COLUMNS = 160
Config = Annotated[str, typer.Option("--config", help="The models.yaml to use.", metavar="FILE")]
Json = Annotated[bool, typer.Option("--json", help="Machine-readable output on stdout.")]
Host = Annotated[str, typer.Option("--host", help="The address to listen on; anything but loopback needs keys.")]
Port = Annotated[int, typer.Option("--port", help="The port to listen on; 0 takes a free one.", min=0, max=65535)]


def console() -> Console:
    """Where people read: stdout. Where it is no terminal it is plain, and so wide that tables need not be squeezed."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_COLUMNS
    return Console(highlight=False, soft_wrap=True, width=width)


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def home_path() -> Path:
    """Where state lives: `$LOCALFLEET_HOME`, else the platform's data folder (XDG Base Directory Specification)."""
    chosen = os.environ.get("LOCALFLEET_HOME")
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(chosen) if chosen else Path(data) / "localfleet"


def state_home() -> Path:
    """The same, created with mode 0700 where it is missing; raises `FleetError` where it cannot be."""
    home = home_path()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as exc:
        raise FleetError(f"the state folder {home} cannot be made ({exc.strerror}); set LOCALFLEET_HOME") from exc
    return home
