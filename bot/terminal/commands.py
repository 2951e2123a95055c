"""The commands of ``play``: the names and options of Discord's, typed on a line.

Invariant: a line that begins with ``/`` is a command, any other is story text; what
cannot be understood is an error for its writer and never becomes story text.
"""

import difflib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.errors import InvalidInputError, UnknownCommandError
from bot.export import FORMATS
from bot.locales import N_
from bot.policy.settings import LENGTHS
from bot.story.formats import FORMATS as STORY_FORMATS


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        name: as it is typed, without the slash.
        usage: its arguments, for people.
        help: what it does.
        options: given as ``--name value``.
        flags: given as ``--name``.
        values: what can be completed, by option; "" is the first argument.
    """

    name: str
    usage: str
    help: str
    options: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Line:
    """A parsed line: a command with its words and options, or story text (``command`` None)."""

    command: Command | None
    text: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()


COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command(
            "start",
            N_(
                "[premise] [--title T] [--genre G] [--format F] [--age YEARS]"
                " [--theme T] [--setting S] [--opening WORDS] [--begin]"
            ),
            N_(
                "Begin a story (prose, fable, screenplay or lesson): shows its concept first; --begin skips the card"
            ),
            options=("title", "genre", "format", "age", "theme", "setting", "opening"),
            flags=("begin",),
            values={"format": STORY_FORMATS},
        ),
        Command(
            "continue",
            N_("[words] [--length short|medium|long]"),
            N_("Add your words, if any, and let the model go on (just Enter does the same)"),
            options=("length",),
            values={"length": tuple(LENGTHS)},
        ),
        Command("write", "", N_("Write several lines; end with a line that holds only a dot")),
        Command("add", N_("words"), N_("Add your words without an answer by the model")),
        Command("retry", "", N_("Let the model write its last passage anew")),
        Command(
            "pick",
            N_("next|previous"),
            N_("Choose among the alternates of the last passage"),
            values={"": ("next", "previous")},
        ),
        Command("undo", N_("[n]"), N_("Take back the last turn, or the last n")),
        Command("redo", N_("[n]"), N_("Bring back what was undone")),
        Command("edit", N_("[new words]"), N_("Reword the newest passage")),
        Command("show", "", N_("Read the story from its beginning")),
        Command("concept", "", N_("Show the concept of the story")),
        Command("context", "", N_("Show exactly what the model will see")),
        Command("list", N_("[words of a title]"), N_("List the stories kept here")),
        Command("open", N_("number or title"), N_("Open another story")),
        Command("rename", N_("title"), N_("Give the story another title")),
        Command(
            "end",
            N_("[--now]"),
            N_("Let the model write an ending; --now ends without"),
            flags=("now",),
        ),
        Command(
            "delete",
            N_("[number or title] --yes"),
            N_("Remove a story's text for good"),
            flags=("yes",),
        ),
        Command(
            "export",
            N_("[file] [--format F]"),
            N_("Write the story to a file: txt, markdown, fountain or json"),
            options=("format",),
            values={"format": FORMATS},
        ),
        Command("import", N_("file"), N_("Take in a story that was exported as JSON")),
        Command("settings", "", N_("Show the settings and where each comes from")),
        Command("set", N_("name value"), N_("Change a setting for this story's place")),
        Command("reset", N_("[name]"), N_("Take a setting back to its default, or all of them")),
        Command("help", "", N_("Show this list")),
        Command("quit", "", N_("Leave; everything is kept (so does Ctrl-D)")),
    )
}
_PREFIXES = ("story ", "storyadmin ")
"""``/story undo`` and ``/storyadmin set`` work too, as they are typed in Discord."""


def strip_group(body: str) -> str:
    """Return a command without the group that it belongs to in Discord."""
    for prefix in _PREFIXES:
        body = body.removeprefix(prefix)
    return body


def parse(line: str) -> Line:
    """Parse one line.

    Raises:
        InvalidInputError: an unknown command or option, or an unclosed quote.
    """
    stripped = line.strip()
    if not stripped.startswith("/"):
        return Line(None, stripped)
    name, _, rest = strip_group(stripped[1:]).partition(" ")
    command = COMMANDS.get(name.lower())
    if command is None:
        near = difflib.get_close_matches(name.lower(), COMMANDS, n=1)
        raise UnknownCommandError(given=f"/{name}", near=f"/{near[0] if near else 'help'}")
    return _options(command, rest.strip())


def _options(command: Command, rest: str) -> Line:
    if not (command.options or command.flags) or "--" not in rest:
        return Line(command, rest)
    # Apostrophes are letters in prose, so only double quotes group words.
    lexer = shlex.shlex(rest, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.quotes = '"'
    lexer.escape = ""
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError as error:
        raise InvalidInputError(reason=str(error)) from error
    plain: list[str] = []
    options: dict[str, str] = {}
    flags: set[str] = set()
    at: str | None = None
    for word in words:
        if not word.startswith("--"):
            if at is None:
                plain.append(word)
            else:
                options[at] = f"{options[at]} {word}".strip()
            continue
        name = word[2:].lower()
        if name in command.flags:
            flags.add(name)
            at = None
        elif name in command.options:
            options[name] = ""
            at = name
        else:
            known = ", ".join(f"--{known}" for known in (*command.options, *command.flags))
            raise UnknownCommandError(given=word, near=known)
    return Line(command, " ".join(plain), options, frozenset(flags))
