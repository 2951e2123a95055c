"""Fountain, the plain-text layout of screenplays: read and written by its specification.

Source: https://fountain.io/syntax (1.1). Inline marks (emphasis, notes) stay in an element's
text as they are written; a boneyard (``/* … */``) is left out when a text is read.

Invariant: what ``write`` gives, ``parse`` reads back as the same elements, whatever their words
look like: a line that would be taken for another element is forced to be what it is.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What an element is."""

    HEADING = "heading"  # INT. KITCHEN - NIGHT
    ACTION = "action"
    CHARACTER = "character"  # the cue above a speech
    PARENTHETICAL = "parenthetical"  # with its brackets
    DIALOGUE = "dialogue"
    LYRICS = "lyrics"
    TRANSITION = "transition"  # CUT TO:
    CENTRED = "centred"
    SECTION = "section"
    SYNOPSIS = "synopsis"
    PAGE_BREAK = "page break"


@dataclass(frozen=True, slots=True)
class Element:
    """One piece of a script.

    Attributes:
        kind: what it is.
        text: its words without the marks that say what it is; an action and a speech may have
            several lines, a speech blank ones too.
        level: of a section, from 1.
        is_dual: a cue whose speech stands beside the one before.
    """

    kind: Kind
    text: str = ""
    level: int = 0
    is_dual: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """A whole script: its title page, by key in order, and its elements."""

    elements: tuple[Element, ...]
    title_page: tuple[tuple[str, str], ...] = ()


_BONEYARD = re.compile(r"/\*.*?\*/", re.DOTALL)
_HEADING = re.compile(r"(?:INT\.?/EXT|I/E|INT|EXT|EST)(?:\.|\s)\s*\S", re.IGNORECASE)
_FORCED_HEADING = re.compile(r"\.(?=\w)")
_CUE = re.compile(r"(?P<name>[^()]*[^\W\d_][^()]*?)(?P<extension>(?:\s*\([^()]*\))*)")
_PARENTHETICAL = re.compile(r"\(.*\)")
_PAGE_BREAK = re.compile(r"={3,}")
_TITLE_KEY = re.compile(r"([^\s:][^:\n]*):\s*(.*)")
_ESCAPED = re.compile(r"\\(?=[(~\\])")
_FORCING = "!@.>~#="
_MARKED = {">": Kind.TRANSITION, "=": Kind.SYNOPSIS, "~": Kind.LYRICS}
_MARKS = {
    Kind.PARENTHETICAL: ("", "{}"),
    Kind.LYRICS: ("~", "{}"),
    Kind.CENTRED: (">", " {} <"),
    Kind.SECTION: ("#", " {}"),
    Kind.SYNOPSIS: ("=", " {}"),
    Kind.PAGE_BREAK: ("===", ""),
}


def parse(text: str, *, may_have_title_page: bool = True) -> Script:
    """Read a script; every text is one: what is nothing else is action.

    Args:
        text: the text.
        may_have_title_page: a file's first lines may be "Title: …" and its like; where a text
            is a piece of a script, such a line is none.
    """
    lines = [line.expandtabs(4).rstrip("\r") for line in _BONEYARD.sub("", text).split("\n")]
    title_page, rest = _read_title_page(lines) if may_have_title_page else ((), lines)
    return Script(tuple(_read_elements(rest)), title_page)


def write(script: Script) -> str:
    """Write a script, elements apart as the specification has them; ends with a line's end."""
    blocks: list[str] = []
    for at, element in enumerate(script.elements):
        before = script.elements[at - 1] if at else None
        is_first = not blocks and not script.title_page
        written = _write_element(element, is_first=is_first)
        if _hangs_on(element, before):
            blocks[-1] += f"\n{written}"
        else:
            blocks.append(written)
    page = [f"{key}: {value}".rstrip() for key, value in script.title_page]
    return "\n\n".join((*(["\n".join(page)] if page else []), *blocks)) + "\n"


def escape(text: str) -> str:
    """Return prose as an element's text: nothing in it opens a boneyard or a note."""
    return text.replace("/*", "/\\*").replace("[[", "[\\[")


