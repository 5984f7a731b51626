"""
`models.yaml` and the environment -> frozen, checked settings.

One file for each section; the shapes are the reference, the shipped `models.yaml` is the manual.
"""

from localfleet.config.audit import Audit
from localfleet.config.batches import Batches, read_key
from localfleet.config.cascade import Cascade, Judges
from localfleet.config.data_policy import ProviderDemand, ProviderFacts
from localfleet.config.diff import differences, runs_on
from localfleet.config.form import FormEntry
from localfleet.config.hardware import Gpu, Hardware, Sharing
from localfleet.config.hosted import HostedModel, PriceEntry, TierEntry
from localfleet.config.life import Life
from localfleet.config.local import LocalModel
from localfleet.config.people import People
from localfleet.config.privacy import Layers, Privacy, Rule
from localfleet.config.reading import load_settings, parse_settings, parse_with_lines, read_settings, read_text
from localfleet.config.routing import Difficulty, Quality, Routing, Tier
from localfleet.config.search import Search
from localfleet.config.settings import Limits, Plan, Settings, Task
from localfleet.config.shape import is_loopback, shown_variable
from localfleet.config.traces import Traces, read_headers
from localfleet.config.vllm import Vllm
from localfleet.config.vllm_flags import vllm_flags

__all__ = [
    "Audit",
    "Batches",
    "Cascade",
    "Difficulty",
    "FormEntry",
    "Gpu",
    "Hardware",
    "HostedModel",
    "Judges",
    "Layers",
    "Life",
    "Limits",
    "LocalModel",
    "People",
    "Plan",
    "PriceEntry",
    "Privacy",
    "ProviderDemand",
    "ProviderFacts",
    "Quality",
    "Routing",
    "Rule",
    "Search",
    "Settings",
    "Sharing",
    "Task",
    "Tier",
    "TierEntry",
    "Traces",
    "Vllm",
    "differences",
    "is_loopback",
    "load_settings",
    "parse_settings",
    "parse_with_lines",
    "read_headers",
    "read_key",
    "read_settings",
    "read_text",
    "runs_on",
    "shown_variable",
    "vllm_flags",
]
