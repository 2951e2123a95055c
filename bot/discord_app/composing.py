"""How a passage reads in Discord: header, parts, footer, and which buttons stand under it.

Invariant: only the last part has buttons, and everything that people or the model
wrote is neutralised before it gets here or in here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.discord_app.escaping import neutralise_line
from bot.discord_app.splitting import split
from bot.locales import N_, Words
from bot.service.api import PassageView
from bot.story import tree
from bot.story.formats import MISSED_FORM, has_missed_form
from bot.story.model import AuthorKind, Passage, Story, StoryStatus

_CAST_SHOWN = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Controls:
    """Which buttons stand under a message.

    Attributes:
        story_id: the story.
        passage_id: the newest passage when they were drawn, or the one under way.
        is_writing: only Stop.
        can_retry: whether the newest passage is the model's.
        can_continue: whether the story takes words.
        alternate: which of ``alternates`` this is, from 1.
        alternates: how many there are.
    """

    story_id: int
    passage_id: int
    is_writing: bool = False
    can_retry: bool = False
    can_continue: bool = True
    alternate: int = 1
    alternates: int = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One message."""

    content: str
    controls: Controls | None = None


def controls_for(story: Story) -> Controls | None:
    """Return the buttons that belong under a story's newest passage."""
    head = tree.head(story)
    if story.status is StoryStatus.DELETED:
        return None
    if head is None:
        return Controls(story_id=story.id, passage_id=0)
    siblings = tree.alternates(story, head.id)
    return Controls(
        story_id=story.id,
        passage_id=head.id,
        can_retry=head.kind is AuthorKind.MODEL,
        can_continue=story.status is StoryStatus.WRITING,
        alternate=siblings.index(head.id) + 1,
        alternates=len(siblings),
    )


def compose(view: PassageView, words: Words, *, is_writing: bool) -> list[Part]:
    """Return a committed passage as messages.

    Args:
        view: the passage in its story.
        words: the channel's language.
        is_writing: whether the model is at the next passage, so that no buttons are due.
    """
    story, passage = view.story, view.passage
    texts = split(tree.text_of(story, passage))
    if not texts or story.status is StoryStatus.DELETED:
        return [Part(words(N_("-# 🗑️ This passage was deleted.")))]
    if passage.kind is AuthorKind.MEMBER:
        texts[0] = _header(story, passage, words) + texts[0]
    if has_missed_form(passage):
        texts[-1] += f"\n-# ⚠️ {words(MISSED_FORM)}"
    is_head = tree.head_id(story) == passage.id
    if is_head and story.status is StoryStatus.ENDED:
        texts[-1] += words(N_("\n-# 🏁 The end."))
    controls = controls_for(story) if is_head and not is_writing else None
    return [*(Part(text) for text in texts[:-1]), Part(texts[-1], controls)]


def compose_withdrawn(count: int, words: Words) -> list[Part]:
    """Return what stands in the ``count`` messages of a passage that was undone."""
    first = Part(words(N_("-# ↶ Undone. Redo brings it back.")))
    return [first, *(Part("-# ↶") for _ in range(count - 1))]


def compose_growing(text: str, story_id: int, job_id: int) -> list[Part]:
    """Return a passage under way; none while it has no words."""
    texts = split(text)
    controls = Controls(story_id=story_id, passage_id=job_id, is_writing=True)
    return [
        *(Part(part) for part in texts[:-1]),
        *(Part(part, controls) for part in texts[-1:]),
    ]


def compose_paused(text: str, words: Words) -> list[Part]:
    """Return a passage that is finished at the next start."""
    note = words(N_("-# ⏸️ The bot restarts and will finish this passage."))
    texts = split(text)
    if not texts:
        return [Part(note)]
    return [*(Part(part) for part in texts[:-1]), Part(f"{texts[-1]}\n{note}")]


def compose_queued(before: int, story_id: int, job_id: int, words: Words) -> Part:
    """Return the message that holds a passage's place while it waits for the model."""
    if before > 0:
        text = words.plural(
            "-# ✒️ … {n} passage before this one", "-# ✒️ … {n} passages before this one", before
        )
    else:
        text = words(N_("-# ✒️ … this one is next"))
    return Part(text, Controls(story_id=story_id, passage_id=job_id, is_writing=True))


def compose_title(story: Story, words: Words) -> str:
    """Return the message that opens a story."""
    concept = tree.concept(story)
    title = neutralise_line(tree.title(story), 200) or words(N_("A new story"))
    starter = neutralise_line(story.authors[story.starter_id].name)
    begun = words(N_("begun by **{name}**"), name=starter) if starter else ""
    genre = neutralise_line(concept.genre)
    lines = [f"## 📖 {title}"]
    if subtitle := " · ".join(filter(None, (genre, begun))):
        lines.append(f"-# {subtitle}")
    if concept.cast:
        lines.append(words(N_("-# With {names}"), names=_cast_line([c.name for c in concept.cast])))
    return "\n".join(lines)


def _cast_line(names: Sequence[str]) -> str:
    shown = [neutralise_line(name) for name in names[:_CAST_SHOWN]]
    return ", ".join(shown) + (" …" if len(names) > _CAST_SHOWN else "")


def _header(story: Story, passage: Passage, words: Words) -> str:
    name = neutralise_line(tree.author_of(story, passage).name)
    if not name:
        return words(N_("-# Somebody writes")) + "\n"
    return words(N_("-# **{name}** writes"), name=name) + "\n"
