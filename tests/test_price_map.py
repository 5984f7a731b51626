"""List prices: exact, never another provider's, never a made-up zero."""

import json
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from localfleet.config import HostedModel, PriceEntry
from localfleet.core.ask import Need
from localfleet.core.pricing import Price, PriceTier, at_batch_rates, price_at, usd_for, usd_worst
from localfleet.core.usage import Usage
from localfleet.errors import FleetError
from localfleet.gpu_facts import find_gpu, read_gpus
from localfleet.price_map import PriceMap, price_history, price_warning, read_price_map

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def shipped() -> PriceMap:
    """The map of the installed litellm."""
    return read_price_map()


def written(tmp_path: Path, entries: Any) -> PriceMap:
    """A map read from a file of ours."""
    file = tmp_path / "prices.json"
    file.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return read_price_map(file)


def entry(**change: Any) -> dict[str, Any]:
    """A plain chat entry."""
    plain = {
        "litellm_provider": "acme",
        "mode": "chat",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 2e-06,
    }
    return {**plain, **change}


def hosted(*prices: PriceEntry) -> HostedModel:
    """A hosted model of models.yaml."""
    return HostedModel(provider="acme", model="m", tier="low", accepts="public", api_key_env="KEY", prices=prices)


def since(day: str, paid_in: str) -> PriceEntry:
    """A dated entry."""
    return PriceEntry(
        since=date.fromisoformat(day),
        usd_per_mtok_in=Decimal(paid_in),
        usd_per_mtok_out=Decimal(paid_in),
        source="the price page",
    )


