"""What a class can do with a story: words, questions and, apart and last, the answers.

Invariant: nothing of it is stored; the same story gives the same lesson.
"""

from dataclasses import dataclass

from bot.locales import N_, Words
from bot.story import tree
from bot.story.formats import LESSON
from bot.story.model import Story
from bot.story.narrative import narrative
from bot.text.forms.lesson import Ask, Question, derive, repair

_TASKS = {
    Ask.GAP: N_("Fill the gap: {text}"),
    Ask.WHO: N_("Who is it? {text}"),
    Ask.FIRST: N_("What comes first in the story?"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its numbered lines; choices stand below their line."""

    heading: str
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def lesson_of(story: Story, words: Words) -> tuple[Section, ...]:
    """Return a lesson's word list, questions and answers; none for another format or too short a story."""
    concept = tree.concept(story)
    if concept.format != LESSON:
        return ()
    text = narrative(story)
    lesson = repair(derive(text, age=concept.reader_age), text)
    sections = (
        Section(
            words(N_("Words")),
            tuple((f"{entry.word}: {entry.sentence}", ()) for entry in lesson.words),
        ),
        Section(
            words(N_("Questions")), tuple(_asked(question, words) for question in lesson.questions)
        ),
        Section(
            words(N_("Answers")), tuple((question.answer, ()) for question in lesson.questions)
        ),
    )
    return tuple(section for section in sections if section.lines)


def lesson_text(story: Story, words: Words) -> str:
    """Return a lesson as plain text; "" where there is none."""
    blocks: list[str] = []
    for section in lesson_of(story, words):
        lines = [section.heading, "-" * len(section.heading)]
        for number, (line, choices) in enumerate(section.lines, start=1):
            lines.append(f"{number}. {line}")
            lines.extend(f"   {letter}) {choice}" for letter, choice in zip("abc", choices))  # noqa: B905 -- there are at most three
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _asked(question: Question, words: Words) -> tuple[str, tuple[str, ...]]:
    return words(_TASKS[question.ask], text=question.text), question.choices
