"""Lessons: what a class can do with a story, taken from the story alone.

A small model cannot explain a word; so a word comes with the sentence that it stands in, and
every question has an answer that can be looked up: a gap in one of the sentences, who did
something, what came first.

Invariants:
    - The same story gives the same lesson.
    - Every sentence that a lesson shows, and every answer, stands in the story; ``check`` holds
      a lesson against its story.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from bot.text import chinese
from bot.text.forms.faults import Fault
from bot.text.function_words import FUNCTION_WORDS
from bot.text.names import find_names, name_words
from bot.text.scripts import CJK
from bot.text.sentences import sentences
from bot.text.words import count_words, words

GAP = "_____"
LEAST_WORDS = 3
LEAST_QUESTIONS = 3
USUAL_AGE = 9
_CLOZES = 4
_WHO = 3
_ORDERS = 2
_SHORT_SENTENCE = 5  # words; a shorter one tells too little to ask about
_LONG_SENTENCE = 30
_LONG_HAN_SENTENCE = 50  # characters, which count as words
_HAN_WORD = re.compile(rf"[{CJK}]+")
_PRONOUN = re.compile(r"(?:any|some|every|no)(?:thing|body|where|one|how|time|times)|otherwise")
_OTHERS = 2  # wrong answers beside the right one


class Ask(StrEnum):
    """What a question asks for."""

    GAP = "gap"  # the word that is missing in a sentence
    WHO = "who"  # who does what a sentence tells
    FIRST = "first"  # which of two sentences comes first


@dataclass(frozen=True, slots=True)
class Entry:
    """A word and the sentence of the story that shows what it means."""

    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answer.

    Attributes:
        ask: what is asked for.
        text: the sentence with ``GAP`` in the place of the answer; "" where a choice is all.
        choices: among these, the answer is one; () leaves it open.
        answer: as it stands in the story.
    """

    ask: Ask
    text: str
    choices: tuple[str, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is taught with a story."""

    words: tuple[Entry, ...]
    questions: tuple[Question, ...]


def derive(story: str, *, age: int = 0) -> Lesson:
    """Return the lesson of a story.

    Args:
        story: its text.
        age: of the class, years; older ones get more and longer words. 0 is not said.
    """
    told = _tellable(story)
    if chinese.is_chinese(story):
        entries = _han_entries(story, told, age or USUAL_AGE)
    else:
        entries = _entries(story, told, age or USUAL_AGE)
    questions = [*_clozes(told, entries, story), *_who(told, story), *_firsts(told)]
    return Lesson(entries, tuple(questions))


def check(lesson: Lesson, story: str) -> tuple[Fault, ...]:
    """Return what is wrong with a lesson, each fault at the end of the story.

    Too few words or questions, a word that is a name or not in its sentence, a sentence or an
    answer that is not in the story, a gap that another answer would fill as truly.
    """
    text = _flat(story)
    names = name_words(story)
    rules = [
        *(rule for entry in lesson.words for rule in _entry_faults(entry, text, names)),
        *(rule for question in lesson.questions for rule in _question_faults(question, text)),
    ]
    if len(lesson.words) < LEAST_WORDS:
        rules.append("few words")
    if len(lesson.questions) < LEAST_QUESTIONS:
        rules.append("few questions")
    if len({entry.word.casefold() for entry in lesson.words}) < len(lesson.words):
        rules.append("a word twice")
    return tuple(Fault(rule, len(story)) for rule in rules)


def repair(lesson: Lesson, story: str) -> Lesson:
    """Return the lesson without the entries and questions that do not hold."""
    text = _flat(story)
    names = name_words(story)
    return Lesson(
        tuple(one for one in lesson.words if not any(_entry_faults(one, text, names))),
        tuple(one for one in lesson.questions if not any(_question_faults(one, text))),
    )


def _flat(text: str) -> str:
    return " ".join(text.split())


def _entry_faults(entry: Entry, text: str, names: frozenset[str]) -> Iterator[str]:
    if entry.sentence not in text:
        yield "sentence not in the story"
    if not _has_word(entry.sentence, entry.word):
        yield "word not in its sentence"
    if entry.word in names:
        yield "a name"


def _has_word(sentence: str, word: str) -> bool:
    if _HAN_WORD.fullmatch(word):
        return word in chinese.content_words(sentence)
    return word.casefold() in {one.casefold() for one in words(sentence)}


def _question_faults(question: Question, text: str) -> Iterator[str]:
    if question.answer not in text:
        yield "answer not in the story"
    if question.choices and question.answer not in question.choices:
        yield "answer not among the choices"
    if question.ask is Ask.FIRST:
        places = [text.find(choice) for choice in question.choices]
        if -1 in places or text.find(question.answer) != min(places):
            yield "order"
        return
    if question.text.count(GAP) != 1:
        yield "gap"
        return
    if question.text.replace(GAP, question.answer) not in text:
        yield "sentence not in the story"
    others = (choice for choice in question.choices if choice != question.answer)
    if any(question.text.replace(GAP, other) in text for other in others):
        yield "two answers"


def _tellable(story: str) -> list[str]:
    """Return the sentences that stand alone: of some length, each once, with no open quote."""
    found: dict[str, None] = {}
    for paragraph in re.split(r"\n\s*\n", story):
        for sentence in sentences(_flat(paragraph)):
            bare = sentence.strip()
            quotes = bare.count('"') % 2 == 0 and bare.count("“") == bare.count("”")
            most = _LONG_HAN_SENTENCE if _HAN_WORD.match(bare) else _LONG_SENTENCE
            if quotes and _SHORT_SENTENCE <= count_words(bare) <= most:
                found.setdefault(bare)
    return list(found)


def _entries(story: str, told: Sequence[str], age: int) -> tuple[Entry, ...]:
    """Choose words that are worth a look: rare in the story, long, of several syllables."""
    least = 4 if age < 8 else 5 if age < 12 else 6  # noqa: PLR2004 -- letters by age
    names = {word.casefold() for word in name_words(story)}
    counts = Counter(word.casefold() for word in words(story))
    scored: dict[str, tuple[float, int, str]] = {}
    for at, sentence in enumerate(told):
        for word in words(sentence):
            folded = word.casefold()
            is_plain = folded.isascii() and folded.isalpha()
            if folded in FUNCTION_WORDS or folded in names or not is_plain or len(folded) < least:
                continue
            if _PRONOUN.fullmatch(folded):
                continue
            score = len(folded) / 2 + _syllables(folded) - counts[folded] / 2
            if _stem(folded) not in scored:
                scored[_stem(folded)] = (-score, at, folded)
    return _spread(scored.values(), told, age)


def _han_entries(story: str, told: Sequence[str], age: int) -> tuple[Entry, ...]:
    """Choose words of a Chinese story: idioms first, then what is seldom written."""
    scored: dict[str, tuple[float, int, str]] = {}
    for at, sentence in enumerate(told):
        for word, common in chinese.content_words(sentence).items():
            score = len(word) - math.log10(1 + common) - story.count(word) / 2
            scored.setdefault(word, (-score, at, word))
    return _spread(scored.values(), told, age)


def _spread(
    scored: Iterable[tuple[float, int, str]], told: Sequence[str], age: int
) -> tuple[Entry, ...]:
    """Return the best words (least first), spread over the story's sentences as far as it goes."""
    wanted = min(10, max(LEAST_WORDS + 1, age - 2))
    ranked = sorted(scored)
    chosen: list[tuple[int, str]] = []
    sentences_used: Counter[int] = Counter()
    for most in (1, 2, wanted):
        for _, at, word in ranked:
            if len(chosen) < wanted and sentences_used[at] < most and (at, word) not in chosen:
                chosen.append((at, word))
                sentences_used[at] += 1
    return tuple(Entry(word, told[at]) for at, word in sorted(chosen))


def _syllables(word: str) -> int:
    return max(1, len(re.findall(r"[aeiouy]+", word.removesuffix("e"))))


def _stem(word: str) -> str:
    """Return what inflected forms of a word share, roughly."""
    return re.sub(r"(?:ies|ing|ed|es|s|ly|y|e)\Z", "", word)


def _clozes(told: Sequence[str], entries: Sequence[Entry], story: str) -> Iterator[Question]:
    """Ask for words that are missing, in sentences that the word list has not shown first."""
    text = _flat(story)
    answers = [entry.word for entry in entries]
    shown = {entry.sentence: entry.word for entry in entries}
    gap_word = _gap_words(story)
    given = 0
    for sentence in [*(one for one in told if one not in shown), *shown]:
        if given == _CLOZES:
            return
        answer = shown.get(sentence) or gap_word(sentence)
        if not answer:
            continue
        bound = "" if _HAN_WORD.fullmatch(answer) else r"\b"
        pattern = re.compile(rf"{bound}{re.escape(answer)}{bound}", re.IGNORECASE)
        found = list(pattern.finditer(sentence))
        if len(found) != 1:
            continue
        match = found[0]
        asked = f"{sentence[: match.start()]}{GAP}{sentence[match.end() :]}"
        others = [
            word
            for word in answers
            if _stem(word) != _stem(answer.casefold()) and word not in sentence.casefold()
        ]
        others.sort(key=lambda word: _number(sentence, word))
        question = Question(
            Ask.GAP, asked, _mixed(sentence, match.group(), others[:_OTHERS]), match.group()
        )
        if not any(_question_faults(question, text)):
            given += 1
            yield question


def _gap_words(story: str) -> Callable[[str], str]:
    """Return what finds the word of a sentence whose absence is felt most; "" where there is none."""
    if chinese.is_chinese(story):
        return _rarest
    names = name_words(story)

    def longest(sentence: str) -> str:
        """Return the longest content word that is no name."""
        fitting = [
            word
            for word in words(sentence)[1:]
            if word.isalpha()
            and word.casefold() not in FUNCTION_WORDS
            and word not in names
            and len(word) > 3  # noqa: PLR2004 -- letters
            and not re.search(f"[{CJK}]", word)
        ]
        return max(fitting, key=len, default="")

    return longest


def _rarest(sentence: str) -> str:
    found = chinese.content_words(sentence)
    return min(found, key=lambda word: (found[word], word), default="")


# Who acts stands first, and what they do follows at once.
_ACTS = re.compile(
    r"(?:[a-z]+ly )?(?:[a-z]+(?:ed|s)|was|were|had|went|came|saw|said|found|took|ran|knew|felt|told|heard|made|gave|began|stood|sat|thought|looked|held|kept|left|got|put|fell|could|would|did|brought|opened|smiled|asked)\b"
)


def _who(told: Sequence[str], story: str) -> Iterator[Question]:
    """Ask who did what, where a sentence begins with a name."""
    names = find_names(story)
    text = _flat(story)
    given = 0
    if len(names) < 1:
        return
    for sentence in told:
        name = next((one for one in names if sentence.startswith(f"{one} ")), None)
        if name is None or not _ACTS.match(sentence[len(name) + 1 :]):
            continue
        others = sorted(
            (one for one in names if one not in sentence and name not in one),
            key=lambda one: _number(sentence, one),
        )
        choices = _mixed(sentence, name, others[:_OTHERS]) if others else ()
        question = Question(Ask.WHO, f"{GAP}{sentence[len(name) :]}", choices, name)
        if name in question.text or any(_question_faults(question, text)):
            continue
        given += 1
        yield question
        if given == _WHO:
            return


def _firsts(told: Sequence[str]) -> Iterator[Question]:
    """Ask what came first, of sentences from different ends of the story."""
    for number in range(min(_ORDERS, len(told) // 4)):
        earlier = told[number]
        later = told[len(told) // 2 + number]
        if earlier not in later and later not in earlier:
            yield Question(Ask.FIRST, "", _mixed(earlier, earlier, [later]), earlier)


def _mixed(salt: str, answer: str, others: Sequence[str]) -> tuple[str, ...]:
    """Return the choices in an order that tells nothing; () where there is no wrong one."""
    if not others:
        return ()
    return tuple(sorted((answer, *others), key=lambda word: _number(salt, f"{word} place")))


def _number(salt: str, word: str) -> int:
    digest = hashlib.blake2b(f"{salt}:{word}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
