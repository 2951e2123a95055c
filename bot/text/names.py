"""Names in a text: who is in it, and which words the repetition control must spare.

Invariant: a word counts as a name for its capital where grammar asks for none, or for
standing capitalised at least twice and never in lower case. Scripts without capitals
give none.
"""

# ruff: noqa: RUF001 -- typographic quotes and full-width signs are meant as they stand

import difflib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from bot.text.sentences import sentence_spans

_TOKEN = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_POSSESSIVE = re.compile(r"['’]s?\Z")
_CONTRACTION = re.compile(r"['’](?:m|d|ll|re|ve|t)\Z", re.IGNORECASE)
_LINKS = frozenset(
    [
        "of",
        "the",
        "de",
        "la",
        "le",
        "van",
        "von",
        "der",
        "den",
        "du",
        "di",
        "da",
        "al",
        "bin",
        "ibn",
    ]
)
_TITLES = frozenset(
    [
        "Mr",
        "Mrs",
        "Ms",
        "Miss",
        "Dr",
        "Prof",
        "Professor",
        "Sir",
        "Lady",
        "Lord",
        "King",
        "Queen",
        "Prince",
        "Princess",
        "Captain",
        "Colonel",
        "General",
        "Doctor",
        "Aunt",
        "Uncle",
        "Father",
        "Mother",
        "Brother",
        "Sister",
        "Saint",
        "St",
        "Madame",
        "Master",
        "Mistress",
    ]
)
_ABBREVIATED = frozenset({"Mr", "Mrs", "Ms", "Dr", "Prof", "St"})
# Capitalised by custom, not because somebody bears them.
_COMMON = frozenset(
    [
        "I",
        "Oh",
        "Ah",
        "Ha",
        "Hey",
        "Yes",
        "No",
        "Well",
        "Ok",
        "Okay",
        "Mom",
        "Dad",
        "Mum",
        "God",
        "Heaven",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "January",
        "February",
        "March",
        "April",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
        "Christmas",
        "Easter",
        "English",
        "French",
        "German",
        "Chapter",
        "Part",
    ]
)
# These open sentences so often that standing there twice says nothing.
_OPENERS = frozenset(
    [
        "The",
        "A",
        "An",
        "And",
        "But",
        "Or",
        "So",
        "Then",
        "Now",
        "He",
        "She",
        "It",
        "They",
        "We",
        "You",
        "His",
        "Her",
        "Its",
        "Their",
        "Our",
        "My",
        "Your",
        "This",
        "That",
        "These",
        "Those",
        "There",
        "Here",
        "When",
        "While",
        "As",
        "At",
        "In",
        "On",
        "Of",
        "To",
        "For",
        "From",
        "With",
        "By",
        "After",
        "Before",
        "If",
        "Because",
        "Once",
        "One",
        "Two",
        "Three",
        "Some",
        "Many",
        "All",
        "Every",
        "Each",
        "No",
        "Not",
        "Nothing",
        "Nobody",
        "Who",
        "What",
        "Where",
        "Why",
        "How",
        "Which",
        "Do",
        "Did",
        "Does",
        "Is",
        "Are",
        "Was",
        "Were",
        "Be",
        "Have",
        "Has",
        "Had",
        "Can",
        "Could",
        "Would",
        "Should",
        "Will",
        "May",
        "Might",
        "Must",
        "Let",
        "Please",
        "Just",
        "Still",
        "Even",
        "Only",
        "Perhaps",
        "Maybe",
        "Suddenly",
        "Finally",
        "Meanwhile",
        "Soon",
        "Later",
        "Today",
        "Tomorrow",
        "Yesterday",
        "Far",
        "Deep",
        "Inside",
        "Outside",
        "Behind",
        "Under",
        "Over",
        "Above",
        "Below",
        "Between",
        "Through",
    ]
)
_ALIKE = 0.75
_LEAST_LETTERS = 4
_AFTER_OPENING = re.compile(r"[\"'“‘«:—–(\[*]\s*\Z|[.!?…][\"'”’)]*\s*\Z")


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    start: int
    end: int
    is_free: bool  # grammar asks for no capital here


