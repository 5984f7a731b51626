"""Cases as lines of batches: a file for each endpoint, key and set of headers, for these hold for all its lines."""

import json
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from canary_cases import PATHS
from crowd_cases import Dealt
from crowd_words import Words
from router import Response, Router

__all__ = ["form", "through_a_batch"]

KEPT = ("x-localfleet-privacy", "x-localfleet-task")
OVER = {"completed", "failed", "cancelled", "expired"}
WAIT_S = 120.0
BOUNDARY = "a-boundary-of-a-form"
Group = tuple[str, str, tuple[tuple[str, str], ...]]


def form(filename: str, content: bytes, purpose: str = "batch") -> tuple[tuple[tuple[str, str], ...], bytes]:
    """Headers and body of a file's upload."""
    head = (
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="purpose"\r\n\r\n{purpose}\r\n--{BOUNDARY}\r\n'
        f'content-disposition: form-data; name="file"; filename="{filename}"\r\n'
        "content-type: application/jsonl\r\n\r\n"
    )
    body = head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()
    return (("content-type", f"multipart/form-data; boundary={BOUNDARY}"),), body


def through_a_batch(
    router: Router, tokens: Mapping[str, str], lines: Sequence[Dealt], words: Words
) -> Iterator[tuple[Dealt, Response]]:
    """Hand all of them in, wait for the ends, and read what became of each; its status is that of its line."""
    groups: dict[Group, list[tuple[Dealt, bytes]]] = defaultdict(list)
    for dealt in lines:
        wire = dealt.case.request(dealt.planted(words))
        kept = tuple(sorted((name.lower(), value) for name, value in wire.headers if name.lower() in KEPT))
        groups[PATHS[dealt.case.api], wire.key, kept].append((dealt, wire.body))
    opened = [(_opened(router, tokens, group, members, words), members) for group, members in groups.items()]
    for (batch, token), members in opened:
        yield from _ended(router, token, batch, [dealt for dealt, _ in members])


def _opened(
    router: Router, tokens: Mapping[str, str], group: Group, members: Sequence[tuple[Dealt, bytes]], words: Words
) -> tuple[str, dict[str, str]]:
    path, key, kept = group
    head = {"authorization": f"Bearer {tokens[key]}"}
    # Bodies go in as they are written, escapes and all: a line is JSON text of its own.
    raw = [
        b'{"custom_id": "case-%d", "method": "POST", "url": "%b", "body": %b}' % (
            dealt.number, path.encode(), b" ".join(body.splitlines())
        )
        for dealt, body in members
    ]  # fmt: skip
    named = members[0][0].planted(words).replace('"', "")
    headers, body = form(f"{named}.jsonl", b"\n".join(raw))
    file = router.send("POST", "/v1/files", body, (*headers, *head.items()))
    assert file.status == 200, file.body
    asked = {
        "input_file_id": file.json["id"], "endpoint": path, "completion_window": "24h", "metadata": {"note": named}
    }  # fmt: skip
    batch = router.post("/v1/batches", asked, head | dict(kept))
    assert batch.status == 200, batch.body
    return batch.json["id"], head


def _ended(router: Router, head: dict[str, str], batch: str, members: Sequence[Dealt]) -> Iterator[Any]:
    deadline = time.monotonic() + WAIT_S
    while (about := router.get(f"/v1/batches/{batch}", head).json)["status"] not in OVER:
        assert time.monotonic() < deadline, f"a batch is still {about['status']}"
        time.sleep(0.02)
    told = {one.number: one for one in members}
    for name in ("output_file_id", "error_file_id"):
        if about.get(name):
            content = router.get(f"/v1/files/{about[name]}/content", head).body
            for line in content.splitlines():
                row = json.loads(line)
                number = int(row["custom_id"].removeprefix("case-"))
                answered = row["response"] or {"status_code": 0, "request_id": "", "body": row["error"]}
                headers = {"x-localfleet-request-id": answered["request_id"]}
                said = json.dumps(answered["body"]).encode()
                yield told.pop(number), Response(status=answered["status_code"], headers=headers, body=said)
    assert not told, f"{len(told)} lines of a batch came to nothing: {about}"
