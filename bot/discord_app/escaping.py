"""Makes text harmless for Discord: it shows as it was written and formats nothing.

Invariant: the escape of a beginning is the beginning of the escape (no rule looks
ahead), so that a passage which grows never changes what was shown of it before.
Pings are not this module's work: every message goes out with ``allowed_mentions``
none; here a mention only loses its looks.
"""

import re

# Anywhere: emphasis, strikethrough, spoilers, code, and the openings of masked links
# and of everything in angle brackets (mentions, timestamps, custom emoji, commands).
# At a line's start: headings, subtext, quotes, lists. A number's dot too ("1. ").
_MARKUP = re.compile(
    r"(?P<anywhere>[\\*_~`|<\[])"
    r"|(?P<indent>(?:^|(?<=\n))[ \t]*)(?:(?P<start>[#>+-])|(?P<number>\d{1,9})(?P<dot>[.)]))"
)
_INLINE = re.compile(r"[\\*_~`|<\[]")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_BIDI = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_BREAKS = re.compile(r"\s+")
_MAX_NAME = 80


def _escape(match: re.Match[str]) -> str:
    if match["anywhere"]:
        return "\\" + match["anywhere"]
    if match["start"]:
        return f"{match['indent']}\\{match['start']}"
    return f"{match['indent']}{match['number']}\\{match['dot']}"


def neutralise(text: str) -> str:
    """Return text that Discord shows literally."""
    return _MARKUP.sub(_escape, _CONTROLS.sub("", text))


def neutralise_line(text: str, limit: int = _MAX_NAME) -> str:
    """Return a name or title as one harmless line that cannot turn its neighbours around."""
    line = _BREAKS.sub(" ", _CONTROLS.sub("", _BIDI.sub("", text))).strip()
    if len(line) > limit:
        line = line[: limit - 1].rstrip() + "…"
    return neutralise_inline(line)


def neutralise_inline(text: str) -> str:
    """Return text for the middle of a line, where nothing of a line's start can happen."""
    return _INLINE.sub(r"\\\g<0>", text)


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 units: never less than what Discord counts."""
    return len(text) + sum(1 for letter in text if letter > "\uffff")
