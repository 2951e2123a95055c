"""Builds stories for tests: a clock that ticks, ids that count."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from bot.story import actions, tree
from bot.story.actions import Stamp
from bot.story.context_parts import ContextPart
from bot.story.model import Author, AuthorKind, Concept, Provenance, Step, Story

ANN = Author(1, AuthorKind.MEMBER, "Ann", "discord", 4711)
BEN = Author(2, AuthorKind.MEMBER, "Ben", "discord", 4712)
MODEL = Author(3, AuthorKind.MODEL, "smollm2")
BEGINNING = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def provenance(ids: tuple[int, ...] = (), tokenizer_hash: str = "") -> Provenance:
    return Provenance(
        model="smollm2",
        model_revision="abc",
        engine_version="1",
        precision="fp32",
        seed=7,
        sampling={"temperature": 0.8, "top_k": 50},
        finish="monitor",
        prompt_tokens=10,
        completion_tokens=len(ids),
        rewinds=0,
        duration_s=0.5,
        tokenizer_hash=tokenizer_hash,
        token_ids=ids,
    )


class Teller:
    """Keeps the newest state of one story and applies actions to it."""

    def __init__(self, concept: Concept | None = None, first_id: int = 100) -> None:
        self.new_id: Callable[[], int] = count(first_id).__next__
        self._ticks = count()
        self.steps: list[Step] = []
        step = actions.start(
            self.stamp(), place="terminal:test", guild_id=None, concept=concept or Concept()
        )
        self.story: Story = step.story
        self.steps.append(step)

    def stamp(self, author: Author = ANN, key: str | None = None) -> Stamp:
        at = BEGINNING + timedelta(seconds=next(self._ticks))
        return Stamp(author, at, self.new_id, key)

    def take(self, step: Step) -> Step:
        self.story = step.story
        self.steps.append(step)
        return step

    def add(self, text: str, author: Author = ANN) -> Step:
        return self.take(actions.add(self.story, self.stamp(author), text))

    def answer(
        self,
        text: str,
        *,
        ids: tuple[int, ...] = (),
        tokenizer_hash: str = "",
        turn_id: int | None = None,
        is_ending: bool = False,
    ) -> Step:
        return self.take(
            actions.answer(
                self.story,
                self.stamp(MODEL),
                text,
                provenance(ids, tokenizer_hash),
                passage_id=self.new_id(),
                turn_id=turn_id,
                is_ending=is_ending,
            )
        )

    def turn(self, words: str, reply: str) -> None:
        entry = self.add(words).entries[0]
        self.answer(reply, turn_id=entry.turn_id)

    def retry(self, text: str) -> Step:
        return self.take(
            actions.retry(
                self.story, self.stamp(MODEL), text, provenance(), passage_id=self.new_id()
            )
        )

    def undo(self, n: int = 1) -> Step:
        return self.take(actions.undo(self.story, self.stamp(), n))

    def redo(self, n: int = 1) -> Step:
        return self.take(actions.redo(self.story, self.stamp(), n))

    def lines(self) -> list[str]:
        return [tree.text_of(self.story, passage) for passage in tree.path(self.story)]

    def head(self) -> int:
        found = tree.head_id(self.story)
        assert found is not None
        return found


def count_words(parts: Sequence[ContextPart]) -> int:
    """A tokenizer of words: a yardstick in which joints cost nothing."""
    return sum(len(part.text.split()) for part in parts)


def count_letters(parts: Sequence[ContextPart]) -> int:
    """A tokenizer of letters, with a message's overhead in chats."""
    return sum(len(part.text) + (4 if part.role else 0) for part in parts)


def pointers(story: Story) -> tuple[object, ...]:
    """Everything that can move."""
    return (
        story.status,
        tree.title(story),
        story.concept_id,
        story.active_branch_id,
        {branch.id: branch.head_id for branch in story.branches.values()},
        {passage.id: passage.text_id for passage in story.passages.values()},
    )
