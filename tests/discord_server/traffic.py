"""What went over the wire, and what is put in its way: faults, crashes, rate limits."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .world import Json

if TYPE_CHECKING:
    from .process import BotProcess


def path_pattern(glob: str) -> re.Pattern[str]:
    """Compile a path in which `*` stands for one segment and a final `**` for all the rest."""
    parts = re.escape(glob).replace(r"\*\*", ".*").replace(r"\*", "[^/]+")
    return re.compile(parts + r"\Z")


@dataclass
class Call:
    """One HTTP request and its answer; `path` starts behind /api/v10."""

    at_s: float
    method: str
    path: str
    route: str = ""
    query: dict[str, str] = field(default_factory=dict)
    body: Json | list[Json] | None = None
    filenames: list[str] = field(default_factory=list)
    status: int | None = None
    response: Json | list[Json] | None = None
    is_lost: bool = False


@dataclass(frozen=True)
class Violation:
    """A rule of Discord that the bot broke."""

    kind: str
    where: str
    detail: str


class Matcher:
    """A method and a path, from the request after `skip` on, `times` times (None: for good)."""

    def __init__(self, method: str, path: str, times: int | None, skip: int) -> None:
        self.method, self.pattern = method.upper(), path_pattern(path)
        self.times, self.skip = times, skip
        self.hits = 0
        self.seen = 0

    def takes(self, call: Call) -> bool:
        """Count the call when it matches; say whether it is one to act on."""
        if self.method not in ("*", call.method) or not self.pattern.match(call.path):
            return False
        self.seen += 1
        if self.seen <= self.skip or (self.times is not None and self.hits >= self.times):
            return False
        self.hits += 1
        return True


class Fault(Matcher):
    """An error answer, a delay or a lost connection for matching requests.

    status: answer this instead. retry_after_s: a 429 with this wait. delay_s: answer so much later.
    disconnect: cut the connection. after: only once the work is done, so that its answer is lost.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *,
        status: int | None = None,
        code: int = 0,
        message: str = "Injected by the test",
        retry_after_s: float | None = None,
        is_global: bool = False,
        delay_s: float = 0.0,
        disconnect: bool = False,
        after: bool = False,
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        super().__init__(method, path, times, skip)
        self.status = 429 if retry_after_s is not None else status
        self.code, self.message = code, message
        self.retry_after_s, self.is_global = retry_after_s, is_global
        self.delay_s, self.disconnect, self.after = delay_s, disconnect, after


class Crash(Matcher):
    """Kill a bot at the nth matching request: before the work (after=False) or before its answer."""

    def __init__(self, method: str, path: str, nth: int, bot: "BotProcess", *, after: bool) -> None:
        super().__init__(method, path, 1, nth - 1)
        self.bot, self.after = bot, after


@dataclass
class Window:
    resets_at_s: float
    remaining: int


@dataclass(frozen=True)
class Allowance:
    """What a bucket said to one request."""

    bucket: str
    limit: int
    remaining: int
    reset_after_s: float
    granted: bool

    def headers(self) -> Iterator[tuple[str, str]]:
        yield "X-RateLimit-Bucket", self.bucket
        yield "X-RateLimit-Limit", str(self.limit)
        yield "X-RateLimit-Remaining", str(self.remaining)
        yield "X-RateLimit-Reset", f"{time.time() + self.reset_after_s:.3f}"
        yield "X-RateLimit-Reset-After", f"{self.reset_after_s:.3f}"


class RateLimits:
    """Fixed windows by bucket and major parameter.

    Discord publishes no figures; these are what it was seen to use. Set `table[bucket] = (count,
    seconds)`, or None for a bucket without a limit.
    """

    def __init__(self) -> None:
        self.enabled = True
        self.default: tuple[int, float] | None = (50, 1.0)
        self.table: dict[str, tuple[int, float] | None] = {
            "message_create": (5, 5.0),
            "message_edit": (5, 5.0),
            "message_delete": (5, 1.0),
            "webhook": (5, 2.0),
            "reaction": (1, 0.25),
            "typing": (5, 5.0),
            "interaction": None,
        }
        self.refused: list[str] = []
        self.exhausted: list[str] = []
        self._windows: dict[tuple[str, str], Window] = {}

    def take(self, bucket: str, major: str) -> Allowance | None:
        """Count one request; None where nothing limits it."""
        rule = self.table.get(bucket, self.default)
        if not self.enabled or rule is None:
            return None
        limit, seconds = rule
        now = time.monotonic()
        window = self._windows.get((bucket, major))
        if window is None or window.resets_at_s <= now:
            window = self._windows[bucket, major] = Window(now + seconds, limit)
        granted = window.remaining > 0
        if granted:
            window.remaining -= 1
        else:
            self.refused.append(bucket)
        if granted and window.remaining == 0 and limit > 1:
            self.exhausted.append(bucket)
        return Allowance(bucket, limit, window.remaining, window.resets_at_s - now, granted)
