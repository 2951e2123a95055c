"""The state that buttons, selects and modals carry: ``rt1:<act>:<a>:<b>[:<extra>]``.

Invariant: the version comes first, ids are base32, and the whole is at most 100
characters; what this version cannot read is answered, never ignored.
"""

import re
from dataclasses import dataclass

from bot.story.ids import decode_id, encode_id

VERSION = "rt1"
MAX_CUSTOM_ID = 100
PATTERN = re.compile(
    rf"{VERSION}:(?P<act>[a-z_]{{1,20}}):(?P<a>[0-9a-z]{{1,13}}):(?P<b>[0-9a-z]{{1,13}})"
    r"(?::(?P<extra>[a-z0-9_.\-]{0,45}))?"
)


@dataclass(frozen=True, slots=True)
class Ref:
    """What a component means.

    Attributes:
        act: what to do.
        a: a story's or draft's id; 0 for none.
        b: the passage that was newest when the component was drawn, or a page.
        extra: whatever else the act needs.
    """

    act: str
    a: int = 0
    b: int = 0
    extra: str = ""

    def __str__(self) -> str:
        tail = f":{self.extra}" if self.extra else ""
        return f"{VERSION}:{self.act}:{encode_id(self.a)}:{encode_id(self.b)}{tail}"


def parse(custom_id: str) -> Ref | None:
    """Return what a custom_id means; None where this version did not make it."""
    match = PATTERN.fullmatch(custom_id)
    if match is None:
        return None
    try:
        return Ref(match["act"], decode_id(match["a"]), decode_id(match["b"]), match["extra"] or "")
    except ValueError:
        return None
