"""
Does a model fit, before it is started: weights, KV cache and the rest, for each GPU, from the model's own facts.

`architecture` holds the facts, `formats` and `weights` turn them into bytes of weights, `cache` into the KV cache as
vLLM lays it out, `activations` into the rest; `plan` puts them together, `propose` finds what fits instead, `embedded`
does the same for llama.cpp. docs/concepts/fit.md has every formula, constant, source and error.
"""

from localfleet.core.fit.architecture import Architecture, Attention, Block, FeedForward, Latent, Vision
from localfleet.core.fit.embedded import EmbeddedFit, GgufShape, embedded_fit
from localfleet.core.fit.formats import Dtype, Format, Stored
from localfleet.core.fit.plan import Breakdown, Fit, Gpu, Serving, Untold, Verdict, fit
from localfleet.core.fit.propose import Proposal, propose
from localfleet.core.fit.weights import Division, Lora

__all__ = [
    "Architecture",
    "Attention",
    "Block",
    "Breakdown",
    "Division",
    "Dtype",
    "EmbeddedFit",
    "FeedForward",
    "Fit",
    "Format",
    "GgufShape",
    "Gpu",
    "Latent",
    "Lora",
    "Proposal",
    "Serving",
    "Stored",
    "Untold",
    "Verdict",
    "Vision",
    "embedded_fit",
    "fit",
    "propose",
]
