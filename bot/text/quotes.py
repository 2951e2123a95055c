"""Quotes and brackets: which are open at the end of a text.

Invariant: an apostrophe is never a quote, and a quote that was left open in an
earlier paragraph is forgotten at the blank line (as books do in long speeches).
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import re

_PAIRS = {
    "“": "”",
    "„": "“",
    "‘": "’",
    "‚": "‘",
    "(": ")",
    "[": "]",
    "（": "）",
    "［": "］",
    "「": "」",
    "『": "』",
    "【": "】",
    "《": "》",
    "〈": "〉",
    "〔": "〕",
}
_GUILLEMETS = {"«": "»", "»": "«", "‹": "›", "›": "‹"}
_CLOSERS = frozenset(_PAIRS.values())
_SIGNS = re.compile("[\"'“”„‘’‚«»‹›()\\[\\]（）［］「」『』【】《》〈〉〔〕]")
_OPENS_AFTER = frozenset(" \n\t\u3000([{（「『【—–-\"'“‘„«‹*_~/")
_SPEECH_STARTS = frozenset("…—–-¿¡'\"“‘(.*_$#@")  # besides letters and digits
_MAX_DANGLING = 4  # opening signs in a row at the end
# Words whose apostrophe stands at the front.
_ELISIONS = re.compile(
    r"(?:tis|twas|twere|twill|twould|em|im|er|e|cause|til|till|round|bout|n|ere|cos|neath|gainst"
    r"|tween|mid|ave|ad|ead|ouse|orrible|s|d|ll|re|ve|m|t|\d+s?)(?![^\W\d_])",
    re.IGNORECASE,
)
_EYES = frozenset(":;=")  # before a bracket they make a face, not an aside
_MIXED = {'"': "”", "”": '"'}  # who opens in one style and closes in the other
_EITHER = {
    "'": frozenset("'’"),
    "’": frozenset("'’"),
    '"': frozenset('"”'),
    "”": frozenset('"”'),
}
_STOPS = frozenset(".!?…")
_BEFORE_CHARS = 4000
_QUOTE_CLOSERS = frozenset("”“’‘»›」』\"'")


def open_quotes(text: str) -> tuple[str, ...]:
    """Return the closing signs that are missing at the end of the text, innermost last."""
    start = text.rfind("\n\n") + 2 if "\n\n" in text else 0
    stack: list[str] = []
    for match in _SIGNS.finditer(text, start):
        sign, at = match.group(), match.start()
        before = text[at - 1] if at > start else ""
        after = text[at + 1] if at + 1 < len(text) else ""
        _take(stack, sign, before, after, text[at + 1 : at + 12])
    return tuple(stack)


def are_quotes_balanced(text: str) -> bool:
    """Whether no quote or bracket is open at the end of the text."""
    return not open_quotes(text)


def close_quotes(text: str) -> str:
    """Add the closing signs that are missing; a quote with nothing in it yet is dropped instead."""
    missing = open_quotes(text)
    if not missing:
        return text
    body = text.rstrip()
    for _ in range(_MAX_DANGLING):
        shorter = body[:-1].rstrip()
        if not _SIGNS.match(body[-1:]) or len(before := open_quotes(shorter)) >= len(missing):
            break
        body, missing = shorter, before
    return body + "".join(reversed(missing))


def drop_stray(text: str, before: str = "") -> str:
    """Take away quotes at the end that close nothing, or that open nothing any more.

    Args:
        text: ends with a sentence, or wherever it was cut.
        before: what stands before it; a quote that was left open there, in whichever paragraph,
            may end here.
    """
    body = text.rstrip()
    while len(body) > 1 and body[-1] in _EITHER and (body[-2] in _STOPS or body[-2].isspace()):
        rest = body[:-1].rstrip()
        wanted = _EITHER[body[-1]]
        told = f"{before[-_BEFORE_CHARS:]}{rest}"
        if any(wanted.intersection(open_quotes(part)) for part in told.split("\n\n")):
            break
        body = rest
    return body if len(body) < len(text.rstrip()) else text


def _take(stack: list[str], sign: str, before: str, after: str, rest: str) -> None:
    if sign == '"' or sign in _GUILLEMETS or sign == "”":
        _take_either_way(stack, sign, before, after)
    elif sign in "'’":
        _take_apostrophe(stack, sign, before, after, rest)
    elif sign in _CLOSERS and sign in stack:
        _close(stack, sign)
    elif sign == "‘" and _is_elision(before, rest):
        return
    elif sign in _PAIRS and not (sign == "(" and before in _EYES):
        _open(stack, _PAIRS[sign])


def _take_either_way(stack: list[str], sign: str, before: str, after: str) -> None:
    """Take a sign that opens in one book and closes in the next."""
    may_open = not before or before in _OPENS_AFTER
    opens = may_open and (after.isalnum() or after in _SPEECH_STARTS)
    if sign in stack and not (opens and before.isspace()):
        _close(stack, sign)
    elif not opens and _MIXED.get(sign) in stack:
        _close(stack, _MIXED[sign])
    elif sign in "«‹" or opens or (sign == '"' and may_open and not after):
        _open(stack, _GUILLEMETS.get(sign, sign))


def _take_apostrophe(stack: list[str], sign: str, before: str, after: str, rest: str) -> None:
    if before.isalnum() and after.isalnum():
        return
    closer = "’" if sign == "’" else "'"
    opens = (not before or before in _OPENS_AFTER) and bool(after) and not after.isspace()
    if opens and (sign == "’" or _is_elision(before, rest)):
        return
    if closer in stack and not opens:
        _close(stack, closer)
    elif opens and after.isalnum():
        _open(stack, closer)


def _is_elision(before: str, rest: str) -> bool:
    return not before.isalnum() and _ELISIONS.match(rest) is not None


def _open(stack: list[str], closer: str) -> None:
    """Open a quote, unless this very kind is open: it was left open by mistake, none nests in itself."""
    if closer not in _QUOTE_CLOSERS or closer not in stack:
        stack.append(closer)


def _close(stack: list[str], closer: str) -> None:
    """Close the innermost quote of this kind, with whatever was left open inside it."""
    while stack.pop() != closer:
        pass
