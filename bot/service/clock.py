"""The real time, behind the port that tests fill with a fake."""

import time
from datetime import UTC, datetime


class SystemClock:
    """Tell the machine's time."""

    __slots__ = ()

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that only grow."""
        return time.monotonic()
