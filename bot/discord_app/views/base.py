"""The one dynamic item behind every button and select, and the way from it to an act.

Invariant: an exception in an item always reaches the error handler. discord.py 2.7
only logs what ``from_custom_id`` and ``callback`` raise and swallows what
``interaction_check`` raises (``discord/ui/view.py``, ``schedule_dynamic_item_call``),
so nothing that can fail happens in the first and third, and the second is the root
of a task that reports.
"""

import re
from typing import TYPE_CHECKING, Any, Self

import discord

from bot.discord_app.custom_ids import PATTERN, Ref, parse

if TYPE_CHECKING:
    from bot.discord_app.client import RoundtaleClient

CLAIMED = "roundtale.claimed"
"""Set in an interaction's ``extras`` by whoever takes it; the router takes the rest."""


class ActItem(discord.ui.DynamicItem[discord.ui.Item[Any]], template=PATTERN):
    """A button or select that stands for an act.

    Args:
        item: the button or select, with ``str(ref)`` as its custom_id.
        ref: what it means; None for what this version cannot read.
    """

    def __init__(self, item: discord.ui.Item[Any], ref: Ref | None) -> None:
        super().__init__(item)
        self.ref = ref

    @classmethod
    async def from_custom_id(
        cls,
        interaction: discord.Interaction[Any],  # noqa: ARG003 -- discord.py's signature
        item: discord.ui.Item[Any],
        match: re.Match[str],
        /,
    ) -> Self:
        """Return the item that was used; it never raises, what cannot be read has no ref."""
        return cls(item, parse(match.string))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Hand the interaction to the router, which reports whatever goes wrong."""
        interaction.extras[CLAIMED] = True
        client: RoundtaleClient = interaction.client
        await client.router.take_component(interaction, self.ref)


def button(
    ref: Ref,
    label: str | None = None,
    *,
    emoji: str | None = None,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    row: int | None = None,
    is_disabled: bool = False,
) -> ActItem:
    """Return a button for an act."""
    made: discord.ui.Button[Any] = discord.ui.Button(
        label=label,
        emoji=emoji,
        style=style,
        custom_id=str(ref),
        row=row,
        disabled=is_disabled,
    )
    return ActItem(made, ref)


def select(
    ref: Ref, options: list[discord.SelectOption], *, placeholder: str, row: int | None = None
) -> ActItem:
    """Return a select for an act; at most 25 options."""
    made: discord.ui.Select[Any] = discord.ui.Select(
        custom_id=str(ref), options=options[:25], placeholder=placeholder[:150], row=row
    )
    return ActItem(made, ref)


def action_row(*items: ActItem) -> discord.ui.ActionRow[Any]:
    """Return a row of a LayoutView."""
    row: discord.ui.ActionRow[Any] = discord.ui.ActionRow()
    for item in items:
        row.add_item(item)
    return row


def panel(*children: discord.ui.Item[Any]) -> discord.ui.LayoutView:
    """Return a panel of components; its state is in its custom_ids, so it never times out."""
    view = discord.ui.LayoutView(timeout=None)
    for child in children:
        view.add_item(child)
    return view
