"""The OpenAPI description against the running router: what it promises holds, and nothing ends in a server error."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from process import Tap
from router import Router
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tap_fleet import fleet

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
PATHS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/messages",
    "/v1/rerank",
    "/v1/responses",
    "/v1/models",
]
PAGES = ["/healthz", "/readyz", "/metrics", "/api/status", "/api/receipts", "/api/summary"]


@pytest.fixture(scope="module")
def router(shared_taps: tuple[Tap, Tap, Tap], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """The real process over healthy engines."""
    local, openai, anthropic = shared_taps
    where = tmp_path_factory.mktemp("described")
    with Router.start(where, fleet(local=local, openai=openai, anthropic=anthropic)) as running:
        yield running
    assert b"internal error" not in running.output()


def explore(router: Router, path: str, examples: int) -> int:
    """Generated requests for every method of a path, each answer checked; returns how many were sent."""
    schema = schemathesis.openapi.from_url(f"{router.url}/openapi.json")
    sent = 0
    for method in schema[path]:
        operation = schema[path][method]
        # Good ones and bad ones, where there is anything to get wrong: a description must hold for both.
        modes = [schemathesis.GenerationMode.POSITIVE]
        if operation.body or [*operation.iter_parameters()]:
            modes.append(schemathesis.GenerationMode.NEGATIVE)
        for case_strategy in [operation.as_strategy(generation_mode=mode) for mode in modes]:

            @settings(
                max_examples=examples, deadline=None, database=None, derandomize=True,
                phases=[Phase.generate], suppress_health_check=[*HealthCheck],
            )  # fmt: skip
            @given(case=case_strategy)
            def one(case: Case[Any]) -> None:
                nonlocal sent
                sent += 1
                response = case.call(base_url=router.url)
                case.validate_response(response, checks=CHECKS)

            one()
    return sent


@pytest.mark.slow
@pytest.mark.parametrize("path", [*PATHS, *PAGES])
def test_the_description_holds(router: Router, path: str) -> None:
    """A few of each kind."""
    assert explore(router, path, examples=3) > 0


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS)
def test_the_description_holds_for_many(router: Router, path: str) -> None:
    """Fifty and more for each operation."""
    sent = explore(router, path, examples=50)
    print(f"{path}: {sent} generated requests")
    assert sent > 0