def test_reading_does_not_import_litellm() -> None:
    """A fresh process reads the map and has not imported litellm (which would reach for the network)."""
    code = (
        "import sys; from localfleet.price_map import read_price_map; "
        "found = read_price_map().find('openai', 'gpt-4o-mini'); "
        "print(found is not None, 'litellm' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_shipped_prices_are_the_decimals_of_the_file(shipped: PriceMap) -> None:
    """Every priced entry equals the number as written in the JSON text, times a million, to the last digit."""
    spec = find_spec("litellm")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    text = Path(spec.submodule_search_locations[0], "model_prices_and_context_window_backup.json").read_text()
    raw = json.loads(text, parse_float=lambda number: f"#{number}", parse_int=lambda number: f"#{number}")
    compared = 0
    for name, facts in raw.items():
        if "/" in name or not isinstance(facts, dict) or "litellm_provider" not in facts:
            continue
        found = shipped.find(facts["litellm_provider"], name)
        if found is not None and found.name == name and found.price is not None:
            assert found.price.usd_per_mtok_in == Decimal(facts["input_cost_per_token"][1:]).scaleb(6)
            compared += 1
    assert compared > 300


def test_a_well_known_model(shipped: PriceMap) -> None:
    """Price, limits, abilities, source and version of one entry."""
    found = shipped.find("anthropic", "claude-haiku-4-5")
    assert found is not None
    assert found.price is not None
    assert (found.price.usd_per_mtok_in, found.price.usd_per_mtok_out) == (Decimal(1), Decimal(5))
    assert found.price.usd_per_mtok_cache_read == Decimal("0.1")
    assert found.price.usd_per_mtok_cache_write == Decimal("1.25")
    assert found.context_tokens == 200_000
    assert {Need.TOOLS, Need.JSON, Need.VISION} <= found.can
    assert found.source.startswith("https://")
    assert re.fullmatch(r"litellm-\d+\.\d+\.\d+.*", found.price.version)
    assert found.price.since == shipped.dated


def test_another_providers_entry_is_never_used(shipped: PriceMap) -> None:
    """The name alone is not enough; the provider must match, by its own name or the map's file name for it."""
    assert shipped.find("openai", "claude-haiku-4-5") is None
    assert shipped.find("openai", "no-such-model") is None
    assert shipped.find("openai", "sample_spec") is None
    prefixed = shipped.find("gemini", "gemini-2.5-flash")
    assert prefixed is not None
    assert prefixed.name == "gemini/gemini-2.5-flash"
    filed = shipped.find("vertex_ai", "gemini-2.5-flash")
    assert filed is None or filed.name in {"gemini-2.5-flash", "vertex_ai/gemini-2.5-flash"}


@pytest.mark.parametrize(
    "change",
    [
        {"input_cost_per_token": 0.0, "output_cost_per_token": 0},
        {"input_cost_per_token": 0.0},
        {"output_cost_per_token": 0.0},
        {"output_cost_per_token": None},
        {"input_cost_per_token": -1e-06},
        {"input_cost_per_token": "1e-06"},
        {"input_cost_per_token": True},
    ],
)
def test_zero_missing_and_nonsense_are_unknown(tmp_path: Path, change: dict[str, Any]) -> None:
    """The entry is found, its price is unknown, and unknown is `None`."""
    found = written(tmp_path, {"m": entry(**change)}).find("acme", "m")
    assert found is not None
    assert found.price is None
    assert price_history(hosted(), found) == ()


def test_not_a_number_is_unknown(tmp_path: Path) -> None:
    """NaN and Infinity, which Python's JSON lets pass, are no prices."""
    text = json.dumps({"m": entry()}).replace("1e-06", "NaN")
    found = written(tmp_path, text).find("acme", "m")
    assert found is not None
    assert found.price is None


@pytest.mark.parametrize("mode", ["embedding", "rerank"])
def test_embeddings_have_no_output_price(tmp_path: Path, mode: str) -> None:
    """For embeddings and rankings a missing or zero output price is right."""
    found = written(tmp_path, {"m": entry(mode=mode, output_cost_per_token=0.0)}).find("acme", "m")
    assert found is not None
    assert found.price is not None
    assert (found.price.usd_per_mtok_in, found.price.usd_per_mtok_out) == (Decimal(1), Decimal(0))


def test_limits_steps_and_retirement(tmp_path: Path) -> None:
    """The old `max_tokens` is an input limit only where no output limit is given; steps and dates are read."""
    plain = written(
        tmp_path,
        {
            "old": entry(max_tokens=4096),
            "new": entry(max_tokens=16384, max_output_tokens=16384),
            "stepped": entry(
                input_cost_per_token_above_200k_tokens=2e-06,
                output_cost_per_token_above_200k_tokens=4e-06,
                input_cost_per_token_above_512k_tokens=3e-06,
                input_cost_per_token_above_128k_tokens_batches=1e-06,
                deprecation_date="2027-04-01",
            ),
            "vague": entry(deprecation_date="some day"),
        },
    )
    old, new, stepped, vague = (plain.find("acme", name) for name in ("old", "new", "stepped", "vague"))
    assert old is not None
    assert (old.context_tokens, old.max_output_tokens) == (4096, None)
    assert new is not None
    assert (new.context_tokens, new.max_output_tokens) == (None, 16384)
    assert stepped is not None
    assert stepped.retires_on == date(2027, 4, 1)
    assert stepped.price is not None
    assert stepped.price.tiers == (
        PriceTier(above_input_tokens=200_000, usd_per_mtok_in=Decimal(2), usd_per_mtok_out=Decimal(4)),
        PriceTier(above_input_tokens=512_000, usd_per_mtok_in=Decimal(3), usd_per_mtok_out=Decimal(2)),
    )
    assert vague is not None
    assert vague.retires_on is None


def test_models_yaml_comes_first_from_its_day_on(tmp_path: Path) -> None:
    """The last declared entry that holds today wins; before the first of them the map's price holds."""
    listed = written(tmp_path, {"m": entry()}).find("acme", "m")
    history = price_history(
        hosted(since("2026-10-01", "3"), since("2026-11-01", "4"), since("2027-01-01", "5")), listed
    )
    held = [price_at(history, day) for day in (date(2026, 9, 30), date(2026, 10, 1), TODAY, date(2027, 1, 1))]
    assert [price.usd_per_mtok_in for price in held if price] == [1, 3, 4, 5]
    assert held[2] is not None
    assert held[2].version == "models.yaml@2026-11-01"


def test_a_declared_zero_is_a_price() -> None:
    """The operator may say that a model is free; only the map may not."""
    price = price_at(price_history(hosted(since("2026-01-01", "0")), None), TODAY)
    assert price is not None
    assert price.usd_per_mtok_in == 0


def test_old_and_undated_prices_warn() -> None:
    """Sixty days are fresh, one more is old, no date is said with the release."""

    def dated(day: date | None) -> Price:
        return Price(usd_per_mtok_in=Decimal(1), usd_per_mtok_out=Decimal(1), since=day, version="litellm-1.106.2")

    assert price_warning(dated(date(2026, 9, 23)), TODAY) is None
    assert price_warning(dated(date(2026, 9, 22)), TODAY) == "61 days old: check it at its source"
    assert price_warning(dated(None), TODAY) == "date unknown, release litellm-1.106.2"


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_broken_map_is_refused(tmp_path: Path, text: str) -> None:
    """Not JSON, not an object, not there: a sentence that says what to do."""
    with pytest.raises(FleetError, match="reinstall"):
        written(tmp_path, text)
    with pytest.raises(FleetError, match="cannot be read"):
        read_price_map(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("H100", "H100 SXM"),
        ("h-100", "H100 SXM"),
        ("H100-80GB-SXM", "H100 SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA A100-SXM4-40GB", "A100 SXM 40GB"),
        ("NVIDIA A100 80GB PCIe", "A100 PCIe 80GB"),
        ("4090", "RTX 4090"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX PRO 6000"),
        ("RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("l4", "L4"),
    ],
)
def test_gpus_are_found_by_loose_names(asked: str, name: str) -> None:
    """What people and drivers call a GPU finds its facts."""
    assert find_gpu(asked, read_gpus()).name == name


@pytest.mark.parametrize(
    ("asked", "sentence"), [("rtx", "fits several GPUs"), ("banana", "known: H100 SXM"), ("", "no GPU")]
)
def test_unclear_gpus_are_refused_with_the_list(asked: str, sentence: str) -> None:
    """Several or none: the sentence lists the names."""
    with pytest.raises(ValueError, match=sentence):
        find_gpu(asked, read_gpus())


def test_every_shipped_gpu_is_whole() -> None:
    """Each has a specification source, and each price a source; every name finds itself."""
    gpus = read_gpus()
    assert len(gpus) >= 12
    for gpu in gpus:
        assert find_gpu(gpu.name, gpus) is gpu
        assert gpu.spec_source
        assert all(price.source and price.usd > 0 for price in (gpu.rent, gpu.purchase) if price)


def test_the_locked_release_is_dated_by_its_day(shipped: PriceMap) -> None:
    """The day stands in the lock file beside the wheel; every shipped price says it, and goes stale by it."""
    lock = (Path(__file__).parent.parent / "uv.lock").read_text(encoding="utf-8")
    wheel = f"/litellm-{shipped.version.removeprefix('litellm-')}.tar.gz"
    line = next(line for line in lock.splitlines() if wheel in line)
    found = re.search(r'upload-time = "(\d{4}-\d{2}-\d{2})', line)
    assert found is not None
    assert shipped.dated == date.fromisoformat(found[1])
    mini = shipped.find("openai", "gpt-4o-mini")
    assert mini is not None
    assert mini.price is not None
    assert mini.price.since == shipped.dated
    assert "days old" in (price_warning(mini.price, date(2027, 6, 1)) or "")


def test_batch_and_reasoning_rates_are_read(shipped: PriceMap, tmp_path: Path) -> None:
    """Half for gpt-4o-mini in a batch; the dearer of two ratios; a thinking token at its own rate; else unknown."""
    mini = shipped.find("openai", "gpt-4o-mini")
    assert mini is not None
    assert mini.price is not None
    assert mini.price.batch_share == Decimal("0.5")
    half = at_batch_rates(mini.price)
    assert (half.usd_per_mtok_in, half.usd_per_mtok_out) == (Decimal("0.075"), Decimal("0.30"))
    own = entry(
        input_cost_per_token_batches=4e-07, output_cost_per_token_batches=1.2e-06, output_cost_per_reasoning_token=5e-06
    )
    listed = written(tmp_path, {"m": own, "n": entry(input_cost_per_token_batches=4e-07)})
    thinker, plain = listed.find("acme", "m"), listed.find("acme", "n")
    assert thinker is not None
    assert thinker.price is not None
    assert thinker.price.batch_share == Decimal("0.6")
    assert thinker.price.usd_per_mtok_reasoning == 5
    assert plain is not None
    assert plain.price is not None
    assert plain.price.batch_share is None
    assert at_batch_rates(plain.price) == plain.price
    usage = Usage(input_tokens=1000, output_tokens=100, reasoning_tokens=40)
    assert usd_for(thinker.price, usage) == Decimal(1000 * 1 + 60 * 2 + 40 * 5) / 10**6
    assert usd_for(plain.price, usage) == Decimal(1000 * 1 + 100 * 2) / 10**6
    assert usd_worst(thinker.price, input_tokens=1000, output_tokens=100) == Decimal(1000 * 1 + 100 * 5) / 10**6
