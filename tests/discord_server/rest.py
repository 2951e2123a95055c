"""The HTTP side: authorisation, faults, crashes, rate limits, and the table of routes."""

import asyncio
import contextlib
import json
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import BodyPartReader, web

from .problems import ApiError
from .state import Files, State
from .traffic import Allowance, Call, Fault
from .world import Json

PREFIX = "/api/v10"
Answer = Json | list[Json] | None


@dataclass
class Request:
    """A request as a handler gets it; `ids` are the numbers in its path."""

    call: Call
    ids: dict[str, int]
    texts: dict[str, str]
    body: Json
    items: list[Json]
    files: Files

    def flag(self, name: str) -> bool:
        return self.call.query.get(name, "").lower() in ("1", "true")


Handler = Callable[[State, Request], Answer]


@dataclass(frozen=True)
class Route:
    """A method and a path template; `major` names the parameter that splits the bucket."""

    method: str
    template: str
    handler: Handler
    bucket: str
    needs_token: bool = True
    major: str = "channel"

    @property
    def pattern(self) -> re.Pattern[str]:
        def name(found: re.Match[str]) -> str:
            return f"(?P<{found[1]}>[^/]+)"

        return re.compile(re.sub(r"\{(\w+)\}", name, self.template) + r"\Z")


def as_json(call: Call, headers: dict[str, str]) -> web.Response:
    """Answer with the call's response; discord.py takes this very content type for JSON."""
    return web.Response(
        body=json.dumps(call.response).encode(),
        status=call.status or 500,
        headers={"Content-Type": "application/json", **headers},
    )


class Rest:
    """Answer requests from a table of routes."""

    def __init__(self, state: State, routes: list[Route]) -> None:
        self.state = state
        self._routes = [(route, route.pattern) for route in routes]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0].removeprefix(PREFIX)
        call = Call(time.monotonic(), request.method, path, query=dict(request.query))
        files = await self._read(request, call)
        self.state.calls.append(call)
        fault = next((each for each in self.state.faults if each.takes(call)), None)
        try:
            response = await self._respond(request, call, files, fault)
        finally:
            self.state.pulse()
        return response

    async def _respond(
        self, request: web.Request, call: Call, files: Files, fault: Fault | None
    ) -> web.StreamResponse:
        crashes = [each for each in self.state.crashes if each.takes(call)]
        for crash in crashes:
            if not crash.after:
                crash.bot.kill_now()
                return self._cut(request, call)
        if fault is not None and not fault.after:
            spoilt = await self._spoil(request, call, fault)
            if spoilt is not None:
                return spoilt
        response = self._work(request, call, files)
        for crash in crashes:
            crash.bot.kill_now()
            return self._cut(request, call)
        if fault is not None and fault.after:
            return await self._spoil(request, call, fault) or response
        return response

    def _work(self, request: web.Request, call: Call, files: Files) -> web.Response:
        allowance: Allowance | None = None
        try:
            route, found = self._find(call)
            self._authorise(request, route)
            allowance = self._limit(route, found)
            if allowance is not None and not allowance.granted:
                return self._too_many(call, allowance)
            answer = route.handler(self.state, self._request(call, found, files))
            call.status, call.response = 204 if answer is None else 200, answer
        except ApiError as error:
            call.status, call.response = error.status, error.body
        except Exception:  # noqa: BLE001 - the root of a request: the test must see it, not aiohttp's log
            self.state.errors.append(traceback.format_exc())
            call.status, call.response = 500, {"message": "the stand-in failed", "code": 0}
        headers = dict(allowance.headers()) if allowance is not None else {}
        if call.status == 204:
            return web.Response(status=204, headers=headers)
        return as_json(call, headers)

    # -- reading ------------------------------------------------------------------------

    async def _read(self, request: web.Request, call: Call) -> Files:
        files: Files = []
        if request.content_type == "multipart/form-data":
            async for part in await request.multipart():
                if isinstance(part, BodyPartReader):
                    data = bytes(await part.read(decode=False))
                    if part.name == "payload_json":
                        call.body = json.loads(data)
                    else:
                        files.append((part.filename or part.name or "", data))
            call.filenames = [name for name, _ in files]
        else:
            raw = await request.read()
            with contextlib.suppress(ValueError):
                call.body = json.loads(raw) if raw else None
        return files

    def _find(self, call: Call) -> tuple[Route, dict[str, str]]:
        known = False
        for route, pattern in self._routes:
            found = pattern.match(call.path)
            if found is not None:
                known = True
                if route.method == call.method:
                    call.route = route.template
                    return route, found.groupdict()
        self.state.violate("unknown_route", f"{call.method} {call.path}", "not in the stand-in")
        raise ApiError(
            405 if known else 404, 0, "405: Method Not Allowed" if known else "404: Not Found"
        )

    def _authorise(self, request: web.Request, route: Route) -> None:
        if route.needs_token and request.headers.get("Authorization") != f"Bot {self.state.token}":
            raise ApiError(401, 0, "401: Unauthorized")

    def _limit(self, route: Route, found: dict[str, str]) -> Allowance | None:
        return self.state.limits.take(route.bucket, found.get(route.major, ""))

    def _request(self, call: Call, found: dict[str, str], files: Files) -> Request:
        ids = {key: int(text) for key, text in found.items() if text.isdigit()}
        body = call.body if isinstance(call.body, dict) else {}
        items = call.body if isinstance(call.body, list) else []
        return Request(call, ids, found, body, items, files)

    # -- refusing -------------------------------------------------------------------------

    def _too_many(self, call: Call, allowance: Allowance) -> web.Response:
        headers = dict(allowance.headers())
        return self._429(call, allowance.reset_after_s, headers, is_global=False)

    def _429(
        self, call: Call, wait_s: float, headers: dict[str, str], *, is_global: bool
    ) -> web.Response:
        call.status = 429
        call.response = {
            "message": "You are being rate limited.",
            "retry_after": round(wait_s, 3),
            "global": is_global,
        }
        headers |= {
            "Retry-After": str(int(wait_s) + 1),
            "Via": "1.1 stand-in",
            "X-RateLimit-Scope": "global" if is_global else "user",
        }
        return as_json(call, headers)

    async def _spoil(
        self, request: web.Request, call: Call, fault: Fault
    ) -> web.StreamResponse | None:
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.disconnect:
            return self._cut(request, call)
        if fault.retry_after_s is not None:
            return self._429(call, fault.retry_after_s, {}, is_global=fault.is_global)
        if fault.status is None:
            return None
        call.status, call.response = fault.status, {"code": fault.code, "message": fault.message}
        return as_json(call, {})

    def _cut(self, request: web.Request, call: Call) -> web.StreamResponse:
        call.is_lost = True
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
