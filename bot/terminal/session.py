"""What each command of ``play`` does: calls a use case and prints what came of it.

Invariant: the session holds no state of a story; it asks the services each time.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bot.errors import (
    InvalidInputError,
    NoStoryError,
    NotFoundError,
    RoundtaleError,
    UnknownCommandError,
)
from bot.export import export, lesson_text
from bot.locales import N_, Words
from bot.policy.rights import Actor, Place
from bot.policy.settings import format_value
from bot.service.api import Receipt, ReceiptKind
from bot.service.concepts import ConceptService
from bot.service.settings import SettingsService
from bot.service.stories import StoryService
from bot.story import tree
from bot.story.concept import Wish, concept_of
from bot.story.formats import read_age
from bot.story.model import Story, StoryStatus, StorySummary
from bot.terminal import render
from bot.terminal.asking import Ask, UsageError
from bot.terminal.card import CardDialogue
from bot.terminal.commands import COMMANDS, Line
from bot.terminal.files import path_of, read_limited, write_new


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases that the terminal calls."""

    stories: StoryService
    concepts: ConceptService
    settings: SettingsService


class Session:
    """One person's commands in one place.

    Args:
        services: the use cases.
        actor: who types.
        place: where the story lives.
        console: where stories go.
        notes: where remarks go.
        words: the language.
        ask: asks for another line; None where nobody can answer (batch).
    """

    def __init__(
        self,
        services: Services,
        actor: Actor,
        place: Place,
        *,
        console: Console,
        notes: Console,
        words: Words,
        ask: Ask | None,
    ) -> None:
        self._stories = services.stories
        self._concepts = services.concepts
        self._settings = services.settings
        self._actor = actor
        self._place = place
        self._console = console
        self._notes = notes
        self._words = words
        self._ask = ask
        self._card = CardDialogue(
            services.concepts, actor, place, console=console, notes=notes, words=words, ask=ask
        )
        self._handlers: Mapping[str, Callable[[Line], Awaitable[None]]] = {
            "start": self._start,
            "continue": self._continue,
            "write": self._write,
            "add": self._add,
            "retry": self._retry,
            "pick": self._pick,
            "undo": self._undo,
            "redo": self._redo,
            "edit": self._edit,
            "show": self._show,
            "concept": self._concept,
            "context": self._context,
            "list": self._list,
            "open": self._open,
            "rename": self._rename,
            "end": self._end,
            "delete": self._delete,
            "export": self._export,
            "import": self._import,
            "settings": self._list_settings,
            "set": self._set,
            "reset": self._reset,
            "help": self._help,
        }

    async def execute(self, line: Line) -> None:
        """Do what a line asks for; returns when it is done and shown."""
        if line.command is not None:
            await self._handlers[line.command.name](line)
        else:
            await self._take(line.text or None)

    async def stop(self) -> None:
        """Stop what is under way; what is whole of a passage is kept."""
        if self._card.stop():
            return
        try:
            receipt = await self._stories.stop(self._actor, self._place)
        except NoStoryError:
            return
        except RoundtaleError as error:
            self._notes.print(Text(self._words.error(error.message, error.data), style="red"))
            return
        if receipt is None:
            return
        if receipt.passage_id is None:
            self._note(N_("Stopped before a sentence was whole; the model added nothing."))
        else:
            self._note(N_("Stopped. What was whole is kept."))

    async def finish_interrupted(self) -> None:
        """Go on with the passage that an earlier end interrupted, and wait for it."""
        await self._stories.recover(self._is_here)
        job_id = await self._stories.under_way(self._place)
        if job_id is not None:
            self._note(N_("Finishing the passage that was interrupted …"))
            await self._stories.wait(job_id)

    def _is_here(self, place: Place) -> bool:
        return (place.platform, place.name) == (self._place.platform, self._place.name)

    async def titles(self, typed: str) -> Sequence[str]:
        """Return the titles of stories here that begin with what was typed."""
        stories = await self._stories.summaries(self._actor, self._place, query=typed, limit=10)
        return [summary.title for summary in stories if summary.title]

    async def story(self) -> Story | None:
        """Return the story that is open here."""
        return await self._stories.current_or_none(self._place)

    def _note(self, message: str, **data: object) -> None:
        self._notes.print(Text(self._words(message, **data), style="dim"))

    async def _follow(self, receipt: Receipt) -> None:
        if receipt.kind is ReceiptKind.WAITING:
            self._note(N_("Your words wait for the passage under way."))
        if receipt.job_id is not None:
            await self._stories.wait(receipt.job_id)

    async def _take(self, text: str | None, *, length: str = "", wants_answer: bool = True) -> None:
        """Add words to the story; where none is open, they begin one."""
        if await self._stories.current_or_none(self._place) is not None:
            receipt = await self._stories.take_turn(
                self._actor, self._place, text, key=_key(), length=length, wants_answer=wants_answer
            )
        elif text:
            receipt = await self._stories.start(
                self._actor,
                self._place,
                concept_of(Wish()),
                text,
                key=_key(),
                wants_answer=wants_answer,
            )
        else:
            self._note(N_("Type how your story begins, or /start for a concept first."))
            return
        await self._follow(receipt)

    async def _start(self, line: Line) -> None:
        wish = Wish(
            premise=line.text,
            title=line.options.get("title", ""),
            genre=line.options.get("genre", ""),
            format=line.options.get("format", ""),
            reader_age=read_age(line.options.get("age", "")),
            theme=line.options.get("theme", ""),
            setting=line.options.get("setting", ""),
        )
        card = await self._card.settle(
            wish, line.options.get("opening") or None, can_change="begin" not in line.flags
        )
        if card is None:
            self._note(N_("Nothing was begun."))
            return
        receipt = await self._concepts.begin(self._actor, self._place, card.id, key=_key())
        if receipt.passage_id is not None:
            opening_passage = receipt.story.passages[receipt.passage_id]
            self._console.print(render.passage(receipt.story, opening_passage, self._words))
        await self._follow(receipt)

    async def _continue(self, line: Line) -> None:
        await self._take(line.text or None, length=line.options.get("length", ""))

    async def _write(self, _line: Line) -> None:
        if self._ask is None:
            raise InvalidInputError(reason=self._words(N_("nobody can answer in batch mode")))
        lines: list[str] = []
        while True:
            try:
                typed = await self._ask(self._words(N_("… ")))
            except EOFError:
                break
            if typed.strip() == ".":
                break
            lines.append(typed)
        await self._take("\n".join(lines))

    async def _add(self, line: Line) -> None:
        await self._take(_given(line), wants_answer=False)

    async def _retry(self, _line: Line) -> None:
        await self._follow(await self._stories.retry(self._actor, self._place, key=_key()))

    async def _pick(self, line: Line) -> None:
        step = {"": 1, "next": 1, ">": 1, "previous": -1, "prev": -1, "<": -1}.get(
            line.text.lower()
        )
        if step is None:
            raise UnknownCommandError(given=line.text, near="next, previous")
        story = await self._stories.current(self._actor, self._place)
        head = tree.head_id(story)
        if head is None:
            raise NotFoundError(what=self._words(N_("A passage")))
        view = await self._stories.pick(
            self._actor, self._place, key=_key(), expected_head=head, step=step
        )
        self._console.print(render.passage(view.story, view.passage, self._words))

    async def _undo(self, line: Line) -> None:
        undone = await self._stories.undo(self._actor, self._place, _count(line.text), key=_key())
        self._note(N_("Undone: {n}. /redo brings it back."), n=undone.turns)
        self._show_end(undone.story)

    async def _redo(self, line: Line) -> None:
        redone = await self._stories.redo(self._actor, self._place, _count(line.text), key=_key())
        self._note(N_("Brought back: {n}."), n=redone.turns)
        self._show_end(redone.story)

    def _show_end(self, story: Story) -> None:
        path = tree.path(story)
        if path:
            self._console.print(render.passage(story, path[-1], self._words))
        else:
            self._note(N_("The story is empty now."))

    async def _edit(self, line: Line) -> None:
        story = await self._stories.current(self._actor, self._place)
        path = tree.path(story)
        if not path:
            raise NotFoundError(what=self._words(N_("A passage")))
        text = line.text
        if not text and self._ask is not None:
            before = tree.text_of(story, path[-1]).strip()
            is_long = "\n" in before
            if is_long:
                self._note(N_("Esc and then Enter takes it; Ctrl-C leaves it as it was."))
            try:
                text = await self._ask(
                    self._words(N_("edit> ")), default=before, is_multiline=is_long
                )
            except EOFError:
                text = before
            if text.strip() == before:
                self._note(N_("Nothing was changed."))
                return
        view = await self._stories.edit(self._actor, self._place, path[-1].id, text, key=_key())
        self._console.print(render.passage(view.story, view.passage, self._words))

    async def _show(self, _line: Line) -> None:
        story = await self._stories.current(self._actor, self._place)
        self._console.print(render.whole_story(story, self._words))

    async def _concept(self, _line: Line) -> None:
        story = await self._stories.current(self._actor, self._place)
        self._console.print(render.concept_card(tree.concept(story), (), self._words))

    async def _context(self, _line: Line) -> None:
        shown = await self._stories.context(self._actor, self._place)
        self._console.print(render.context(shown, self._words))

    async def _list(self, line: Line) -> None:
        stories = await self._stories.summaries(self._actor, self._place, query=line.text, limit=50)
        self._console.print(render.story_list(stories, self._words, width=self._console.width))

    async def _named(self, given: str) -> StorySummary:
        """Return the story of a number in ``/list`` or of a title's beginning."""
        stories = await self._stories.summaries(self._actor, self._place, limit=50)
        if given.isdecimal() and 1 <= int(given) <= len(stories):
            return stories[int(given) - 1]
        found = await self._stories.summaries(self._actor, self._place, query=given, limit=1)
        if not found:
            raise NotFoundError(what=f"“{given}”")
        return found[0]

    async def _open(self, line: Line) -> None:
        named = await self._named(_given(line))
        story = await self._stories.open(self._actor, self._place, named.id)
        self._console.print(render.whole_story(story, self._words))

    async def _rename(self, line: Line) -> None:
        title = _given(line)
        story = await self._stories.rename(self._actor, self._place, None, title, key=_key())
        self._note(N_("The story is called “{title}” now."), title=tree.title(story))

    async def _end(self, line: Line) -> None:
        await self._follow(
            await self._stories.end(
                self._actor, self._place, key=_key(), by_model="now" not in line.flags
            )
        )
        story = await self._stories.current_or_none(self._place)
        if story is not None and story.status is StoryStatus.ENDED:
            lesson = lesson_text(story, self._words)
            if lesson:
                self._console.print(Text(render.plain(lesson)))
            note = N_("The story has ended. /undo takes the ending back, /start begins another.")
            self._note(note)

    async def _delete(self, line: Line) -> None:
        if line.text:
            story_id = (await self._named(line.text)).id
        else:
            story_id = (await self._stories.current(self._actor, self._place)).id
        if "yes" not in line.flags:
            self._note(N_("This removes its text for good. Add --yes if you mean it."))
            return
        await self._stories.delete(self._actor, self._place, story_id)
        self._note(N_("Deleted."))

    async def _export(self, line: Line) -> None:
        story = await self._stories.current(self._actor, self._place)
        target = path_of(line.text) if line.text else None
        wanted = line.options.get("format") or (target.suffix.lstrip(".") if target else "")
        aliases = {"": "txt", "md": "markdown", "text": "txt"}
        file = export(story, aliases.get(wanted.lower(), wanted.lower()), words=self._words)
        target = target or Path(file.name)
        await asyncio.to_thread(write_new, target, file.data)
        self._note(N_("Written to {path}."), path=target)

    async def _import(self, line: Line) -> None:
        path = path_of(_given(line))
        data = await asyncio.to_thread(read_limited, path)
        story = await self._stories.import_(self._actor, self._place, data, key=_key())
        self._note(N_("“{title}” is open now."), title=tree.title(story))

    async def _list_settings(self, _line: Line) -> None:
        rows = await self._settings.listing(self._actor, self._place)
        self._console.print(render.settings_table(rows, self._words, width=self._console.width))

    async def _set(self, line: Line) -> None:
        name, _, value = _given(line).partition(" ")
        if not value.strip():
            raise UsageError(name="set", usage=self._words(COMMANDS["set"].usage))
        row = await self._settings.set(self._actor, self._place, "channel", name, value.strip())
        self._note(
            N_("{name} is {value} now."), name=row.setting.name, value=format_value(row.value)
        )

    async def _reset(self, line: Line) -> None:
        count = await self._settings.reset(self._actor, self._place, "channel", line.text or None)
        self._note(N_("Taken back to the default: {n}."), n=count)

    async def _help(self, _line: Line) -> None:
        self._console.print(render.help_table(self._words, width=self._console.width))


def _given(line: Line) -> str:
    """Return what stands behind a command that needs it."""
    if line.command is not None and not line.text:
        raise UsageError(name=line.command.name, usage=line.command.usage)
    return line.text


def _key() -> str:
    return f"t:{uuid.uuid4()}"


def _count(text: str) -> int:
    if not text:
        return 1
    if not text.isdecimal() or not 1 <= int(text) <= 1000:  # noqa: PLR2004 -- as in Discord
        raise InvalidInputError(reason=N_("give a number from 1 to 1000."))
    return int(text)
