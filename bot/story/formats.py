"""The formats that a story can have.

Invariant: a concept may name any format, for an older or newer version may have written it;
``known_format`` gives one that this version writes.
"""

from difflib import get_close_matches
from typing import Final

from bot.errors import UnknownCommandError
from bot.locales import N_
from bot.story.model import FormOutcome, Passage

PROSE: Final = "prose"
FABLE: Final = "fable"
SCREENPLAY: Final = "screenplay"
LESSON: Final = "lesson"

FORMATS: Final = (PROSE, FABLE, SCREENPLAY, LESSON)

FORMAT_LABELS: Final = {
    PROSE: N_("Prose"),
    FABLE: N_("Fable, with a moral"),
    SCREENPLAY: N_("Screenplay"),
    LESSON: N_("Lesson: a story, words and questions for a class"),
}

LEAST_AGE: Final = 3
MOST_AGE: Final = 18


MISSED_FORM: Final = N_("The model could not keep the form of this format here.")


def has_missed_form(passage: Passage) -> bool:
    """Tell whether a passage stands there as the model wrote it, without its format's form."""
    origin = passage.provenance
    return origin is not None and origin.form == FormOutcome.MISSED and not passage.is_edited


def known_format(name: str) -> str:
    """Return the format that a concept names; prose where this version does not know it."""
    return name if name in FORMATS else PROSE


def read_format(given: str) -> str:
    """Return the format that somebody typed; "" is prose.

    Raises:
        UnknownCommandError: there is none of that name.
    """
    wanted = " ".join(given.casefold().split()) or PROSE
    if wanted not in FORMATS:
        near = get_close_matches(wanted, FORMATS, n=1) or FORMATS
        raise UnknownCommandError(given=given, near=", ".join(near))
    return wanted


def read_age(given: str) -> int:
    """Return the age of a class that somebody typed, years; 0 where it is not said.

    Raises:
        UnknownCommandError: it is no number in range.
    """
    wanted = given.strip()
    if not wanted:
        return 0
    if not wanted.isdecimal() or not LEAST_AGE <= int(wanted) <= MOST_AGE:
        raise UnknownCommandError(given=given, near=f"{LEAST_AGE} – {MOST_AGE}")  # noqa: RUF001 -- a range
    return int(wanted)
