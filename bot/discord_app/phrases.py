"""Messages that are not story text although they are replies: whole phrases of a table.

Invariant: only a message that is one of the phrases as a whole is a command; a phrase
within a sentence is story text.
"""

import re
import unicodedata

from bot.locales import N_, Words

# Of each act the phrases, separated by commas; a translation may have its own.
PHRASES: dict[str, str] = {
    "continue": N_("go on, continue, keep going, more, next, carry on, and then"),
    "retry": N_("retry, try again, again, once more, another version"),
    "undo": N_("undo, undo that, take that back, go back, oops"),
    "redo": N_("redo, redo that, bring it back"),
    "stop": N_("stop, stop it, that is enough, enough"),
    "end": N_("end, the end, end it, end the story, finish it, write an ending"),
    "help": N_("help, what can you do, commands"),
}
_EDGES = re.compile(r"^[\W_]+|[\W_]+$")
_MAX_CHARS = 40


def find_phrase(text: str, words: Words) -> str | None:
    """Return the act that a whole message asks for; None where it is story text."""
    if len(text) > _MAX_CHARS:
        return None
    said = _folded(text)
    if not said:
        return None
    for act, listed in PHRASES.items():
        for phrases in {listed, words(listed)}:
            if said in {_folded(phrase) for phrase in phrases.split(",")}:
                return act
    return None


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join(_EDGES.sub("", plain).split())
