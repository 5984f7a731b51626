"""What must hold for every model, GPU and wish: more is never less, and what is proposed does fit."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localfleet.core.fit import Division, Fit, Format, Gpu, Lora, Serving, Stored, Verdict, fit, propose
from localfleet.core.fit.weights import weight_bytes
from localfleet.shapes import KnownModel, read_models

GIB = 2**30
MODELS = read_models()
FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
known = st.sampled_from(MODELS)
gpus = st.builds(
    Gpu,
    name=st.just("any"),
    memory_bytes=st.sampled_from([24, 48, 80, 141, 180]).map(lambda gib: gib * GIB),
    count=st.sampled_from([1, 2, 4, 8]),
)
wishes = st.builds(
    Serving,
    context_tokens=st.integers(512, 131_072),
    parallel=st.integers(1, 256),
    kv_dtype=st.sampled_from(["auto", "fp8"]),
    division=st.builds(Division, tensor=st.sampled_from([1, 2, 4, 8])),
    utilization=st.sampled_from([Fraction(1, 2), Fraction(92, 100)]),
)


def answered(model: KnownModel, serving: Serving, gpu: Gpu) -> Fit:
    """Every model of the catalogue can be told."""
    answer = fit(model.architecture, serving, gpu)
    assert isinstance(answer, Fit)
    return answer


@FEW
@given(model=known, serving=wishes, gpu=gpus)
def test_the_parts_are_the_budget(model: KnownModel, serving: Serving, gpu: Gpu) -> None:
    """What is listed adds up to the share of memory that vLLM may take."""
    parts = answered(model, serving, gpu).breakdown
    taken = parts.weight_bytes + parts.adapter_bytes + parts.peak_bytes + parts.graph_bytes + parts.overhead_bytes
    assert taken + parts.cache_bytes == parts.budget_bytes <= parts.usable_bytes


@FEW
@given(model=known, serving=wishes, gpu=gpus, more=st.integers(1, 65_536))
def test_a_longer_context_never_holds_more_requests(model: KnownModel, serving: Serving, gpu: Gpu, more: int) -> None:
    """With the same step, longer requests take at least as many bytes, and fewer fit."""
    serving = replace(serving, batched_tokens=2048)
    short, long = (
        answered(model, serving, gpu),
        answered(model, replace(serving, context_tokens=serving.context_tokens + more), gpu),
    )
    assert long.request_bytes >= short.request_bytes
    assert long.requests <= short.requests


@FEW
@given(model=known, serving=wishes, gpu=gpus)
def test_more_requests_never_leave_more_cache(model: KnownModel, serving: Serving, gpu: Gpu) -> None:
    """Twice `parallel` takes at least as much for a step and for graphs."""
    twice = answered(model, replace(serving, parallel=2 * serving.parallel), gpu)
    assert twice.breakdown.cache_bytes <= answered(model, serving, gpu).breakdown.cache_bytes


@FEW
@given(model=known, serving=wishes, gpu=gpus)
def test_fewer_bits_never_need_more(model: KnownModel, serving: Serving, gpu: Gpu) -> None:
    """16, 8 and 4 bits of weights, 16 and 8 of cache: each less than the one before."""
    sizes = [
        weight_bytes(model.architecture, Stored(format=form), serving.division)
        for form in (Format.PLAIN, Format.FP8, Format.INT4)
    ]
    assert sizes[0] > sizes[1] > sizes[2]
    wide = answered(model, replace(serving, kv_dtype="bfloat16"), gpu)
    narrow = answered(model, replace(serving, kv_dtype="fp8"), gpu)
    assert 2 * narrow.request_bytes == wide.request_bytes


@FEW
@given(model=known, ways=st.sampled_from([2, 4, 8]))
def test_tensor_parallelism_divides_the_weights(model: KnownModel, ways: int) -> None:
    """By the number of GPUs, but for what is copied: at most a tenth more, and never less."""
    architecture = replace(model.architecture, vision=None)
    alone = weight_bytes(architecture, architecture.stored, Division())
    shared = weight_bytes(architecture, architecture.stored, Division(tensor=ways))
    assert alone / ways <= shared <= alone / ways * 1.1


@FEW
@given(model=known, serving=wishes, gpu=gpus, rank=st.sampled_from([8, 64]))
def test_adapters_take_room(model: KnownModel, serving: Serving, gpu: Gpu, rank: int) -> None:
    """Two adapters need twice what one does, and the cache pays for them."""
    one, two = (answered(model, replace(serving, lora=Lora(count=n, rank=rank)), gpu).breakdown for n in (1, 2))
    assert two.adapter_bytes == 2 * one.adapter_bytes > 0
    assert two.cache_bytes == one.cache_bytes - one.adapter_bytes


@FEW
@given(model=known, serving=wishes, gpu=gpus)
def test_vllm_s_longest_context_is_the_longest(model: KnownModel, serving: Serving, gpu: Gpu) -> None:
    """At the longest context it starts, at one token more it does not, unless the model itself ends there."""
    serving = replace(serving, batched_tokens=2048)
    longest = answered(model, serving, gpu).longest_context
    if longest:
        assert answered(model, replace(serving, context_tokens=longest), gpu).verdict is not Verdict.TOO_LARGE
    if longest < model.architecture.context_tokens:
        verdict = answered(model, replace(serving, context_tokens=longest + 1), gpu).verdict
        assert verdict in {Verdict.TOO_LARGE, Verdict.IMPOSSIBLE}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(model=known, serving=wishes, gpu=gpus)
def test_what_is_proposed_fits(model: KnownModel, serving: Serving, gpu: Gpu) -> None:
    """Each proposal holds all requests at full length, says what to change, and is computed like the wish."""
    larger = (Gpu(name="B200", memory_bytes=180 * GIB),)
    for one in propose(model.architecture, serving, gpu, larger):
        assert one.change
        assert one.fit.verdict is Verdict.FITS
        assert answered(model, one.serving, one.gpu) == one.fit
        assert one.serving != serving or one.gpu != gpu


def test_proposals_come_in_order() -> None:
    """Llama 3.1 8B for ten long requests on a 24 GB card: eight bits, four, an eight-bit cache; then less of it."""
    model = next(one for one in MODELS if one.name == "meta-llama/Llama-3.1-8B-Instruct")
    gpu = Gpu(name="RTX 4090", memory_bytes=24 * GIB)
    found = propose(model.architecture, Serving(context_tokens=8192, parallel=10), gpu, most=20)
    changes = [one.change for one in found]
    assert changes[0].startswith("quantization: fp8")
    order = ["quantization: fp8", "quantization: int4", "context_tokens:", "parallel:", "tensor_parallel: 2"]
    places = [next(i for i, change in enumerate(changes) if change.startswith(word)) for word in order]
    assert places == sorted(places)


def test_a_draft_model_takes_its_own() -> None:
    """Llama 8B as the draft of Llama 70B: its weights and its layers of cache are counted on the same GPUs."""
    large = next(one for one in MODELS if one.name == "meta-llama/Llama-3.3-70B-Instruct")
    small = next(one for one in MODELS if one.name == "meta-llama/Llama-3.1-8B-Instruct")
    gpu = Gpu(name="H100", memory_bytes=80 * GIB, count=4)
    plain = Serving(context_tokens=8192, parallel=16, division=Division(tensor=4))
    alone, both = answered(large, plain, gpu), answered(large, replace(plain, draft=small.architecture), gpu)
    assert both.bytes_per_token == alone.bytes_per_token + 131_072 // 4
    norms = (2 * 32 + 1) * 4096  # on every GPU
    more = 2 * (small.parameters - norms) // 4 + 2 * norms
    assert both.breakdown.weight_bytes - alone.breakdown.weight_bytes == more
