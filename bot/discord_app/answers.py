"""An interaction's answer: acknowledged at once, then one ephemeral sentence at most.

Invariant: the acknowledgement comes before any lock, query or queue; what follows is
ephemeral and can ping nobody; a token that has expired costs the sentence, nothing else.
"""

import io
import logging
from collections.abc import Mapping

import aiohttp
import discord

from bot.discord_app.errors import judge, root_of
from bot.discord_app.messenger import NO_MENTIONS
from bot.discord_app.place import AnyInteraction, actor_of, place_of
from bot.errors import EmptyTextError
from bot.locales import N_, Words

log = logging.getLogger(__name__)

_CONTENT_LIMIT = 2000
_WORDS = frozenset({"opening", "premise", "setting", "text", "theme"})
"""The options into which members write: Discord clears a command once it is sent."""


class Answer:
    """The way back to the one who asked.

    Args:
        interaction: what was used.
    """

    def __init__(self, interaction: AnyInteraction) -> None:
        self.interaction = interaction
        self.words = Words(interaction.locale.value)
        self.actor = actor_of(interaction)
        self.place = place_of(interaction)
        self.key = f"i:{interaction.id}"
        # What came from a message's component changes that message, or says nothing.
        self._is_update = interaction.type is discord.InteractionType.component or (
            interaction.type is discord.InteractionType.modal_submit
            and interaction.message is not None
        )

    async def acknowledge(self) -> None:
        """Answer within Discord's three seconds that the rest will follow."""
        response = self.interaction.response
        if self._is_update:
            await response.defer()
        else:
            await response.defer(ephemeral=True, thinking=True)

    async def confirm(self, sentence: str) -> None:
        """Say that it worked, where something must be said: a button's effect is seen anyway."""
        if not self._is_update:
            await self.tell(sentence)

    async def tell(self, sentence: str, *, file: discord.File | None = None) -> None:
        """Say something to the one who asked."""
        sentence = sentence[:_CONTENT_LIMIT]
        files = [] if file is None else [file]
        interaction = self.interaction
        if not interaction.response.is_done():
            await interaction.response.send_message(
                sentence, ephemeral=True, files=files, allowed_mentions=NO_MENTIONS
            )
        elif self._is_update:
            await interaction.followup.send(
                sentence, ephemeral=True, files=files, allowed_mentions=NO_MENTIONS
            )
        else:
            await interaction.edit_original_response(
                content=sentence, attachments=files, allowed_mentions=NO_MENTIONS
            )

    async def show(self, panel: discord.ui.LayoutView, *, replaces: bool = False) -> None:
        """Show a panel.

        Args:
            panel: what to show.
            replaces: whether it takes the place of the panel that was used.
        """
        interaction = self.interaction
        if not interaction.response.is_done():
            await interaction.response.send_message(
                view=panel, ephemeral=True, allowed_mentions=NO_MENTIONS
            )
        elif self._is_update and not replaces:
            await interaction.followup.send(
                view=panel, ephemeral=True, allowed_mentions=NO_MENTIONS
            )
        else:
            await interaction.edit_original_response(view=panel, allowed_mentions=NO_MENTIONS)

    async def open(self, form: discord.ui.Modal) -> None:
        """Open a form; its submission comes to the router, whatever happens to this process."""
        form.stop()  # so that discord.py does not wait for it
        await self.interaction.response.send_modal(form)

    async def give_back(self, sentence: str, fields: Mapping[str, str]) -> None:
        """Say what went wrong with a form or command, and return the text that was typed into it."""
        typed = "\n\n".join(text for each in fields.values() if (text := each.strip()))
        if not typed:
            await self.tell(sentence)
            return
        kept = self.words(N_("Here is what you wrote, so that nothing is lost:"))
        file = discord.File(io.BytesIO(typed.encode()), filename="your-text.txt")
        await self.tell(f"{sentence}\n{kept}", file=file)


def typed_words(interaction: AnyInteraction) -> dict[str, str]:
    """Return what was written into a command's options."""
    return {
        name: value
        for name, value in interaction.namespace
        if name in _WORDS and isinstance(value, str)
    }


async def report(
    interaction: AnyInteraction,
    error: BaseException,
    *,
    where: str,
    fields: Mapping[str, str] | None = None,
) -> None:
    """Tell the one who asked what went wrong, as far as there is still a way.

    Args:
        interaction: what was used.
        error: what was raised.
        where: the command or component, for the log.
        fields: what was typed, which Discord does not keep; given back, unless it holds no words.
    """
    answer = Answer(interaction)
    told = judge(error, answer.words, where=where)
    if not told.sentence or interaction.type is discord.InteractionType.autocomplete:
        return
    try:
        if fields and not isinstance(root_of(error), EmptyTextError):
            await answer.give_back(told.sentence, fields)
        else:
            await answer.tell(told.sentence)
    except (discord.HTTPException, aiohttp.ClientError, TimeoutError) as late:
        log.info("an error could not be told in %s: %r", where, late)
    except Exception:
        # The root of a task: nothing stands behind the error handler.
        log.exception("the error handler failed in %s", where)
