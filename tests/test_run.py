"""Where the router listens: each failure says what to do next."""

import socket
from contextlib import closing

import pytest

from localfleet.errors import FleetError
from localfleet.run import Place, bind


def test_a_place_that_cannot_be_had_says_what_to_try() -> None:
    """A port in use, an address of another machine, no keys: three sentences with three ways out."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(FleetError, match=f"another router running.*--port {port + 1}$"):
            bind(Place(host="127.0.0.1", port=port), has_keys=False)
    with pytest.raises(FleetError, match="--host must be an address of this machine"):
        bind(Place(host="192.0.2.1", port=0), has_keys=True)
    with pytest.raises(FleetError, match="localfleet keys create"):
        bind(Place(host="192.0.2.1", port=0), has_keys=False)
