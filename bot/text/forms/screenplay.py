"""Screenplays: what makes a text one, and how one is put right.

Invariant: ``repair`` keeps the words and their order; it changes only where they stand, and
leaves out what is no whole sentence. A repaired text is Fountain again.
"""

# ruff: noqa: RUF001 -- typographic quotes are meant as they stand

import re
from collections.abc import Iterable, Iterator, Sequence

from bot.text.forms import fountain
from bot.text.forms.faults import Fault
from bot.text.forms.fountain import Element, Kind, Script, looks_like_cue
from bot.text.function_words import FUNCTION_WORDS
from bot.text.sentences import last_sentence_end

_HEADING_CHARS = 80
_CUE_CHARS = 40
_CUE_WORDS = 4
_SPOKEN_WORDS = 2  # fewer in quotes are a word that is mentioned
_STRUCTURE = {Kind.SECTION, Kind.SYNOPSIS, Kind.TRANSITION, Kind.CENTRED, Kind.PAGE_BREAK}
_LABEL = re.compile(r"(?P<name>[^\W\d_][\w.’'-]*(?: [A-Z][\w.’'-]*){0,2}):[ \t]+(?P<words>\S.*)")
_QUOTED = re.compile(r"[\"“](?P<words>[^\"“”]+)[\"”]")
_SAYS = (
    r"(?:says?|said|asks?|asked|repl(?:y|ies|ied)|whispers?|whispered|shouts?|shouted|answers?"
    r"|answered|cries|cried|calls?|called|mutters?|muttered)"
)
_NAME = r"(?P<name>[A-Z][\w’'-]*)"
_SAID_AFTER = re.compile(
    rf"[\"“](?P<words>[^\"“”]+?),?[\"”],? (?:{_SAYS} {_NAME}|{_NAME.replace('name', 'other')} {_SAYS})[^\"“”]*"
)
_SAID_BEFORE = re.compile(rf"{_NAME} {_SAYS}[^\"“”,:]*[,:] [\"“](?P<words>[^\"“”]+)[\"”]\W*")
_ASIDE = re.compile(r"(?P<aside>\([^()]{1,60}\))\s*(?P<words>.*)", re.DOTALL)
_INSIDE = re.compile(
    r"\b(?:apartment|attic|bakery|bar|barn|basement|bedroom|cabin|caf[eé]|castle|cave|cellar|chapel"
    r"|church|classroom|cottage|court|factory|farmhouse|flat|gallery|hall|hospital|hotel|house|hut|inn"
    r"|kitchen|laboratory|library|lighthouse|manor|mansion|mill|museum|office|palace|prison|pub"
    r"|restaurant|room|school|ship|shop|spaceship|spacecraft|starship|station|store|studio|submarine"
    r"|tavern|theatre|theater|tower|train|tunnel|vault|warehouse|workshop)\b",
    re.IGNORECASE,
)
_TIMES = (
    ("NIGHT", re.compile(r"\b(?:night|midnight|moonlit|moonlight|stars)\b", re.IGNORECASE)),
    ("DAWN", re.compile(r"\b(?:dawn|sunrise)\b", re.IGNORECASE)),
    ("EVENING", re.compile(r"\b(?:evening|dusk|sunset|twilight)\b", re.IGNORECASE)),
    ("MORNING", re.compile(r"\bmorning\b", re.IGNORECASE)),
)
_PLACE_END = re.compile(
    r"[.,;:!?(]|\s(?:where|that|which|who|whose|when|while|during|in the year|at (?:night|dawn|dusk|midnight)"
    r"|on (?:a|the) (?:night|evening|morning)|at the end of|just|after|before|once|under a)\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"(?:an?|the|in|at|on|inside|aboard)\s+", re.IGNORECASE)
_PLACE_WORDS = 6
_ROUNDS = 8


def check(text: str, *, is_whole: bool = True) -> tuple[Fault, ...]:
    """Return where a text is no screenplay.

    Args:
        text: the text.
        is_whole: a whole script has a scene heading before anybody speaks, action and dialogue;
            a passage of one may be any of these.
    """
    elements = fountain.parse(text, may_have_title_page=False).elements
    faults: list[Fault] = []
    at = 0
    for element in elements:
        found = text.find(element.text.split("\n")[0], at)
        at = max(at, found)
        faults.extend(Fault(rule, at) for rule in _faults_of(element))
    faults.extend(_lonely_cues(elements, text))
    if not elements:
        faults.append(Fault("empty", 0))
    elif not _is_finished(elements[-1]):
        faults.append(Fault("unfinished", len(text)))
    if is_whole:
        faults.extend(Fault(rule, len(text)) for rule in _missing(elements))
    return tuple(faults)


def repair(text: str, *, heading: str = "") -> str:
    """Put a screenplay right: speeches under cues, no lonely cue, no half sentence.

    Args:
        text: the text.
        heading: set above a text in which somebody speaks before any scene heading.
    """
    for _ in range(_ROUNDS):  # what was put right may stand as something else now
        once = _repair_all(text, heading)
        if once == text:
            break
        text = once
    return text


def _repair_all(text: str, heading: str) -> str:
    parsed = fountain.parse(text, may_have_title_page=False).elements
    elements = [better for element in parsed for better in _repair(element)]
    elements = list(_without_lonely_cues(elements))
    while elements and not _is_finished(elements[-1]):
        last = elements.pop()
        kept = last.text[: last_sentence_end(last.text)].rstrip()
        if last.kind in {Kind.ACTION, Kind.DIALOGUE} and kept:
            elements.append(Element(last.kind, kept))
    if heading and "heading missing" in set(_missing(elements)):
        elements.insert(0, Element(Kind.HEADING, heading))
    return fountain.write(Script(tuple(elements))).rstrip("\n")


def heading_of(setting: str, time: str = "") -> str:
    """Return a scene heading for a place as a concept describes it: "EXT. FOGGY HARBOUR - NIGHT".

    Args:
        setting: in words; its time of day counts before ``time``.
        time: of day; "DAY" where nothing tells.
    """
    bare = " ".join(setting.split())
    told = next((name for name, pattern in _TIMES if pattern.search(bare)), "")
    while (article := _ARTICLE.match(bare)) is not None:
        bare = bare[article.end() :]
    end = _PLACE_END.search(bare)
    place = bare[: end.start()] if end and end.start() else bare.rstrip(".,;:!?")
    named = place.split()[:_PLACE_WORDS]
    while len(named) > 1 and named[-1].casefold() in FUNCTION_WORDS:
        named.pop()
    place = " ".join(named).upper()
    inside = "INT." if _INSIDE.search(place) else "EXT."
    return f"{inside} {place} - {told or time or 'DAY'}"


def cue_of(name: str) -> str:
    """Return a name as it stands above a speech."""
    return " ".join(re.sub(r"[()^]", " ", name).split()).upper()


def speech_of(name: str, words: str) -> tuple[Element, ...]:
    """Return a cue and its speech; what stands in brackets at the front is a parenthetical."""
    cue = Element(Kind.CHARACTER, cue_of(name))
    aside = _ASIDE.fullmatch(words.strip())
    if aside is None:
        return cue, Element(Kind.DIALOGUE, words.strip())
    said = aside["words"].strip()
    spoken = (Element(Kind.DIALOGUE, said),) if said else ()
    return cue, Element(Kind.PARENTHETICAL, aside["aside"]), *spoken


def as_play(text: str) -> str:
    """Return a screenplay as people print plays: "Mira: (softly) Come in." in one paragraph.

    A small model knows this layout from books; in Fountain's it writes lists of names.
    """
    lines: list[str] = []
    for element in fountain.parse(text, may_have_title_page=False).elements:
        if element.kind is Kind.CHARACTER:
            lines.append(f"{_as_name(element.text)}:")
        elif element.kind in {Kind.PARENTHETICAL, Kind.DIALOGUE, Kind.LYRICS} and lines:
            lines[-1] += " " + " ".join(element.text.split())
        elif element.text:
            lines.append(element.text)
    return "\n\n".join(lines)


def _as_name(cue: str) -> str:
    return " ".join(word.capitalize() if word.isupper() else word for word in cue.split())


def _faults_of(element: Element) -> Iterator[str]:
    text = element.text
    match element.kind:
        case Kind.HEADING:
            is_line = len(text) <= _HEADING_CHARS and not re.search(r"[.!?]\s*\Z", text)
            if not is_line or not re.search(r"[^\W\d_]{2}", text[4:]):
                yield "heading"
        case Kind.CHARACTER:
            if len(text) > _CUE_CHARS:
                yield "cue"
        case Kind.DIALOGUE:
            if text.startswith("(") and ")" not in text:
                yield "parenthetical"
        case Kind.ACTION:
            if any(_LABEL.fullmatch(line) for line in text.split("\n")):
                yield "label"
            if _has_speech(text):
                yield "quoted speech"
        case _:
            pass


def _has_speech(text: str) -> bool:
    return any(len(match["words"].split()) > _SPOKEN_WORDS for match in _QUOTED.finditer(text))


def _lonely_cues(elements: Iterable[Element], text: str) -> Iterator[Fault]:
    for element in elements:
        if _is_lonely_cue(element):
            yield Fault("cue without speech", max(0, text.find(element.text)))


def _is_lonely_cue(element: Element) -> bool:
    """Tell whether an action is nothing but a cue."""
    text = element.text
    return (
        element.kind is Kind.ACTION
        and len(text.split()) <= _CUE_WORDS
        and looks_like_cue(text)
        and text[-1] not in ".!?…:"
    )


def _without_lonely_cues(elements: Iterable[Element]) -> Iterator[Element]:
    return (element for element in elements if not _is_lonely_cue(element))


def _missing(elements: Iterable[Element]) -> Iterator[str]:
    told = [element.kind for element in elements if element.kind not in _STRUCTURE]
    speech = told.index(Kind.CHARACTER) if Kind.CHARACTER in told else len(told)
    if Kind.HEADING not in told[:speech]:
        yield "heading missing"
    if Kind.ACTION not in told:
        yield "action missing"
    if Kind.CHARACTER not in told or Kind.DIALOGUE not in told:
        yield "dialogue missing"


def _is_finished(element: Element) -> bool:
    if element.kind is Kind.CHARACTER:
        return False
    if element.kind not in {Kind.ACTION, Kind.DIALOGUE}:
        return True
    return last_sentence_end(element.text) == len(element.text.rstrip())


def _repair(element: Element) -> Iterator[Element]:
    if element.kind is Kind.DIALOGUE and element.text.startswith("(") and ")" not in element.text:
        if said := element.text[1:].strip():
            yield Element(Kind.DIALOGUE, said)
        return
    if element.kind is Kind.HEADING and "heading" in set(_faults_of(element)):
        yield Element(Kind.ACTION, element.text)
        return
    if element.kind is not Kind.ACTION:
        yield element
        return
    told: list[str] = []
    for line in element.text.split("\n"):
        spoken = _speech_in(line)
        if spoken is None:
            told.append(line)
            continue
        yield from _action(told)
        told = []
        yield from spoken
    yield from _action(told)


def _action(lines: Sequence[str]) -> Iterator[Element]:
    """Give what stands in lines as an action; no empty line begins or ends one."""
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield Element(Kind.ACTION, text)


def _speech_in(line: str) -> tuple[Element, ...] | None:
    """Return a line of prose as a speech where it is one, by somebody who is named."""
    bare = line.strip()
    label = _LABEL.fullmatch(bare)
    if label is not None:
        return speech_of(label["name"], label["words"].strip('"“” '))
    before = _SAID_BEFORE.fullmatch(bare)
    if before is not None:
        return speech_of(before["name"], before["words"])
    after = _SAID_AFTER.fullmatch(bare)
    if after is not None:
        words = after["words"].strip()
        stop = "" if words[-1:] in ".!?…" else "."
        return speech_of(after["name"] or after["other"], words + stop)
    return None
