"""A passage: when it is whole, what of it is kept, when it must be sampled anew.

Invariant: ``PassageMonitor`` is immutable and ``check`` depends on its arguments
alone, so the engine's thread may call it while others do; 1,500 characters take it
well under a millisecond.
"""

import re
from dataclasses import replace

from bot.engine.types import GO_ON, Action, Verdict
from bot.text.drift import find_crumbs, find_drift
from bot.text.loops import LoopFinder
from bot.text.quotes import are_quotes_balanced, close_quotes, drop_stray
from bot.text.sentences import last_sentence_end

_CONTEXT_CHARS = 2000
_LEAST_SHARE = 0.5  # of a text that an end with balanced quotes must keep
_INDENT = re.compile(r"(?<=\n)[ \t]+")  # words carry a space, at a paragraph's beginning too


def trim_passage(text: str, before: str = "") -> str:
    """Repair a passage's end: no half sentence, no dangling quote, no white space.

    A text without any sentence end stays whole. White space at the front stays: it
    says whether the passage goes on in the same paragraph. Further paragraphs begin
    with a word, not with its space.

    Args:
        text: as it was written.
        before: what stands before it: a quote that is open there may end here.
    """
    kept = text[: _whole_end(text, "") or len(text)].rstrip()
    return drop_stray(close_quotes(_INDENT.sub("", kept)), before)


class PassageMonitor:
    """Watches a passage grow (the engine's ``Monitor``).

    Args:
        min_chars: no shorter passage is called whole.
        target_chars: from here on the first sentence end with balanced quotes ends it.
        max_chars: here the last good sentence end ends it; None sets no such limit.
        context_tail: what stands before: its open quotes and its sentences count.
        opening: the passage's first words, which the generated text goes on from.
        forbids_loops: rewind to before a repetition.
        forbids_drift: rewind to before the text leaves the story, or crumbles into short lines
            where the context has none.
    """

    __slots__ = (
        "_forbids_crumbs",
        "_forbids_drift",
        "_loops",
        "_max_chars",
        "_min_chars",
        "_opening",
        "_paragraph",
        "_target_chars",
    )

    def __init__(
        self,
        *,
        min_chars: int,
        target_chars: int,
        max_chars: int | None = None,
        context_tail: str = "",
        opening: str = "",
        forbids_loops: bool = True,
        forbids_drift: bool = True,
    ) -> None:
        self._min_chars = min_chars
        self._opening = opening
        self._target_chars = max(min_chars, target_chars)
        self._max_chars = max_chars
        self._paragraph = context_tail[-_CONTEXT_CHARS:].rpartition("\n\n")[2]
        self._loops = LoopFinder(context_tail[-_CONTEXT_CHARS:]) if forbids_loops else None
        self._forbids_drift = forbids_drift
        self._forbids_crumbs = forbids_drift and find_crumbs(context_tail[-_CONTEXT_CHARS:]) is None

    def check(self, text: str, tokens: int, *, at_end: bool) -> Verdict:
        """Judge the text so far: go on, stop after so many characters, or rewind to so many."""
        verdict = self._judge(self._opening + text, at_end=at_end)
        kept = max(0, verdict.keep_chars - len(self._opening))
        return verdict if verdict is GO_ON else replace(verdict, keep_chars=kept)

    def _judge(self, text: str, *, at_end: bool) -> Verdict:
        fault = self._find_fault(text, only_end=not at_end)
        if fault is not None:
            return self._leave(text[:fault], at_end=at_end)
        if at_end:
            end = _whole_end(text, self._paragraph)
            return Verdict(Action.STOP, end) if end else GO_ON
        if len(text) < self._target_chars:
            return GO_ON
        return self._stop_if_whole(text)

    def _find_fault(self, text: str, *, only_end: bool) -> int | None:
        drift = crumbs = loop = None
        if self._forbids_drift:
            drift = find_drift(text, self._paragraph, only_end=only_end)
        if self._forbids_crumbs:
            crumbs = find_crumbs(text, only_end=only_end)
        if self._loops:
            loop = self._loops.find(text, only_end=only_end)
        return min((at for at in (drift, crumbs, loop) if at is not None), default=None)

    def _leave(self, good: str, *, at_end: bool) -> Verdict:
        """End before the fault where enough was written, or sample anew from there."""
        end = _whole_end(good, self._paragraph)
        if end and (end >= self._min_chars or at_end):
            return Verdict(Action.STOP, end)
        # Tokens carry the white space before them: rewind to before it.
        return Verdict(Action.STOP if at_end else Action.REWIND, len(good.rstrip()))

    def _stop_if_whole(self, text: str) -> Verdict:
        end = last_sentence_end(
            text,
            is_final=False,
            accept=lambda at: at < self._target_chars or self._is_balanced(text, at),
        )
        if end >= self._target_chars:
            return Verdict(Action.STOP, end)
        if self._max_chars is not None and len(text) >= self._max_chars:
            end = _whole_end(text, self._paragraph)
            if end >= self._min_chars:
                return Verdict(Action.STOP, end)
        return GO_ON

    def _is_balanced(self, text: str, end: int) -> bool:
        return are_quotes_balanced(self._paragraph + text[:end])


def _whole_end(text: str, paragraph: str) -> int:
    """Return the last sentence end with balanced quotes, or any, where that one would lose too much."""
    end = last_sentence_end(text)
    balanced = last_sentence_end(text, accept=lambda at: are_quotes_balanced(paragraph + text[:at]))
    return balanced if balanced >= end * _LEAST_SHARE else end
