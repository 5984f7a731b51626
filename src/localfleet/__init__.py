"""localfleet: a self-hosted inference tier and router that can prove what stayed on the box."""

__version__ = "0.1.0"
