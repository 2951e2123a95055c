"""The words that stand around a story in a prompt: what it is, and what comes next.

Invariant: the same concept gives the same words; they change only when it does. The
texts are data, one ``FrontWords`` for each language that a prompt is put in.
"""
# ruff: noqa: RUF001 -- Chinese punctuation is meant

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.story.formats import FABLE, LESSON, SCREENPLAY
from bot.story.model import CastMember, Concept
from bot.story.narrative import is_cjk


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontWords:
    """The pieces of a prompt in one language.

    Attributes:
        genres: how a story of a genre is announced.
        any_genre: the same for a genre that is not listed; ``{genre}``.
        no_genre: the same without one.
        formats: said of a story in a format, after its genre; prose says nothing.
        for_age: of a lesson, where the readers' age is known; ``{age}``.
        theme: joins the theme on; ``{theme}``.
        setting: joins the setting on; ``{setting}``.
        stop: ends a sentence.
        gap: stands between sentences.
        is_line: introduces a character whose line is a noun phrase; ``{name}``, ``{line}``.
        line: the same for any other line.
        name: the same without a line.
        chapter: the heading above the first words, in a completion: a model that
            has read books takes up the narrative there.
        endings: what the last passage of a completion may begin with, so that it ends the
            story: a model that is told to, by a heading or a note, writes about endings.
        prefill_task: asks a chat model for the story as an answer of its own.
        chat_task: opens the system message.
        chat_beat: what happens next, in a chat; ``{beat}``.
        chat_begin: asks for the first passage.
        chat_go_on: asks for the next one.
        chat_end: asks for the last one.
    """

    genres: Mapping[str, str]
    any_genre: str
    no_genre: str
    formats: Mapping[str, str]
    for_age: str
    theme: str
    setting: str
    stop: str
    gap: str
    is_line: str
    line: str
    name: str
    chapter: str
    endings: tuple[str, ...]
    prefill_task: str
    chat_task: str
    chat_beat: str
    chat_begin: str
    chat_go_on: str
    chat_end: str


ENGLISH = FrontWords(
    genres={
        "fantasy": "A fantasy story",
        "mystery": "A mystery story",
        "science fiction": "A science fiction story",
        "fairy tale": "A fairy tale",
        "horror": "A horror story",
        "romance": "A love story",
        "adventure": "An adventure story",
        "comedy": "A funny story",
        "historical": "A historical story",
    },
    any_genre="A story in the genre {genre}",
    no_genre="A short story",
    formats={
        FABLE: ", told as a fable",
        SCREENPLAY: ", written as a play",
        LESSON: " for children",
    },
    for_age=" for children of {age}",
    theme=" about {theme}",
    setting=", set in {setting}",
    stop=".",
    gap=" ",
    is_line="{name} is {line}.",
    line="{name}: {line}.",
    name="With {name}.",
    chapter="Chapter One",
    endings=(
        "In the end,",
        "At last,",
        "And so,",
        "From that day on,",
        "Many years later,",
        "When it was all over,",
    ),
    prefill_task=(
        "You write vivid, well-told stories with real characters, dialogue and surprising events."
    ),
    chat_task=(
        "You write a story together with others. Each message is the next part of it. Go on exactly "
        "where the last part stops, in the same voice and tense, with one or two paragraphs. Write "
        "nothing but the story itself: no headings, no questions, no remarks."
    ),
    chat_beat="(What happens next: {beat}.)",
    chat_begin="Begin the story.",
    chat_go_on="Go on with the story.",
    chat_end="Write the last part of the story and bring everything to its end.",
)

