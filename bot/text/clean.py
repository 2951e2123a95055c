"""Make a member's words fit to be kept: one form of each character, nothing hidden in them.

Invariant: ``clean_text`` is idempotent; it raises ``EmptyTextError`` or
``TextTooLongError`` and nothing else. What is visible stays as it was written,
right-to-left letters, emoji sequences and the joiners of Persian and Indic included.
"""

import re
import unicodedata
from functools import lru_cache

from bot.errors import EmptyTextError, TextTooLongError

MAX_MARKS = 4  # combining marks on one letter; pointed and cantillated Hebrew needs four
_MAX_ROUNDS = 8

_ZWNJ, _ZWJ = "\u200c", "\u200d"
_NEWLINES = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f]")
# A flag such as Scotland's is a black flag, tag letters, and a cancel tag.
_TAG_SEQUENCE = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
# Visible although Unicode files them under Cf: Arabic number signs and their like.
_VISIBLE_FORMATS = frozenset(
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)
# Blank although Unicode files them under letters, marks and symbols.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_JOINERS = re.compile("[\u200c\u200d]+")
# Cursive and conjunct scripts in which a joiner changes what is read.
_JOINING_SCRIPT = re.compile("[\u0600-\u08ff\u0900-\u0dff\u0f00-\u0fff\u1000-\u109f\u1780-\u18af]")
_BLANK_LINES = re.compile(r"\n{4,}")
_TRAILING = re.compile(r"(?<! ) +(?=\n|\Z)")  # the look behind keeps long runs linear
_RUN_OF_SPACE = re.compile(r"\s+")
_FIRST_PICTOGRAPH = 0x1F000


def clean_text(raw: str, *, limit: int) -> str:
    """Normalise a member's words.

    Args:
        raw: as it arrived.
        limit: characters that are taken at once, counted after cleaning.

    Returns:
        NFC text with LF line ends, at most two blank lines in a row, no control,
        zero-width or bidi-override characters, and no ends of white space.

    Raises:
        EmptyTextError: nothing visible is left.
        TextTooLongError: more than ``limit`` characters are left.
    """
    text = raw
    for _ in range(_MAX_ROUNDS):
        # One removal can bring together what another rule then takes: go on until nothing changes.
        cleaned = _clean_once(text)
        if cleaned == text:
            break
        text = cleaned
    if not is_visible(text):
        raise EmptyTextError
    if len(text) > limit:
        raise TextTooLongError(length=len(text), limit=limit)
    return text


def clean_line(raw: str, *, limit: int) -> str:
    """Normalise what must stand on one line: a title, a name.

    Raises:
        EmptyTextError: nothing visible is left.
        TextTooLongError: more than ``limit`` characters are left.
    """
    line = _RUN_OF_SPACE.sub(" ", clean_text(raw, limit=max(limit, len(raw) * 4)))
    if len(line) > limit:
        raise TextTooLongError(length=len(line), limit=limit)
    return line


def is_visible(text: str) -> bool:
    """Whether anything in the text can be seen: a letter, digit, sign or picture."""
    return any(
        unicodedata.category(char)[0] in "LNPS" or _is_pictograph(char)
        for char in text
        if char not in _BLANKS
    )


def _clean_once(raw: str) -> str:
    text = _SPACES.sub(" ", _NEWLINES.sub("\n", raw))
    if not text.isascii() or not text.isprintable():
        text = _remove_hidden(text)
        text = _keep_needed_joiners(text)
        text = _trim_marks(unicodedata.normalize("NFC", text))
    text = _BLANK_LINES.sub("\n\n\n", _TRAILING.sub("", text))
    return text.strip()


def _remove_hidden(text: str) -> str:
    kept: list[str] = []
    position = 0
    for flag in _TAG_SEQUENCE.finditer(text):
        kept.extend(char for char in text[position : flag.start()] if not _is_hidden(char))
        kept.append(flag.group())
        position = flag.end()
    kept.extend(char for char in text[position:] if not _is_hidden(char))
    return "".join(kept)


@lru_cache(maxsize=4096)
def _is_hidden(char: str) -> bool:
    if char in "\n\u200c\u200d" or char in _VISIBLE_FORMATS:
        return False
    category = unicodedata.category(char)
    # Unassigned code points stay: they may be emoji that are newer than Python's tables.
    is_noncharacter = ord(char) & 0xFFFE == 0xFFFE or "\ufdd0" <= char <= "\ufdef"  # noqa: PLR2004 -- Unicode, chapter 23.7
    return category in {"Cc", "Cf", "Cs"} or is_noncharacter or char in _BLANKS


def _keep_needed_joiners(text: str) -> str:
    """Drop joiners but for those inside emoji sequences and between cursive or Indic letters."""

    def keep(match: re.Match[str]) -> str:
        before = text[match.start() - 1] if match.start() else ""
        after = text[match.end() : match.end() + 1]
        if not before or not after:
            return ""
        if _JOINING_SCRIPT.match(before) and _JOINING_SCRIPT.match(after):
            return match.group()[0]
        is_sequence = _joins_pictures(before) and _joins_pictures(after)
        return _ZWJ if is_sequence and _ZWJ in match.group() else ""

    return _JOINERS.sub(keep, text)


def _joins_pictures(char: str) -> bool:
    return char == "\ufe0f" or _is_pictograph(char) or unicodedata.category(char) == "So"


def _is_pictograph(char: str) -> bool:
    return ord(char) >= _FIRST_PICTOGRAPH and unicodedata.category(char) in {"So", "Sk", "Cn"}


def _trim_marks(text: str) -> str:
    """Keep at most ``MAX_MARKS`` combining marks in a row; more are a prank on the screen."""
    kept: list[str] = []
    marks = 0
    for char in text:
        if unicodedata.category(char) in {"Mn", "Me"}:
            marks += 1
            if marks > MAX_MARKS:
                continue
        else:
            marks = 0
        kept.append(char)
    return "".join(kept)
