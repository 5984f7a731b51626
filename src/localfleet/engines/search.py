"""A search endpoint as a door: a query goes out, documents come back, in the form of a chat answer."""

import asyncio
from functools import partial

from localfleet.core.ask import Api
from localfleet.core.fleet import EngineState
from localfleet.core.reason import Reason
from localfleet.core.route import HostedRoute, Route
from localfleet.core.usage import Usage
from localfleet.engines.client import Headers, HttpClient, Response, Secret
from localfleet.engines.refused import refused
from localfleet.engines.replies import WholeReply, garbled
from localfleet.engines.turnstile import Turnstile
from localfleet.errors import EngineFailed
from localfleet.ports import Call, Reply
from localfleet.wire.search import Asked, SearchForm, asked, query_of, spoken_results

__all__ = ["SearchEngine"]

LARGEST_ANSWER = 4 * 2**20
NO_TOKENS = Usage(input_tokens=0, output_tokens=0)
"""A search is paid for by the query."""
NO_WORDS = "There is nothing to search for: the query is empty."
WHOLE_ONLY = "A search answers in chat, and whole: ask without `stream`, or let a pipeline's stage ask."
SHUT = "It refused the search: a SearXNG wants `json` under `search.formats` in its settings, others want a key."


class SearchEngine:
    """One endpoint. Speaks chat of one turn to the router, and what `form` says to the endpoint."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        form: SearchForm,
        key: tuple[str, Secret] | None,
        client: HttpClient,
        timeout_s: float,
    ) -> None:
        """`key` is a header and what goes into it; `timeout_s` is for the whole answer."""
        self._name = name
        self._form = form
        self._key = key
        self._host = client.at(base_url)
        self._turnstile = Turnstile(name, timeout_s=timeout_s)
        self._timeout_s = timeout_s

    def __repr__(self) -> str:
        """The name, and nothing secret."""
        return f"SearchEngine({self._name!r})"

    def state(self) -> EngineState:
        """How it is, from memory."""
        return self._turnstile.state()

    async def send(self, route: Route, call: Call) -> Reply:
        """Search; raise `EngineFailed` if no results came, `TypeError` for a route to elsewhere (law 3)."""
        if not isinstance(route, HostedRoute) or route.model != self._name:
            raise TypeError("this route does not lead to this engine")
        if call.stream or call.api is not Api.CHAT:
            raise EngineFailed(WHOLE_ONLY, reason=Reason.UPSTREAM_REJECTED)
        query = query_of(call.body, self._form.query_chars)
        if not query:
            raise EngineFailed(NO_WORDS, reason=Reason.UPSTREAM_REJECTED)
        return await self._turnstile.through(partial(self._search, call, query), given_s=call.timeout_s)

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._host.aclose()

    async def _search(self, call: Call, query: str) -> WholeReply:
        deadline = asyncio.get_running_loop().time() + min(call.timeout_s, self._timeout_s)
        response = await self._ask(asked(self._form, query), call.request_id, deadline)
        try:
            if response.status != 200:
                failure = await refused(response, deadline)
                raise self._shut() if response.status == 403 and self._key is None else failure
            if response.content_type != b"application/json":
                raise garbled()
            data = await response.read(deadline, LARGEST_ANSWER)
        finally:
            response.close()
        try:
            body = spoken_results(self._form, data, model=self._name, request_id=call.request_id)
        except ValueError:
            raise garbled() from None
        return WholeReply(body, usage=NO_TOKENS, text_bytes=0)

    async def _ask(self, what: Asked, request_id: str, deadline: float) -> Response:
        plain = {"accept": "application/json"}
        if what.content_type is not None:
            plain["content-type"] = what.content_type
        headers = Headers(plain, secret=self._secret())
        if what.body is None:
            return await self._host.get(what.path, headers, deadline=deadline)
        return await self._host.post(what.path, headers, what.body, deadline=deadline, request_id=request_id)

    def _secret(self) -> tuple[str, str, Secret] | None:
        if self._key is None:
            return None
        header, key = self._key
        return header, "Bearer " if header == "authorization" else "", key

    def _shut(self) -> EngineFailed:
        return EngineFailed(SHUT, reason=Reason.UPSTREAM_DENIED, upstream_status=403)
