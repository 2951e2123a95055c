"""Takes every button, select and form to its act, and what went wrong to the handler.

Invariants:
    - Each interaction with a component or form gets an answer: what this version
      cannot read is told so, and a form's text is given back when it was refused.
    - A form is opened as the first answer, after one indexed read with a time limit.

discord.py hands components over through ``ActItem``; ``sweep`` serves what nothing
took: all forms, and components that discord.py dropped (``discord/ui/view.py``).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import discord

from bot.discord_app.acts import Acts
from bot.discord_app.answers import Answer, report
from bot.discord_app.custom_ids import Ref, parse
from bot.discord_app.errors import ClosingError, OutdatedControlError, TooSlowError
from bot.discord_app.forms import (
    TEXT_LIMIT,
    card_form,
    edit_form,
    plot_form,
    rename_form,
    start_form,
    submitted,
    write_form,
)
from bot.discord_app.place import AnyInteraction, require_writable
from bot.discord_app.services import Services
from bot.discord_app.settings_panel import SettingsActs
from bot.discord_app.views.base import CLAIMED
from bot.discord_app.views.card import note
from bot.discord_app.views.panels import more_panel
from bot.errors import InvalidInputError, NotFoundError, StaleError
from bot.locales import N_
from bot.service.places import place_key
from bot.story import tree
from bot.story.concept import Wish
from bot.story.ids import decode_id
from bot.story.model import Story, StoryId

Result = TypeVar("Result")

FORM_LIMIT_S = 1.5
"""How long the read before a form may take; Discord waits three seconds in all."""

Component = Callable[[Answer, Ref], Awaitable[None]]
Form = Callable[[Answer, Ref, Mapping[str, str]], Awaitable[None]]


class Router:
    """The way from a custom_id to an act.

    Args:
        acts: what members can do.
        settings: what admins can do.
        services: for the reads before a form.
        is_closing: whether the bot takes nothing new any more.
    """

    def __init__(
        self,
        acts: Acts,
        settings: SettingsActs,
        services: Services,
        is_closing: Callable[[], bool],
    ) -> None:
        self._acts = acts
        self._settings = settings
        self._services = services
        self._is_closing = is_closing
        self._components: Mapping[str, Component] = {
            "continue": self._continue,
            "write": self._open_write,
            "retry": lambda answer, ref: acts.retry(answer, expected_head=ref.b),
            "undo": lambda answer, ref: acts.undo(answer, expected_head=ref.b or None),
            "previous": lambda answer, ref: acts.pick(answer, expected_head=ref.b, step=-1),
            "next": lambda answer, ref: acts.pick(answer, expected_head=ref.b, step=1),
            "stop": lambda answer, _: acts.stop(answer),
            "more": self._more,
            "menu": self._menu,
            "start": lambda answer, _: self.open_start(answer),
            "begin": lambda answer, ref: acts.begin(answer, ref.a),
            "reroll": lambda answer, ref: acts.reroll(answer, ref.a),
            "card_edit": self._open_card,
            "card_plot": self._open_card,
            "page": lambda answer, ref: acts.show(answer, ref.b, ref.a, turns=True),
            "list": lambda answer, ref: acts.list(answer, ref.b, turns=True),
            "open": self._open_chosen,
            "delete": lambda answer, ref: acts.delete(answer, ref.a),
            "keep": self._keep,
            **settings.components,
        }
        self._forms: Mapping[str, Form] = {
            "write": self._submit_words,
            "add": self._submit_words,
            "start": self._submit_start,
            "card_edit": lambda answer, ref, f: acts.edit_card(answer, ref.a, dict(f)),
            "card_plot": lambda answer, ref, f: acts.edit_card(answer, ref.a, dict(f)),
            "edit": lambda answer, ref, f: acts.edit(answer, ref.b, f.get("text", "")),
            "rename": lambda answer, ref, f: acts.rename(answer, ref.a, f.get("title", "")),
            **settings.forms,
        }

    # ------------------------------------------------------------------ roots

    async def take_component(self, interaction: AnyInteraction, ref: Ref | None) -> None:
        """Be the root of a component's task."""
        where = f"component {ref.act}" if ref else "an unknown component"
        try:
            known, handle = _find(self._components, ref)
            await handle(self._answer(interaction), known)
        except Exception as error:  # noqa: BLE001 -- the root of a task; the handler logs it
            await report(interaction, error, where=where)

    async def take_form(self, interaction: AnyInteraction) -> None:
        """Be the root of a form's task."""
        data: Mapping[str, object] = interaction.data or {}
        ref = parse(str(data.get("custom_id", "")))
        where = f"form {ref.act}" if ref else "an unknown form"
        fields = submitted(interaction)
        try:
            known, handle = _find(self._forms, ref)
            await handle(self._answer(interaction), known, fields)
        except Exception as error:  # noqa: BLE001 -- the root of a task; the handler logs it
            await report(interaction, error, where=where, fields=fields)

    async def sweep(self, interaction: AnyInteraction) -> None:
        """Serve what nothing else took."""
        if interaction.type is discord.InteractionType.modal_submit:
            await self.take_form(interaction)
        elif (
            interaction.type is discord.InteractionType.component
            and CLAIMED not in interaction.extras
        ):
            data: Mapping[str, object] = interaction.data or {}
            await self.take_component(interaction, parse(str(data.get("custom_id", ""))))

    def _answer(self, interaction: AnyInteraction) -> Answer:
        if self._is_closing():
            raise ClosingError
        return Answer(interaction)

    # ------------------------------------------------------------- components

    async def _continue(self, answer: Answer, ref: Ref) -> None:
        await self._acts.take_turn(answer, None, expected_head=ref.b or None)

    async def _more(self, answer: Answer, ref: Ref) -> None:
        await answer.show(more_panel(ref.a, ref.b, answer.words))

    async def _menu(self, answer: Answer, ref: Ref) -> None:
        acts = self._acts
        match _chosen(answer.interaction):
            case "redo":
                await acts.redo(answer)
            case "edit":
                await self.open_edit(answer)
            case "show":
                await acts.show(answer)
            case "context":
                await acts.context(answer)
            case "export":
                await acts.export(answer, "txt")
            case "rename":
                await self.open_rename(answer)
            case "end":
                await acts.end(answer)
            case "help":
                await acts.help(answer)
            case _:
                raise OutdatedControlError

    async def _open_chosen(self, answer: Answer, _ref: Ref) -> None:
        try:
            story_id = decode_id(_chosen(answer.interaction))
        except ValueError as error:
            raise OutdatedControlError from error
        await self._acts.open(answer, story_id)

    async def _keep(self, answer: Answer, _ref: Ref) -> None:
        await answer.acknowledge()
        await answer.show(note(answer.words(N_("Nothing was deleted."))), replaces=True)

    async def _open_write(self, answer: Answer, ref: Ref) -> None:
        require_writable(answer.interaction, answer.words)
        await self._require_current(answer, ref.a)
        await answer.open(write_form(answer.words, ref.a, ref.b))

    async def _open_card(self, answer: Answer, ref: Ref) -> None:
        card = await _in_time(self._services.concepts.get(answer.actor, ref.a))
        if ref.act == "card_edit":
            await answer.open(card_form(answer.words, card))
            return
        settings = await _in_time(self._services.settings.effective(answer.place))
        await answer.open(plot_form(answer.words, card, settings.formats))

    async def _require_current(self, answer: Answer, story_id: StoryId) -> None:
        """Refuse a button of a story that is no longer open; go on where that takes too long."""
        try:
            async with asyncio.timeout(FORM_LIMIT_S), self._services.store.read() as unit:
                current = await unit.stories.current_id(place_key(answer.place))
        except TimeoutError:
            return
        if current != story_id:
            raise StaleError

    # ------------------------------------------------- forms opened by command

    async def open_start(self, answer: Answer) -> None:
        """Open the form that begins a story."""
        require_writable(answer.interaction, answer.words)
        await answer.open(start_form(answer.words))

    async def open_write(self, answer: Answer) -> None:
        """Open the form for longer text."""
        require_writable(answer.interaction, answer.words)
        story = await self._current(answer)
        await answer.open(write_form(answer.words, story.id, tree.head_id(story) or 0))

    async def open_edit(self, answer: Answer) -> None:
        """Open the form for the newest passage's wording."""
        require_writable(answer.interaction, answer.words)
        story = await self._current(answer)
        head = tree.head(story)
        if head is None:
            raise NotFoundError(what=N_("A passage"))
        text = tree.text_of(story, head).strip()
        if len(text) > TEXT_LIMIT:
            reason = answer.words(
                N_("the passage has {length} characters and a form takes {limit}."),
                length=len(text),
                limit=TEXT_LIMIT,
            )
            raise InvalidInputError(reason=reason)
        await answer.open(edit_form(answer.words, story.id, head.id, text))

    async def open_rename(self, answer: Answer) -> None:
        """Open the form for the story's title."""
        story = await self._current(answer)
        await answer.open(rename_form(answer.words, story.id, tree.title(story)))

    async def _current(self, answer: Answer) -> Story:
        return await _in_time(self._services.stories.current(answer.actor, answer.place))

    # ------------------------------------------------------------ submissions

    async def _submit_words(self, answer: Answer, ref: Ref, fields: Mapping[str, str]) -> None:
        await self._require_current(answer, ref.a)
        await self._acts.take_turn(answer, fields.get("text", ""), wants_answer=ref.act == "write")

    async def _submit_start(self, answer: Answer, _ref: Ref, fields: Mapping[str, str]) -> None:
        wish = Wish(
            premise=fields.get("premise", "").strip(),
            title=fields.get("title", "").strip(),
            genre=fields.get("genre", "").strip(),
            setting=fields.get("setting", "").strip(),
        )
        opening = fields.get("opening", "").strip() or None
        # A first sentence alone says how to begin; anything else is worth a look.
        shows_card = None if wish == Wish() else True
        await self._acts.start(answer, wish, opening, shows_card=shows_card)


def _find(handlers: Mapping[str, Result], ref: Ref | None) -> tuple[Ref, Result]:
    """Return who serves a component or form.

    Raises:
        OutdatedControlError: this version cannot read it.
    """
    handler = handlers.get(ref.act) if ref is not None else None
    if ref is None or handler is None:
        raise OutdatedControlError
    return ref, handler


def _chosen(interaction: AnyInteraction) -> str:
    """Return what was chosen in a select."""
    data: Mapping[str, object] = interaction.data or {}
    values = data.get("values")
    return str(values[0]) if isinstance(values, list) and values else ""


async def _in_time(read: Awaitable[Result]) -> Result:
    """Return what a read before a form gives.

    Raises:
        TooSlowError: it takes too long for the form to open.
    """
    try:
        async with asyncio.timeout(FORM_LIMIT_S):
            return await read
    except TimeoutError as error:
        raise TooSlowError from error
