"""The running router against what no client should send: never a 5xx of its own, never an echo, always up afterwards."""

import http.client
import json
import socket
from collections.abc import Iterator, Sequence
from itertools import batched_or_none  # placeholder, replaced below