def find_names(text: str) -> list[str]:
    """Return names in order of first appearance, possessives taken off ("Mira's" gives "Mira").

    Neighbouring capitalised words make one name ("Mira Vale", "Duke of York"); a
    title stays with it ("Mr Darcy").
    """
    tokens = _tokens(text)
    counts = Counter(word.text for word in tokens)
    free = {word.text for word in tokens if word.is_free}
    names: dict[str, None] = {}
    position = 0
    while position < len(tokens):
        length = _name_length(text, tokens, position, counts, free)
        if length:
            first, last = tokens[position], tokens[position + length - 1]
            name = text[first.start : last.start] + last.text
            names.setdefault(" ".join(name.split()))
        position += max(1, length)
    return list(names)


def name_words(text: str) -> frozenset[str]:
    """Return the single words of the names, for the repetition control's exemption."""
    return frozenset(
        word for name in find_names(text) for word in _TOKEN.findall(name) if word[0].isupper()
    )


def name_parts(text: str) -> frozenset[str]:
    """Return what stands between spaces in the names ("Duke", "of", "York")."""
    return frozenset(part for name in find_names(text) for part in name.split())


def follow_names(before: str) -> Callable[[str], frozenset[str]]:
    """Return what finds names in a text that may follow that are nearly one of those before ("Mara", "Marah").

    Nearly: three quarters alike by ``difflib``'s ratio, of four letters or more.
    """
    known = name_parts(before)

    def misspelt_in(text: str) -> frozenset[str]:
        found = name_parts(f"{before}\n\n{text}")
        told = known & found
        new = {word for word in found - told if word in text}
        return frozenset(word for word in new if any(_is_nearly(word, name) for name in told))

    return misspelt_in


def _is_nearly(word: str, name: str) -> bool:
    return (
        min(len(word), len(name)) >= _LEAST_LETTERS
        and difflib.SequenceMatcher(None, word.casefold(), name.casefold()).ratio() >= _ALIKE
    )


def _tokens(text: str) -> list[_Word]:
    starts = {start for start, _ in sentence_spans(text)}
    tokens: list[_Word] = []
    for match in _TOKEN.finditer(text):
        raw = match.group()
        start = match.start()
        is_free = start not in starts and not _AFTER_OPENING.search(text[max(0, start - 8) : start])
        is_free = is_free and (start == 0 or text[start - 1] != "\n")
        bare = raw if _CONTRACTION.search(raw) else _POSSESSIVE.sub("", raw)
        tokens.append(_Word(bare, start, match.end(), is_free))
    return tokens


def _name_length(
    text: str, tokens: list[_Word], position: int, counts: Counter[str], free: set[str]
) -> int:
    """Return how many tokens from ``position`` on make one name; 0 for none."""
    if not _is_name_word(tokens[position], counts, free):
        return 0
    length = 1
    while position + length < len(tokens):
        last, following = tokens[position + length - 1], tokens[position + length]
        gap = text[last.end : following.start]
        is_after_title = gap == ". " and last.text in _ABBREVIATED
        if last.end - last.start != len(last.text) or not (gap == " " or is_after_title):
            break
        if _is_capitalised(following.text) and following.text not in _COMMON:
            length += 1
            continue
        linked = _linked_length(text, tokens, position + length)
        if not linked:
            break
        length += linked
    is_lone_title = length == 1 and tokens[position].text in _TITLES
    return 0 if is_lone_title else length


def _linked_length(text: str, tokens: list[_Word], position: int) -> int:
    """Return the length of "of the X" from ``position`` on; 0 where no name follows."""
    length = 0
    while position + length < len(tokens) - 1 and tokens[position + length].text in _LINKS:
        gap = text[tokens[position + length].end : tokens[position + length + 1].start]
        if gap != " ":
            return 0
        length += 1
        following = tokens[position + length].text
        if _is_capitalised(following) and following not in _COMMON:
            return length + 1
    return 0


def _is_name_word(word: _Word, counts: Counter[str], free: set[str]) -> bool:
    if not _is_capitalised(word.text) or word.text in _COMMON or _CONTRACTION.search(word.text):
        return False
    if word.text in _TITLES:
        return True
    if word.text in free:
        return word.is_free or word.text not in _OPENERS
    is_repeated = counts[word.text] > 1 and counts[word.text.lower()] == 0
    return is_repeated and word.text not in _OPENERS


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() and (len(word) == 1 or not word.isupper()) and word != "I"
