"""
Tells systemd how the router is (`Type=notify`): one datagram for each change, to the socket `$NOTIFY_SOCKET` names.

sd_notify(3) in a few lines, so that no library is needed. Where nobody asked, nothing is sent. What is sent are fixed
sentences, counts and names of models from the configuration.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

__all__ = ["Herald"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Herald:
    """Where to tell, and how often it wants to hear that we live."""

    address: str | None = None
    """A path, or `@name` in the abstract namespace; `None`: nobody listens."""
    watchdog_s: float | None = None
    """Within so many seconds the next `alive` must come; `None`: no watchdog."""

    @classmethod
    def find(cls, env: Mapping[str, str], *, pid: int) -> Self:
        """What the service manager put into the environment of process `pid`."""
        address = env.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        microseconds = env.get("WATCHDOG_USEC", "")
        for_us = env.get("WATCHDOG_PID", str(pid)) == str(pid)
        asked = for_us and microseconds.isascii() and microseconds.isdigit() and int(microseconds) > 0
        return cls(address=address, watchdog_s=int(microseconds) / 1e6 if asked else None)

    @property
    def listens(self) -> bool:
        """Whether anybody does."""
        return self.address is not None

    def status(self, sentence: str) -> None:
        """What `systemctl status` shows."""
        self._send(f"STATUS={sentence}")

    def ready(self, sentence: str) -> None:
        """A door is open: units that wait for this one may start."""
        self._send("READY=1", f"STATUS={sentence}")

    def reloading(self, sentence: str, *, monotonic_us: int) -> None:
        """The configuration is read again, since this moment; `ready` says that it is over, however it went."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_us}", f"STATUS={sentence}")

    def stopping(self, sentence: str) -> None:
        """The drain began."""
        self._send("STOPPING=1", f"STATUS={sentence}")

    def alive(self) -> None:
        """The event loop turns."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)  # a service manager that is busy must not hold the event loop
            try:
                sock.sendto("\n".join(lines).encode(), address)
            except OSError:
                return  # nobody is there any more; the router serves all the same