CHINESE = FrontWords(
    genres={
        "fantasy": "一个奇幻故事",
        "mystery": "一个悬疑故事",
        "science fiction": "一个科幻故事",
        "fairy tale": "一个童话",
        "horror": "一个恐怖故事",
        "romance": "一个爱情故事",
        "adventure": "一个冒险故事",
        "comedy": "一个滑稽故事",
        "historical": "一个历史故事",
    },
    any_genre="一个{genre}故事",
    no_genre="一个短篇故事",
    formats={FABLE: "，写成寓言", SCREENPLAY: "，写成剧本", LESSON: "，写给孩子"},
    for_age="，写给{age}岁的孩子",
    theme="，讲的是{theme}",
    setting="，发生在{setting}",
    stop="。",
    gap="",
    is_line="{name}是{line}。",
    line="{name}：{line}。",
    name="主角：{name}。",
    chapter="第一章",
    endings=("最后，", "就这样，", "从那以后，", "多年以后，"),
    prefill_task="你写的故事生动好看，人物真实，有对话，有出人意料的事。",
    chat_task=(
        "你和大家一起写一个故事。每条消息都是故事的下一段。请从上一段停下的地方接着写，"
        "保持同样的口吻，写一到两段。只写故事本身，不要标题、提问或说明。"
    ),
    chat_beat="（接下来发生的事：{beat}。）",
    chat_begin="请开始写这个故事。",
    chat_go_on="请接着写这个故事。",
    chat_end="请写出故事的最后一段，让一切有个结局。",
)

_CJK_SHARE = 0.3
_SAMPLE = 400
# A line that reads well behind "is".
_NOUN_PHRASE = re.compile(
    r"(?i)(an?|the|one|his|her|their|its|my|our|some|two|three|known|called|born|afraid|very)\s|\u4e00"
)


def words_for(concept: Concept, first_text: str) -> FrontWords:
    """Return the language of a story, told by its concept and its first passage."""
    sample = f"{concept.title}{concept.premise}{concept.setting}{concept.theme}{first_text}"
    letters = [letter for letter in sample[:_SAMPLE] if letter.isalpha()]
    if letters and sum(map(is_cjk, letters)) > _CJK_SHARE * len(letters):
        return CHINESE
    return ENGLISH


def describe(concept: Concept, words: FrontWords, beat: str = "") -> str:
    """Return what a story is about, and what happens in it now, as natural prose."""
    genre = concept.genre.strip()
    lead = words.genres.get(genre) or (
        words.any_genre.format(genre=genre) if genre else words.no_genre
    )
    if concept.format == LESSON and concept.reader_age:
        lead += words.for_age.format(age=concept.reader_age)
    else:
        lead += words.formats.get(concept.format, "")
    if concept.theme:
        lead += words.theme.format(theme=_bare(concept.theme))
    if concept.setting:
        lead += words.setting.format(setting=_bare(concept.setting))
    sentences = [lead + words.stop]
    if concept.premise:
        sentences.append(_closed(" ".join(concept.premise.split()), words))
    sentences.extend(_introduce(member, words) for member in concept.cast)
    if beat:
        sentences.append(beat[0].upper() + beat[1:] + words.stop)
    return words.gap.join(sentences)


def current_beat(concept: Concept) -> str:
    """Return the beat of the plot that the story is at; "" where there is none."""
    return _bare(concept.plot[concept.beat]) if concept.beat < len(concept.plot) else ""


def longest_beat(concept: Concept) -> str:
    """Return the longest beat, which takes the most room."""
    return max((_bare(beat) for beat in concept.plot), key=len, default="")


def _introduce(member: CastMember, words: FrontWords) -> str:
    line = _bare(member.line)
    if not line:
        return words.name.format(name=member.name)
    is_noun_phrase = words is CHINESE or _NOUN_PHRASE.match(line) is not None
    return (words.is_line if is_noun_phrase else words.line).format(name=member.name, line=line)


def _bare(text: str) -> str:
    return " ".join(text.split()).rstrip(".\u3002")


def _closed(text: str, words: FrontWords) -> str:
    return text if text[-1:] in '.!?\u2026\u3002\uff01\uff1f"\u201d\u300d' else text + words.stop
