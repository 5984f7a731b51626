"""Builds what carries spans to a collector, from `traces:`."""

from collections.abc import Mapping

from localfleet.config import Settings, Traces, read_headers
from localfleet.otlp.exporter import Collector, Exporter

__all__ = ["build_exporter", "providers_of"]

OURS = "localfleet"


def build_exporter(traces: Traces | None, env: Mapping[str, str]) -> Exporter | None:
    """The exporter, not yet started; its headers were checked with the file."""
    if traces is None:
        return None
    collector = Collector(
        url=traces.url,
        headers=read_headers(env.get(traces.headers_env or "", "")),
        every_s=traces.every_s,
        timeout_s=traces.timeout_s,
        most_waiting=traces.most_waiting,
        restricted=traces.restricted == "counts",
    )
    return Exporter(collector)


def providers_of(settings: Settings) -> Mapping[str, str]:
    """Who runs each model, by its name."""
    return dict.fromkeys(settings.local | settings.adapters, OURS) | {
        name: model.provider for name, model in settings.hosted.items()
    }
