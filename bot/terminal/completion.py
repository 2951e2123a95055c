"""Completion at the prompt: commands, options, and values that can be known.

Invariant: completing reads, and changes nothing.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from bot.errors import RoundtaleError
from bot.locales import Words
from bot.policy.registry import REGISTRY
from bot.terminal.commands import COMMANDS, Command, strip_group

Titles = Callable[[str], Awaitable[Sequence[str]]]
"""Finds the titles that begin with what was typed."""

_TITLED = frozenset({"open", "delete"})


class CommandCompleter(Completer):
    """Completes a line that begins with ``/``.

    Args:
        words: the language of the explanations.
        titles: finds stories; None completes none.
    """

    def __init__(self, words: Words, titles: Titles | None = None) -> None:
        self._words = words
        self._titles = titles

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        """Yield what may stand at the cursor and needs no database."""
        before = document.text_before_cursor
        if not before.startswith("/"):
            return
        name, space, rest = strip_group(before[1:]).partition(" ")
        if not space:
            yield from self._names(name.lower())
        elif (command := COMMANDS.get(name.lower())) is not None:
            yield from _values(command, rest)

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        """Yield that, and the titles of stories."""
        for completion in self.get_completions(document, complete_event):
            yield completion
        before = document.text_before_cursor
        name, space, rest = strip_group(before[1:]).partition(" ")
        if self._titles is None or not (space and before.startswith("/") and name in _TITLED):
            return
        if rest.startswith("-"):
            return
        try:
            titles = await self._titles(rest.strip())
        except RoundtaleError:
            return  # the command itself will say what is wrong
        for title in titles:
            yield Completion(title, start_position=-len(rest))

    def _names(self, typed: str) -> Iterable[Completion]:
        for command in (*COMMANDS.values(),):
            if command.name.startswith(typed):
                yield Completion(
                    command.name,
                    start_position=-len(typed),
                    display_meta=self._words(command.help),
                )


def _values(command: Command, rest: str) -> Iterable[Completion]:
    word = rest.rpartition(" ")[2]
    if word.startswith("-"):
        for option in (*command.options, *command.flags):
            if f"--{option}".startswith(word):
                yield Completion(f"--{option} ", start_position=-len(word))
        return
    previous = rest[: len(rest) - len(word)].rstrip().rpartition(" ")[2]
    known: Iterable[str] = ()
    if previous.startswith("--"):
        known = command.values.get(previous[2:], ())
    elif not previous:
        known = REGISTRY if command.name in {"set", "reset"} else command.values.get("", ())
    for value in known:
        if value.startswith(word):
            yield Completion(value, start_position=-len(word))
