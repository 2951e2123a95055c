"""How a story is put to a model: the front, the passages and the cues of each prompt style.

Invariant: the same frame and pieces give the same parts; nothing is left out here.

In a completion the current beat stands in the front as a sentence like the others:
in trials with SmolLM2-135M a note between the last passages (in brackets, as prose or
as a heading) made it leave the story two to four times as often. It changes with the
concept alone, so it belongs to what is stable. A chat takes it with the last message.

A prefill is a completion in the place of a chat model's answer: the front is the system's
message, the story so far is the beginning of the answer, which the model goes on with: it
has its instruction, and no turn of its own to break role in.

An ending is asked for by its first words ("In the end,"), which become part of the passage. In
trials with SmolLM2-135M a heading ("The Last Chapter") made three in ten endings talk about
chapters, endings and readers.

Control tags stand first in a completion, as they do in the rows that a model was trained
with; what the genre's tag says is not said in words again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.story.control_tags import is_genre_tag, tags_for
from bot.story.formats import SCREENPLAY
from bot.story.front import FrontWords, describe
from bot.story.model import AuthorKind, Concept, Passage, PassageId
from bot.story.narrative import PARAGRAPH, ends_sentence

COMPLETION = "completion"
PREFILL = "prefill"
CHAT = "chat"


class PartLabel(StrEnum):
    """What a part of a context is."""

    TAGS = "tags"  # control tags of format and genre
    FRONT = "front"  # genre, concept
    BEAT = "beat"  # what happens next, or that the story ends
    PASSAGE = "passage"
    SEPARATOR = "separator"
    CUE = "cue"  # asks a chat model to write
    OPENING = "opening"  # the first words of the reply


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextPart:
    """A piece of the prompt; where the model wrote it, as its ids too.

    In a chat each part is one whole message and has a role; in a prefill the parts of the
    answer share one. The text of ``tags`` is for people: the model gets their tokens.
    """

    label: PartLabel
    text: str
    passage_id: PassageId | None = None
    token_ids: tuple[int, ...] | None = None
    tokenizer_hash: str | None = None
    role: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage on its way into the context."""

    passage: Passage
    text: str
    joint: str  # what stands between it and the piece before
    token_ids: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the passages."""

    words: FrontWords
    front: str
    note: str
    style: str
    opening: str
    is_ending: bool
    tokenizer_hash: str
    tags: tuple[str, ...] = ()

    @property
    def is_chat(self) -> bool:
        """Whether passages are messages."""
        return self.style == CHAT


def frame_of(
    concept: Concept,
    beat: str,
    words: FrontWords,
    *,
    style: str,
    ending: int | None,
    tokenizer_hash: str,
    known_tags: Collection[str] = (),
) -> Frame:
    """Return what stands around the passages.

    Args:
        concept: what the story is about.
        beat: what happens next, "" for nothing.
        words: the front's, in the story's language.
        style: "completion", "prefill" or "chat".
        ending: the reply is to end the story, and this draws its first words; None where
            the story goes on.
        tokenizer_hash: whose ids the pieces have.
        known_tags: control tags that the model has.
    """
    tags: tuple[str, ...] = ()
    if style == COMPLETION:
        tags = tuple(tag for tag in tags_for(concept.format, concept.genre) if tag in known_tags)
        if any(map(is_genre_tag, tags)):
            concept = replace(concept, genre="")
    title = " ".join(concept.title.split())
    is_scene = concept.format == SCREENPLAY
    is_ending = ending is not None
    note = opening = ""
    if style == CHAT:
        front = (words.chat_task, title, describe(concept, words))
        note = words.chat_beat.format(beat=beat) if beat and not is_ending else ""
    elif style == PREFILL:
        front = (words.prefill_task, title, describe(concept, words, beat))
    else:
        # A scene has its heading, in the passage.
        front = (title, describe(concept, words, beat), "" if is_scene else words.chapter)
    if ending is not None and style != CHAT and not is_scene:
        opening = words.endings[ending % len(words.endings)]
    return Frame(
        words,
        PARAGRAPH.join(filter(None, front)),
        note,
        style=style,
        opening=opening,
        is_ending=is_ending,
        tokenizer_hash=tokenizer_hash,
        tags=tags,
    )


def separator(text: str) -> ContextPart:
    """Return what stands between two pieces."""
    return ContextPart(label=PartLabel.SEPARATOR, text=text)


def part_of(frame: Frame, piece: Piece) -> ContextPart:
    """Return a passage as a part of its own."""
    role = None
    if frame.is_chat:
        role = "assistant" if piece.passage.kind is AuthorKind.MODEL else "user"
    return ContextPart(
        label=PartLabel.PASSAGE,
        text=piece.text,
        passage_id=piece.passage.id,
        token_ids=piece.token_ids,
        tokenizer_hash=frame.tokenizer_hash if piece.token_ids is not None else None,
        role=role,
    )


def parts_of(frame: Frame, pieces: Sequence[Piece]) -> list[ContextPart]:
    """Return the whole prompt of these passages; the pinned part alone where there are none."""
    if frame.is_chat:
        return _chat(frame, pieces)
    front = ContextPart(label=PartLabel.FRONT, text=frame.front)
    if frame.style == COMPLETION:
        return [*_tags(frame), front, separator(PARAGRAPH), *_text(frame, pieces)]
    answer = _text(frame, pieces) or [separator("")]
    return [
        replace(front, role="system"),
        ContextPart(label=PartLabel.CUE, text=frame.words.chat_begin, role="user"),
        *(replace(part, role="assistant") for part in answer),
    ]


def _tags(frame: Frame) -> list[ContextPart]:
    if not frame.tags:
        return []
    return [ContextPart(label=PartLabel.TAGS, text="".join(frame.tags), tags=frame.tags)]


def _text(frame: Frame, pieces: Sequence[Piece]) -> list[ContextPart]:
    """Return the story as running text."""
    parts: list[ContextPart] = []
    for at, piece in enumerate(pieces):
        if at and piece.joint:
            parts.append(separator(piece.joint))
        parts.append(part_of(frame, piece))
    if frame.opening and (not pieces or ends_sentence(pieces[-1].text)):
        text = PARAGRAPH + frame.opening if pieces else frame.opening
        parts.append(ContextPart(label=PartLabel.OPENING, text=text))
    return parts


def _chat(frame: Frame, pieces: Sequence[Piece]) -> list[ContextPart]:
    words = frame.words
    messages = [ContextPart(label=PartLabel.FRONT, text=frame.front, role="system")]
    for at, piece in enumerate(pieces):
        part, before = part_of(frame, piece), messages[-1]
        if part.role == "assistant" and before.role != "user":
            # Many templates want the roles to alternate, and so the prompts did too.
            cue = words.chat_go_on if at else words.chat_begin
            messages.append(ContextPart(label=PartLabel.CUE, text=cue, role="user"))
        if part.role == "user" == before.role:
            text = before.text + piece.joint + part.text
            messages[-1] = ContextPart(
                label=PartLabel.PASSAGE, text=text, passage_id=part.passage_id, role="user"
            )
            continue
        messages.append(part)
    if messages[-1].role != "user":
        cue = words.chat_go_on if pieces else words.chat_begin
        cue = words.chat_end if frame.is_ending else cue
        text = f"{frame.note}{PARAGRAPH}{cue}" if frame.note else cue
        messages.append(ContextPart(label=PartLabel.CUE, text=text, role="user"))
        return messages
    note = f"({words.chat_end})" if frame.is_ending else frame.note
    if note:
        last = messages[-1]
        messages[-1] = ContextPart(
            label=last.label,
            text=f"{note}{PARAGRAPH}{last.text}",
            passage_id=last.passage_id,
            role="user",
        )
    return messages
