"""How passages join into one flowing text.

Invariant: what joins two passages depends on these two alone, so that a story's
beginning reads the same however far it went on.
"""

import re
from collections.abc import Sequence

from bot.story import tree
from bot.story.model import AuthorKind, Passage, Story

PARAGRAPH = "\n\n"
_ENDS = ".!?\u2026\u3002\uff01\uff1f\u061f\u0964"
_CLOSERS = "\"'\u201d\u2019\u00bb\u203a)]}*_~\u300d\u300f\uff09\u3011\u300b"
_CJK = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef]")
# A sentence's end with its closers and the space after it; no space is needed after
# Chinese and Japanese ones.
SENTENCE_END = re.compile(
    rf"[.!?\u2026\u061f\u0964]+[{re.escape(_CLOSERS)}]*\s+|[\u3002\uff01\uff1f\u2026]+[{re.escape(_CLOSERS)}]*\s*|\n+"
)

_GAP = re.compile(r"\n[ \t]*(?:\n[ \t]*){2,}")


def ends_sentence(text: str) -> bool:
    """Tell whether a text stops at a sentence's end, so that a new paragraph may follow."""
    bare = text.rstrip().rstrip(_CLOSERS).rstrip()
    return not bare or bare[-1] in _ENDS


def is_cjk(letter: str) -> bool:
    """Tell whether a character belongs to a script written without spaces."""
    return _CJK.match(letter) is not None


def joint(before: str, after: str, *, is_generated: bool) -> str:
    """Return what stands between two passages.

    Args:
        before: the text of the first one.
        after: the text of the second one.
        is_generated: the second one stands as the model wrote it, directly behind
            the first: it brought its own white space, or goes on in mid-word.
    """
    if not before.strip() or not after.strip() or before[-1].isspace() or after[0].isspace():
        return ""
    if ends_sentence(before):
        return PARAGRAPH
    return "" if is_generated or is_cjk(before[-1]) or is_cjk(after[0]) else " "


def is_generated(passage: Passage) -> bool:
    """Tell whether a passage stands token for token as the model wrote it."""
    return (
        passage.kind is AuthorKind.MODEL
        and not passage.is_edited
        and passage.provenance is not None
        and bool(passage.provenance.token_ids)
    )


def narrative(story: Story, passages: Sequence[Passage] | None = None) -> str:
    """Return the story as one text, passages joined into sentences and paragraphs."""
    pieces: list[str] = []
    before = ""
    for passage in tree.path(story) if passages is None else passages:
        text = tree.text_of(story, passage)
        if not text.strip():
            continue
        pieces.extend((joint(before, text, is_generated=is_generated(passage)), text))
        before = text
    return _GAP.sub(PARAGRAPH, "".join(pieces)).strip()
