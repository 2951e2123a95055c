"""Time-ordered 64-bit ids and their short text form.

Invariant: ids of one process only grow; two processes with different node
numbers never give the same one. The layout follows Discord's and Twitter's
snowflakes: 41 bits of milliseconds, 10 of node, 12 of sequence.
"""

import threading
import time
from collections.abc import Callable

EPOCH_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32, lower case
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
MAX_ID = 2**63 - 1


class IdGenerator:
    """Give ids that only grow.

    Args:
        node: 0 to 1023, different in every process that shares a database.
        now_ms: the wall clock in milliseconds.
    """

    def __init__(
        self, node: int = 0, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    ) -> None:
        if not 0 <= node < 1024:  # noqa: PLR2004 -- ten bits
            msg = f"node must be between 0 and 1023, not {node}"
            raise ValueError(msg)
        self._node = node
        self._now_ms = now_ms
        self._last_ms = 0
        self._sequence = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """Return the next id; a clock that steps back is waited out in the sequence."""
        with self._lock:
            now_ms = max(self._now_ms() - EPOCH_MS, self._last_ms)
            if now_ms == self._last_ms:
                self._sequence += 1
                if self._sequence >> 12:
                    now_ms += 1
                    self._sequence = 0
            else:
                self._sequence = 0
            self._last_ms = now_ms
            return now_ms << 22 | self._node << 12 | self._sequence


def encode_id(value: int) -> str:
    """Return an id as up to 13 characters of base32, for custom_ids and file names."""
    if not 0 <= value <= MAX_ID:
        msg = f"not a 63-bit id: {value}"
        raise ValueError(msg)
    letters: list[str] = []
    while value:
        value, rest = divmod(value, 32)
        letters.append(_ALPHABET[rest])
    return "".join(reversed(letters)) or "0"


def decode_id(text: str) -> int:
    """Return the id that ``encode_id`` gave.

    Raises:
        ValueError: the text is not such an id.
    """
    if not 1 <= len(text) <= 13:  # noqa: PLR2004 -- 13 letters carry 65 bits
        msg = f"not an id: {text!r}"
        raise ValueError(msg)
    value = 0
    for letter in text.lower():
        if letter not in _VALUES:
            msg = f"not an id: {text!r}"
            raise ValueError(msg)
        value = value * 32 + _VALUES[letter]
    if value > MAX_ID:
        msg = f"not an id: {text!r}"
        raise ValueError(msg)
    return value
