"""From tokens to text while they come: nothing half-written leaves here.

Invariants:
    - A boundary after a token is clean when the bytes so far end with a whole
      character; text grows only at clean boundaries, and a cut is made only there.
    - The text of n tokens is the same whether they were pushed one by one, or more
      were pushed and then dropped again.

The method (decode a short window twice and take the difference) is that of Hugging
Face's text-generation-inference and vLLM: it needs no knowledge of the tokenizer, and
keeps the leading spaces that SentencePiece drops at the start of a text.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

_REPLACEMENT = "\ufffd"
# Enough that the generated part never starts the decoded window.
_CONTEXT_TOKENS = 4


class Detokenizer:
    """Grow a text token by token, and drop tokens from its end again.

    Args:
        decode: turns ids into text, special tokens left out.
        context: the ids before the generated ones; only the last few matter.
    """

    __slots__ = ("_clean", "_context", "_decode", "_ids", "_lengths", "text")

    def __init__(self, decode: Callable[[Sequence[int]], str], context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._context = list(context[-_CONTEXT_TOKENS:])
        self._ids: list[int] = []
        self._clean = [0]  # numbers of tokens at which a clean boundary stands
        self._lengths = [0]  # characters at those boundaries
        self.text = ""

    @property
    def is_clean(self) -> bool:
        """Whether no bytes wait for the rest of their character."""
        return self._clean[-1] == len(self._ids)

    def push(self, token: int) -> str:
        """Take the next token and return the text that it completes."""
        self._ids.append(token)
        piece = self._pending()
        if piece.endswith(_REPLACEMENT):
            return ""
        self._settle(piece)
        return piece

    def flush(self) -> str:
        """Give out what was held back, without the bytes that make no character."""
        if self.is_clean:
            return ""
        piece = self._pending().rstrip(_REPLACEMENT)
        # No boundary is set: these tokens do not decode to exactly this text.
        self.text += piece
        return piece

    def truncate(self, tokens: int) -> None:
        """Keep the first tokens only; the number must be a clean boundary.

        Raises:
            ValueError: the cut would fall into a character.
        """
        index = bisect_right(self._clean, tokens) - 1
        if self._clean[index] != tokens:
            msg = f"no clean boundary after {tokens} tokens"
            raise ValueError(msg)
        del self._ids[tokens:], self._clean[index + 1 :], self._lengths[index + 1 :]
        self.text = self.text[: self._lengths[index]]

    def boundary(self, characters: int) -> tuple[int, int]:
        """Return the last clean boundary at or before a character: tokens, and characters there."""
        index = bisect_right(self._lengths, characters) - 1
        return self._clean[index], self._lengths[index]

    def boundary_before(self, tokens: int) -> int:
        """Return the last clean boundary before a number of tokens; 0 is the first."""
        return self._clean[max(0, bisect_left(self._clean, tokens) - 1)]

    def _pending(self) -> str:
        """Decode what came after the last clean boundary, in the light of what stood before."""
        read = self._clean[-1]
        # One settled token before suffices as context, but it must be a whole one.
        start = self._clean[-2] if len(self._clean) > 1 else 0
        before = self._context if start == 0 else []
        settled = self._decode(before + self._ids[start:read])
        whole = self._decode(before + self._ids[start:])
        if whole.startswith(settled):
            return whole[len(settled) :]
        # The prompt ended within a character, which the new bytes complete or break.
        same = next(
            (at for at, (old, new) in enumerate(zip(settled, whole, strict=False)) if old != new),
            min(len(settled), len(whole)),
        )
        return whole[same:]

    def _settle(self, piece: str) -> None:
        self.text += piece
        self._clean.append(len(self._ids))
        self._lengths.append(len(self.text))


class StopStrings:
    """Find stop strings in a growing text, and what might be the start of one.

    Args:
        stops: the strings; empty ones are ignored.
    """

    __slots__ = ("_longest", "_stops")

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._longest = max(map(len, self._stops), default=0)

    def find(self, text: str, new_from: int) -> int | None:
        """Return where the first stop string begins; the text before ``new_from`` was searched."""
        start = max(0, new_from - self._longest + 1)
        found = [at for stop in self._stops if (at := text.find(stop, start)) >= 0]
        return min(found, default=None)

    def held(self, text: str) -> int:
        """Return how many last characters might begin a stop string."""
        for length in range(min(len(text), self._longest - 1), 0, -1):
            tail = text[-length:]
            if any(len(stop) > length and stop.startswith(tail) for stop in self._stops):
                return length
        return 0
