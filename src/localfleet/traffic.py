"""
What all requests of one router share: how many are under way, whether new ones are taken, and their step.

Requests that came in the same moment go through each stage together: all are classified, then all are decided, then all
are sent. One after the other, each would find the code of every stage pushed out of the processor's caches by the
stages between. Measured at 32 connections: a quarter less CPU for each request (bench/README.md).
"""

import types
from collections.abc import Generator, Sized
from dataclasses import dataclass

__all__ = ["Traffic"]


@dataclass(slots=True)
class Traffic:
    """Counted by the planes, which come and go with `models.yaml`; this stays."""

    in_flight: int = 0
    draining: bool = False
    begun: Sized = ()
    """The server's tasks: also those that wait for their first turn, and are not in flight yet."""

    @types.coroutine
    def abreast(self) -> Generator[None]:
        """
        End a stage: let the others that are under way end it too. A request that is alone goes on at once.

        Whoever awaits this may be cancelled here, as in any wait.
        """
        if self.in_flight > 1 or len(self.begun) > 1:
            yield