def looks_like_heading(line: str) -> bool:
    """Tell whether a line reads as a scene heading by itself."""
    return _HEADING.match(line.lstrip()) is not None


def looks_like_cue(line: str) -> bool:
    """Tell whether a line is in capitals, as a cue is; an extension in brackets may not be."""
    match = _CUE.fullmatch(line.strip().removesuffix("^").rstrip())
    return match is not None and _is_upper(match["name"])


def looks_like_transition(line: str) -> bool:
    """Tell whether a line reads as a transition by itself."""
    return line.rstrip().endswith("TO:") and _is_upper(line)


def _is_upper(text: str) -> bool:
    return text == text.upper() and text != text.lower()


def _read_title_page(lines: Sequence[str]) -> tuple[tuple[tuple[str, str], ...], Sequence[str]]:
    first = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    if first == len(lines) or not _is_title_line(lines[first]):
        return (), lines
    page: list[tuple[str, str]] = []
    for at in range(first, len(lines)):
        line = lines[at]
        if not line.strip():
            return tuple(page), lines[at:]
        match = _TITLE_KEY.fullmatch(line.rstrip())
        if match and not line[0].isspace():
            page.append((match[1], match[2]))
        else:
            key, value = page[-1]
            page[-1] = key, f"{value}\n{line.strip()}".strip()
    return tuple(page), ()


def _is_title_line(line: str) -> bool:
    """Tell whether a text that begins so has a title page; "FADE IN:" and its like make none."""
    match = _TITLE_KEY.fullmatch(line.rstrip())
    return match is not None and not _is_upper(match[1]) and line[0] not in _FORCING


def _read_elements(lines: Sequence[str]) -> Iterator[Element]:
    at = 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        is_after_blank = at == 0 or not lines[at - 1].strip()
        is_before_blank = at + 1 == len(lines) or not lines[at + 1].strip()
        single = _read_single(lines[at], is_apart=is_after_blank and is_before_blank)
        if single is not None:
            yield single
            at += 1
        elif _is_cue(lines[at], is_after_blank=is_after_blank, is_before_blank=is_before_blank):
            yield _cue_of(lines[at])
            at += 1
            at = yield from _read_speech(lines, at)
        else:
            block = [_action_line(lines[at])]
            at += 1
            while at < len(lines) and lines[at].strip() and _goes_on(lines, at):
                block.append(_action_line(lines[at]))
                at += 1
            yield Element(Kind.ACTION, "\n".join(block))


def _read_single(line: str, *, is_apart: bool) -> Element | None:
    """Read an element that is one line whatever follows; None for cues, speeches and action."""
    bare = line.strip()
    found: Element | None = None
    if bare.startswith(("!", "@")):
        return None
    if _PAGE_BREAK.fullmatch(bare):
        found = Element(Kind.PAGE_BREAK)
    elif bare.startswith("#"):
        words = bare.lstrip("#")
        found = Element(Kind.SECTION, words.strip(), level=len(bare) - len(words))
    elif bare.startswith((">", "=", "~")):
        is_centred = bare[0] == ">" and bare.endswith("<") and len(bare) > 1
        kind = Kind.CENTRED if is_centred else _MARKED[bare[0]]
        found = Element(kind, (bare[1:-1] if is_centred else bare[1:]).strip())
    elif _FORCED_HEADING.match(bare):
        found = Element(Kind.HEADING, bare[1:].strip())
    elif is_apart and looks_like_heading(bare):
        found = Element(Kind.HEADING, bare)
    elif is_apart and looks_like_transition(bare):
        found = Element(Kind.TRANSITION, bare)
    return found


def _is_cue(line: str, *, is_after_blank: bool, is_before_blank: bool) -> bool:
    if is_before_blank or not is_after_blank:
        return False
    bare = line.strip()
    return bare.startswith("@") or (not bare.startswith("!") and looks_like_cue(bare))


def _cue_of(line: str) -> Element:
    bare = line.strip().removeprefix("@")
    name = bare.removesuffix("^")
    return Element(Kind.CHARACTER, name.strip(), is_dual=name != bare)


