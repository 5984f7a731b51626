"""When a provider's prompt cache pays: the hit share from which, and what a prefix saves that is used so many times."""

from collections.abc import Iterator
from decimal import Decimal

from localfleet.core.cost.hosted import cache_break_even_share, cache_saving_share
from localfleet.core.plan.case import Case, Hosted
from localfleet.cost.figures import Figure, Input, slug
from localfleet.cost.paper import percent
from localfleet.cost.sheet import Cell, Grid, Section

__all__ = ["cache_figures", "caches_section"]

USES = (2, 5, 10)


def cache_figures(case: Case) -> Iterator[Figure]:
    """For each hosted model that has a price for cache reads."""
    for model in case.hosted:
        terms = _terms(model)
        if terms is None:
            continue
        read, write = terms
        inputs = tuple(
            Input(name=name, value=float(value), unit="of the input price", source=model.origin)
            for name, value in (("r", read), ("w", write))
        )
        yield Figure(
            id=f"{_key(model)}.break_even_share",
            value=float(cache_break_even_share(read_multiplier=read, write_multiplier=write)),
            unit="of the input",
            formula="(w - 1) / (w - r); 0 where writing costs no more than plain input",
            inputs=inputs,
        )
        for uses in USES:
            yield Figure(
                id=f"{_key(model)}.saving_share.uses-{uses}",
                value=float(cache_saving_share(uses=uses, read_multiplier=read, write_multiplier=write)),
                unit="of the prefix's input price",
                formula=f"1 - (w + r (n - 1)) / n with n = {uses}",
                inputs=inputs,
            )


def caches_section(case: Case) -> tuple[Section, ...]:
    """The table; nothing where no model has a price for cache reads."""
    found = {figure.id: figure for figure in cache_figures(case)}
    names = ("break_even_share", *(f"saving_share.uses-{uses}" for uses in USES))
    rows: list[list[Cell | str]] = []
    for model in case.hosted:
        cells = [found[f"{_key(model)}.{name}"] for name in names if f"{_key(model)}.{name}" in found]
        if cells:
            rows.append([model.name, *(Cell(words=percent(cell.value or 0.0), id=cell.id) for cell in cells)])
    if not rows:
        return ()
    hits = ", ".join(f"{work.name} {percent(work.cache_read_share)}" for work in case.works)
    told = (
        "From this share of hits on, caching a prefix saves; below it, writing costs more than reading saves. Then "
        f"what a prefix saves that is used so many times. Hits here: {hits}."
    )
    head = ("model", "pays from hits of", *(f"saved at {uses} uses" for uses in USES))
    return (Section(title="When a prompt cache pays", prose=[told], grids=[Grid(head=head, rows=rows)]),)


def _key(model: Hosted) -> str:
    return f"cache.{slug(model.name)}"


def _terms(model: Hosted) -> tuple[Decimal, Decimal] | None:
    """Cache reads and writes as multiples of the input price; a write without a price costs plain input."""
    price = model.price
    if price is None or price.usd_per_mtok_cache_read is None or not price.usd_per_mtok_in:
        return None
    write = price.usd_per_mtok_in if price.usd_per_mtok_cache_write is None else price.usd_per_mtok_cache_write
    read = min(price.usd_per_mtok_cache_read, price.usd_per_mtok_in)
    return (read / price.usd_per_mtok_in, write / price.usd_per_mtok_in) if write else None
