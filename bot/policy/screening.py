r"""Words that are not allowed, in what comes in and in what streams out.

Invariant: what ``StreamScreen`` lets through never contains a blocked word, however
the text arrives, grows or shrinks. Words are compared without case, accents and
compatibility forms and with the commonest disguises (``1`` for ``i``, ``@`` for
``a``); they must stand alone, but for a ``*`` at their end, and but for scripts that
put no space between words.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

from bot.errors import ScreenedError
from bot.policy.registry import MAX_WORD_CHARS
from bot.text.scripts import CJK

_DISGUISES = {
    "a": "a4@",
    "b": "b8",
    "e": "e3",
    "g": "g9",
    "i": "i1!|",
    "l": "l1|",
    "o": "o0",
    "s": "s5$",
    "t": "t7+",
    "z": "z2",
}
_LETTER = rf"[^\W_{CJK}]"
_BEFORE = rf"(?<!{_LETTER})"
_AFTER = rf"(?!{_LETTER})"
_GAP = r"\s{1,3}"  # between the words of a phrase
_SLACK_CHARS = 3 * MAX_WORD_CHARS  # longer than any entry, its gaps included


def default_words() -> tuple[str, ...]:
    """Return the built-in list: the few words that no server wants."""
    return _default_words()


@lru_cache(maxsize=1)
def _default_words() -> tuple[str, ...]:
    lines = resources.files("bot.policy").joinpath("words.txt").read_text("utf-8").splitlines()
    return tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))


@lru_cache(maxsize=256)
def screen_for(word_list: tuple[str, ...] = ()) -> "Screen":
    """Return the screen of the built-in list and a channel's own (one for each list)."""
    return Screen((*default_words(), *word_list))


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a blocked word stands in a text."""

    start: int
    end: int


class Screen:
    """Looks for blocked words. Immutable.

    Args:
        word_list: words and phrases; a ``*`` at the end takes every ending.
    """

    __slots__ = ("_partial", "_whole")

    def __init__(self, word_list: Iterable[str]) -> None:
        entries = sorted({entry for word in word_list if (entry := _Entry.of(word))})
        ending = _either([entry for entry in entries if not entry.is_open_ended], _Entry.whole)
        ongoing = _either([entry for entry in entries if entry.is_open_ended], _Entry.whole)
        beginning = _either(entries, _Entry.beginnings)
        # The group says which words are certain only when something follows them.
        self._whole = re.compile(rf"(?P<ongoing>{ongoing})|(?P<ending>(?:{ending}){_AFTER})")
        self._partial = re.compile(rf"(?:{beginning})\Z")

    def find(self, text: str) -> Hit | None:
        """Return the first blocked word in a text that is complete."""
        return self._find(_Folded.of(text), is_final=True)

    def check_input(self, text: str) -> None:
        """Pass a member's words or refuse them.

        Raises:
            ScreenedError: they contain a blocked word (which the error does not repeat).
        """
        if self.find(text):
            raise ScreenedError

    def judge(self, text: str, *, since: int = 0, is_final: bool = False) -> "Screened":
        """Judge a text that may grow.

        Args:
            text: all of it so far.
            since: everything before is known to be clean.
            is_final: nothing follows.
        """
        folded = _Folded.of(text[since:])
        hit = self._find(folded, is_final=is_final)
        safe = len(text) if hit is None else since + hit.start
        if hit is None and not is_final:
            partial = self._partial.search(folded.text, max(0, len(folded.text) - _SLACK_CHARS))
            if partial:
                safe = since + folded.origin(partial.start())
        # A cut inside a character that unfolds into several (℀ is a/c) may leave a word whole.
        cut = self._find(_Folded.of(text[since:safe]), is_final=True)
        if cut is not None:
            safe = since + cut.start
        return Screened(safe, None if hit is None else since + hit.start)

    def _find(self, folded: "_Folded", *, is_final: bool) -> Hit | None:
        for match in self._whole.finditer(folded.text):
            is_open = match.lastgroup == "ending" and match.end() == len(folded.text)
            if is_final or not is_open:
                return Hit(folded.origin(match.start()), folded.origin(match.end() - 1) + 1)
        return None


@dataclass(frozen=True, slots=True)
class Screened:
    """What of a growing text may be shown.

    Attributes:
        safe_chars: so many characters from the start may be shown; what follows is
            blocked, or could still become it.
        hit: where a blocked word begins, which must be sampled anew from there.
    """

    safe_chars: int
    hit: int | None = None


class StreamScreen:
    """Follows one text while it grows and is taken back. Belongs to one stream.

    Args:
        screen: the words.
        context: what the text directly goes on from; a word may begin in it.
    """

    __slots__ = ("_context", "_safe", "_screen")

    def __init__(self, screen: Screen, context: str = "") -> None:
        self._screen = screen
        # Only a word that the text completes concerns it.
        self._context = context[-_SLACK_CHARS:]
        self._safe = ""

    def feed(self, text: str, *, is_final: bool = False) -> Screened:
        """Take the whole text so far and say what of it may be shown.

        Args:
            text: all of it, retractions applied.
            is_final: nothing follows: nothing is held back but a blocked word.
        """
        since = self._settled(text)
        lead = "" if since else self._lead()
        judged = self._screen.judge(lead + text, since=since, is_final=is_final)
        safe = max(0, judged.safe_chars - len(lead))
        hit = None if judged.hit is None else max(0, judged.hit - len(lead))
        self._safe = text[:safe]
        return Screened(safe, hit)

    def _settled(self, text: str) -> int:
        """Return up to where the text needs no second look: a space well before the last clean end."""
        clean = len(self._safe)
        if not text.startswith(self._safe):
            return 0
        since = text.rfind(" ", 0, max(0, clean - _SLACK_CHARS)) + 1
        # Hidden characters would make the slack too short.
        is_plain = text.isascii() or all(_fold(char) for char in text[since:clean])
        return since if is_plain else 0

    def _lead(self) -> str:
        """Return the context, unless it holds a blocked word by itself."""
        return "" if self._screen.find(self._context) else self._context


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    """One blocked word, folded."""

    text: str
    takes_endings: bool

    @classmethod
    def of(cls, word: str) -> "_Entry | None":
        bare = " ".join(_Folded.of(word.strip().removesuffix("*")).text.split())
        return cls(bare, word.strip().endswith("*")) if bare else None

    @property
    def is_open_ended(self) -> bool:
        """Whether the word is certain without anything after it."""
        return self.takes_endings or not re.match(_LETTER, self.text[-1])

    @property
    def stands_apart(self) -> bool:
        """Whether nothing may be written directly before it."""
        return re.match(_LETTER, self.text[0]) is not None

    def whole(self) -> str:
        """Return the pattern of the word."""
        return "".join(_atom(char) for char in self.text)

    def beginnings(self) -> str:
        """Return the pattern of every beginning of the word."""
        tail = ""
        for char in reversed(self.text[1:]):
            tail = f"(?:{_atom(char)}{tail})?"
        return _atom(self.text[0]) + tail


def _atom(char: str) -> str:
    if char == " ":
        return _GAP
    variants = _DISGUISES.get(char)
    return f"[{re.escape(variants)}]" if variants else re.escape(char)


def _either(entries: list[_Entry], pattern: Callable[[_Entry], str]) -> str:
    """Return the pattern of any of the entries; one that never matches where there are none."""
    apart = "|".join(pattern(entry) for entry in entries if entry.stands_apart)
    within = "|".join(pattern(entry) for entry in entries if not entry.stands_apart)
    either = [rf"{_BEFORE}(?:{apart})"] if apart else []
    return "|".join([*either, within] if within else either) or r"(?!)"


@dataclass(frozen=True, slots=True)
class _Folded:
    """A text without case, accents and hidden characters, and where each character came from."""

    text: str
    origins: tuple[int, ...] | None  # None: one to one

    @classmethod
    def of(cls, text: str) -> "_Folded":
        if text.isascii():
            return cls(text.lower(), None)
        pieces: list[str] = []
        origins: list[int] = []
        for index, char in enumerate(text):
            piece = _fold(char)
            pieces.append(piece)
            origins.extend([index] * len(piece))
        return cls("".join(pieces), tuple(origins))

    def origin(self, index: int) -> int:
        return index if self.origins is None else self.origins[index]


@lru_cache(maxsize=8192)
def _fold(char: str) -> str:
    spread = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    bare = "".join(part for part in spread if unicodedata.category(part) not in {"Mn", "Me", "Cf"})
    return unicodedata.normalize("NFC", bare)
