"""The buttons under the newest passage.

Invariant: each carries the passage that was newest when it was drawn, so that the
server's side can tell an old button from a new one.
"""

import discord

from bot.discord_app.composing import Controls
from bot.discord_app.custom_ids import Ref
from bot.discord_app.views.base import button
from bot.locales import N_, Words


def passage_controls(controls: Controls | None, words: Words) -> discord.ui.View | None:
    """Return the buttons as a view; None where there are none."""
    if controls is None:
        return None
    story_id, passage_id = controls.story_id, controls.passage_id
    view = discord.ui.View(timeout=None)
    if controls.is_writing:
        ref = Ref("stop", story_id, passage_id)
        view.add_item(button(ref, words(N_("Stop")), emoji="⏹️"))
        return view
    if controls.can_continue:
        view.add_item(
            button(
                Ref("continue", story_id, passage_id),
                words(N_("Continue")),
                emoji="▶️",
                style=discord.ButtonStyle.primary,
                row=0,
            )
        )
        view.add_item(
            button(Ref("write", story_id, passage_id), words(N_("Write")), emoji="✍️", row=0)
        )
    if controls.can_retry:
        view.add_item(
            button(Ref("retry", story_id, passage_id), words(N_("Retry")), emoji="🔄", row=0)
        )
    view.add_item(button(Ref("undo", story_id, passage_id), words(N_("Undo")), emoji="↩️", row=0))
    view.add_item(button(Ref("more", story_id, passage_id), words(N_("More")), emoji="⚙️", row=0))
    if controls.alternates > 1:
        place = f"{controls.alternate}/{controls.alternates}"
        view.add_item(button(Ref("previous", story_id, passage_id), "◀", row=1))
        view.add_item(button(Ref("place", story_id, passage_id), place, row=1, is_disabled=True))
        view.add_item(button(Ref("next", story_id, passage_id), "▶", row=1))
    return view
