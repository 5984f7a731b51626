"""The data plane in the OpenAPI description: FastAPI knows only its own pages, so the six endpoints are added here."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

__all__ = ["describe"]

TEXT = {"type": "string"}
MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
        "content": {},
    },
}
COMMON: dict[str, Any] = {
    "model": {"type": "string", "minLength": 1, "description": "A model's name, an alias, `auto` or `local`."},
    "stream": {"type": ["boolean", "null"]},
    "metadata": {"description": "May carry privacy, task, session, action, max_cost_usd, deadline_ms and priority."},
}
WHOLE = {"type": ["integer", "null"], "minimum": 1}
MESSAGES = {"type": "array", "minItems": 1, "items": MESSAGE}
FILLED = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "minItems": 1}]}
NAMED_TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
DOCUMENTS = {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string", "minLength": 1}, NAMED_TEXT]}}
RANKED = {
    "query": {"type": "string", "minLength": 1},
    "documents": DOCUMENTS,
    "top_n": {"type": ["integer", "null"], "minimum": 0, "description": "How many come back, the best first; 0: all."},
    "return_documents": {"type": ["boolean", "null"], "description": "False: places and scores alone."},
}
ENDPOINTS: dict[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "/v1/chat/completions": (
        "OpenAI chat completions",
        ("messages",),
        {"messages": MESSAGES, "max_tokens": WHOLE, "n": WHOLE},
    ),
    "/v1/completions": ("OpenAI legacy completions", ("prompt",), {"prompt": FILLED, "max_tokens": WHOLE}),
    "/v1/embeddings": ("OpenAI embeddings", ("input",), {"input": FILLED}),
    "/v1/messages": (
        "Anthropic Messages",
        ("messages",),
        {"messages": MESSAGES, "max_tokens": {**WHOLE, "type": "integer"}},
    ),
    "/v1/rerank": ("Documents by relevance to a query, as vLLM, Jina and Cohere", ("query", "documents"), RANKED),
    "/v1/responses": ("OpenAI Responses", ("input",), {"input": FILLED, "max_output_tokens": WHOLE}),
}
REQUEST_HEADERS: dict[str, dict[str, Any]] = {
    "x-localfleet-privacy": {"enum": ["public", "internal", "restricted"]},
    "x-localfleet-task": TEXT,
    "x-localfleet-session": TEXT,
    "x-localfleet-action": TEXT,
    "x-localfleet-max-cost-usd": {"type": "number", "minimum": 0},
    "x-localfleet-deadline-ms": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
    "x-localfleet-priority": {"enum": ["live", "batch"]},
}
RESPONSE_HEADERS = ("request-id", "model", "tier", "privacy", "reason", "attempts")
ERROR: dict[str, Any] = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error"],
            "properties": {
                "type": {"const": "error"},
                "error": {
                    "type": "object",
                    "required": ["message", "type", "code", "param", "src"],
                    "properties": {"message": TEXT, "type": TEXT, "code": TEXT, "src": {"const": "localfleet"}},
                },
            },
        }
    }
}
STATUSES = {
    400: "The request cannot be read, or the model's server rejected it.",
    401: "No key, or one nobody knows.",
    402: "Over a budget or the request's highest cost.",
    403: "The key may not do this, or a web page or foreign host asks a router without keys.",
    404: "No such model.",
    408: "The body did not arrive in time.",
    409: "The label forbids the hosted model asked for.",
    413: "The body is over the limit.",
    422: "No model that may see the request can serve it.",
    429: "The key's rate limit, or the last provider's.",
    502: "Every door failed.",
    503: "No legal door is open now; see retry-after.",
    504: "The deadline passed, or the last engine timed out.",
}

RELOAD_STATUSES = {
    409: "Not now: the router drains.",
    422: "The file has problems, which `error.problems` lists by line and path; nothing was changed.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole description, made once and kept by FastAPI."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, routes=app.routes)
        _mend_pages(schema["paths"])
        schema["paths"].update({path: {"post": _operation(*row)} for path, row in ENDPOINTS.items()})
        schema["paths"]["/v1/models"] = {"get": {"summary": "Models", "responses": _responses()}}
        app.openapi_schema = schema
    return app.openapi_schema


def _mend_pages(paths: dict[str, Any]) -> None:
    """What FastAPI cannot know of its own pages: who is refused, and that a bad parameter is a 400 here."""
    refused = {str(status): {"description": STATUSES[status], "content": ERROR} for status in (400, 401, 403)}
    for path, methods in paths.items():
        for operation in methods.values():
            if path.startswith("/api/") or path == "/metrics":
                good = {status: told for status, told in operation["responses"].items() if status.startswith("2")}
                operation["responses"] = {**good, **refused}
    told = {str(status): {"description": text, "content": ERROR} for status, text in RELOAD_STATUSES.items()}
    paths["/api/reload"]["post"]["responses"] |= told
    paths["/metrics"]["get"]["responses"]["200"]["content"] = {"text/plain": {"schema": TEXT}}


def _operation(summary: str, needed: tuple[str, ...], properties: dict[str, Any]) -> dict[str, Any]:
    body = {
        "type": "object",
        "required": ["model", *needed],
        "properties": {**COMMON, **properties},
        "additionalProperties": True,
    }
    parameters = [
        {"name": name, "in": "header", "required": False, "schema": schema} for name, schema in REQUEST_HEADERS.items()
    ]
    return {
        "summary": summary,
        "parameters": parameters,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": _responses(),
    }


def _responses() -> dict[str, Any]:
    headers = {f"x-localfleet-{name}": {"schema": TEXT} for name in RESPONSE_HEADERS}
    streamed = {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": TEXT}}
    answers: dict[str, Any] = {"200": {"description": "The answer.", "headers": headers, "content": streamed}}
    for status, text in STATUSES.items():
        answers[str(status)] = {"description": text, "headers": headers, "content": ERROR}
    return answers
