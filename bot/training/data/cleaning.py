"""One form of every text: quotes, dashes, spaces and lines.

Invariant: cleaning is idempotent, and a text of one paragraph a line, straight quotes and
single spaces comes back as it is.
"""

# ruff: noqa: RUF001 -- typographic quotes and dashes are meant as they stand

import re
import statistics
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import replace

from bot.training.data.tale import Tale

LEAST_CHARACTERS = 200
"""Less is no story: a heading, a licence, an empty page."""

_SIGNS = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′", "'"),
        **dict.fromkeys("“”„‟″", '"'),
        **dict.fromkeys(
            "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\t", " "
        ),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", None),
        "…": "...",
        "‒": "–",
        "―": "—",
    }
)
_TEX_QUOTES = re.compile(r"``|(?<!')''(?!')")
_TICK = re.compile(r"(?<![\w`])`(?=\w)")
_DASHES = re.compile(r" ?--+ ?")
_EMPHASIS = re.compile(r"(?<![\w_])_([^_\n]{1,200})_(?![\w_])")
_NEWLINES = re.compile("\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")
_SPACES = re.compile(r" {2,}")
_EDGES = re.compile(r" *\n *")
_GAP = re.compile(r"\n{3,}")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x7f]")
_LIST = re.compile(r"\s*([-*•>#|]|\d+[.)])\s")
# Project Gutenberg's marks around a book.
_BEGIN = re.compile(r"\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\*\*\*", re.IGNORECASE)
_END = re.compile(
    r"\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the )?Project Gutenberg"
)
_MAX_ROUNDS = 8
_WRAP_AT_LEAST, _WRAP_AT_MOST = 45, 100


def clean_tale_text(text: str, *, is_prose: bool = True) -> str:
    """Bring a text into the one form.

    Args:
        text: as it was read.
        is_prose: lines that end in the middle of a sentence are joined; a screenplay keeps them.
    """
    for _ in range(_MAX_ROUNDS):
        # One change can bring together what another rule then takes.
        cleaned = _clean_once(text, is_prose=is_prose)
        if cleaned == text:
            break
        text = cleaned
    return text


def _clean_once(text: str, *, is_prose: bool) -> str:
    text = _NEWLINES.sub("\n", unicodedata.normalize("NFC", text))
    if begin := _BEGIN.search(text):
        text = text[begin.end() :]
    if end := _END.search(text):
        text = text[: end.start()]
    text = _TEX_QUOTES.sub('"', _CONTROL.sub("", text).translate(_SIGNS))
    text = _TICK.sub("'", text)
    if is_prose:
        text = _EMPHASIS.sub(r"\1", _DASHES.sub("—", text))
        text = _unwrap(text)
        text = _EDGES.sub("\n", text)
    text = re.sub(r" +(?=\n|\Z)", "", text)
    return _GAP.sub("\n\n", _SPACES.sub(" ", text) if is_prose else text).strip()


def clean(tales: Iterable[Tale]) -> Iterator[Tale]:
    """Give the tales in one form; what is too short to be a story is left out."""
    for tale in tales:
        text = clean_tale_text(tale.text, is_prose=tale.format != "screenplay")
        if len(text) >= LEAST_CHARACTERS:
            yield replace(tale, text=text, title=" ".join(tale.title.translate(_SIGNS).split()))


def _unwrap(text: str) -> str:
    """Join the lines of paragraphs that were broken at a width."""
    return "\n\n".join(_unwrap_block(block) for block in re.split(r"\n[ \n]*\n", text))


def _unwrap_block(block: str) -> str:
    lines = [line for line in block.split("\n") if line.strip()]
    if not _is_wrapped(lines):
        return "\n".join(lines)
    return " ".join(line.strip() for line in lines)


def _is_wrapped(lines: list[str]) -> bool:
    if len(lines) < 2 or any(_LIST.match(line) for line in lines):  # noqa: PLR2004 -- two lines are the least that can be joined
        return False
    widths = [len(line.strip()) for line in lines[:-1]]
    if max(widths) > _WRAP_AT_MOST:
        return False
    return statistics.median(widths) >= _WRAP_AT_LEAST
