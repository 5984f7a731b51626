"""The running router against its own OpenAPI description, as schemathesis reads it."""

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from patient_engine import PatientEngine
from router import Router
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tap_fleet import ALL_APIS, ALL_NEEDS

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DATA_PLANE = {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/messages", "/v1/responses"}
PAGES = {"/v1/models", "/healthz", "/readyz", "/metrics", "/api/status", "/api/receipts", "/api/summary"}


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    """A router with one engine that answers anything."""
    with PatientEngine() as engine:
        box = {"engine": "endpoint", "url": f"{engine.url}/v1", "can": ALL_NEEDS, "apis": ALL_APIS}
        room = {"context_tokens": 10_000_000, "timeout_s": 10}
        with Router.start(tmp_path_factory.mktemp("schema"), {"version": 1, "local": {"box": {**box, **room}}}) as router:
            yield router


@pytest.fixture(scope="module")
def schema(router: Router) -> schemathesis.BaseSchema:
    """The description that the running process gives of itself."""
    return schemathesis.openapi.from_url(f"{router.url}/openapi.json")


@pytest.fixture(scope="module")
def admin(router: Router) -> dict[str, str]:
    """The admin's header, with the token printed at start."""
    token = router.output().partition(b"#token=")[2].split()[0].decode()
    return {"authorization": f"Bearer {token}"}


def test_every_page_is_described(schema: schemathesis.BaseSchema) -> None:
    """The description holds the five endpoints of the data plane, the model list, and what monitors and the admin use."""
    assert set(schema.keys()) == DATA_PLANE | PAGES


def hold(
    schema: schemathesis.BaseSchema, path: str, mode: GenerationMode, examples: int, headers: dict[str, str]
) -> None:
    """So many generated requests to every method of a path, all checks."""
    sized = settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    for operation in schema[path].values():

        def check(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS, headers=headers)

        sized(given(operation.as_strategy(generation_mode=mode))(check))()


@pytest.mark.parametrize("path", sorted(DATA_PLANE | PAGES))
def test_a_few_generated_requests(schema: schemathesis.BaseSchema, path: str, admin: dict[str, str]) -> None:
    """Requests that fit the description; the admin API with its token and without."""
    hold(schema, path, GenerationMode.POSITIVE, 5, admin if path.startswith("/api/") else {})
    hold(schema, path, GenerationMode.POSITIVE, 2, {})


@pytest.mark.slow
@pytest.mark.parametrize("mode", [*GenerationMode])
@pytest.mark.parametrize("path", sorted(DATA_PLANE | PAGES))
def test_generated_requests(
    schema: schemathesis.BaseSchema, path: str, mode: GenerationMode, admin: dict[str, str]
) -> None:
    """Requests that fit the description, and requests that break it in one place."""
    hold(schema, path, mode, 50, admin if path.startswith("/api/") else {})