def _read_speech(lines: Sequence[str], at: int) -> Generator[Element, None, int]:
    """Read what a cue's character says; returns the line after it."""
    said: list[str] = []

    def end() -> Iterator[Element]:
        if said:
            yield Element(Kind.DIALOGUE, "\n".join(said).strip("\n"))
            said.clear()

    while at < len(lines):
        line, bare = lines[at], lines[at].strip()
        if not bare and len(line) < 2:  # noqa: PLR2004 -- two spaces keep a speech open
            break
        if _PARENTHETICAL.fullmatch(bare):
            yield from end()
            yield Element(Kind.PARENTHETICAL, bare)
        elif bare.startswith("~"):
            yield from end()
            yield Element(Kind.LYRICS, bare[1:].strip())
        else:
            said.append(_ESCAPED.sub("", bare, count=1) if bare.startswith("\\") else bare)
        at += 1
    yield from end()
    return at


def _action_line(line: str) -> str:
    forced = line.lstrip()
    return (forced[1:] if forced.startswith("!") else line).rstrip()


def _goes_on(lines: Sequence[str], at: int) -> bool:
    """Tell whether a line goes on with the action before it: no mark makes it something else."""
    return _read_single(lines[at], is_apart=False) is None


def _hangs_on(element: Element, before: Element | None) -> bool:
    """Tell whether an element stands right under the one before."""
    spoken = {Kind.CHARACTER, Kind.PARENTHETICAL, Kind.DIALOGUE, Kind.LYRICS}
    hanging = {Kind.PARENTHETICAL, Kind.DIALOGUE, Kind.LYRICS}
    return element.kind in hanging and before is not None and before.kind in spoken


def _write_element(element: Element, *, is_first: bool) -> str:
    text = element.text
    match element.kind:
        case Kind.HEADING:
            return text if looks_like_heading(text) and text[0] not in _FORCING else f".{text}"
        case Kind.TRANSITION:
            return text if _is_plain_transition(text) else f"> {text}"
        case Kind.CHARACTER:
            plain = looks_like_cue(text) and not _needs_force(text) and not _is_plain_other(text)
            return f"{text if plain else '@' + text}{' ^' if element.is_dual else ''}"
        case Kind.DIALOGUE:
            return "\n".join(_dialogue_line(line) for line in text.split("\n"))
        case Kind.ACTION:
            return _write_action(text, is_first=is_first)
        case _:
            before, after = _MARKS.get(element.kind, ("", ""))
            return f"{before * max(1, element.level)}{after.format(text)}"


def _is_plain_other(line: str) -> bool:
    """Tell whether a line in capitals reads as a heading or a transition."""
    return looks_like_heading(line) or looks_like_transition(line)


def _is_plain_transition(text: str) -> bool:
    return looks_like_transition(text) and not looks_like_heading(text) and text[0] not in _FORCING


def _write_action(text: str, *, is_first: bool) -> str:
    first, *others = text.split("\n")
    is_block = bool(others)
    needs = (
        _needs_force(first)
        or (not is_block and _is_plain_other(first))
        or (is_block and looks_like_cue(first))
        or (is_first and _is_title_line(first))
    )
    written = [f"!{first}" if needs else first]
    written.extend(f"!{line}" if _needs_force(line) else line for line in others)
    return "\n".join(written)


def _needs_force(line: str) -> bool:
    """Tell whether a mark at a line's front would make it another element."""
    return line.lstrip()[:1] in tuple(_FORCING)


def _dialogue_line(line: str) -> str:
    if not line:
        return "  "
    is_marked = (
        line.startswith("~")
        or _PARENTHETICAL.fullmatch(line) is not None
        or _ESCAPED.match(line) is not None
    )
    return f"\\{line}" if is_marked else line


def speakers(elements: Iterable[Element]) -> list[str]:
    """Return who speaks, in order of appearance, without what stands in brackets."""
    names = (_CUE.fullmatch(element.text) for element in elements if element.kind is Kind.CHARACTER)
    return list(dict.fromkeys(match["name"].strip() for match in names if match))
