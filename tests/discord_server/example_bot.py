"""A small discord.py bot that uses what Roundtale uses; it proves the stand-in, nothing else."""

import asyncio
import logging
import os
import re
import signal
from typing import Self

import discord
from discord import app_commands, ui

CLAIM = re.compile(r"claim:v1:(?P<count>\d+)")


class Claim(ui.DynamicItem[ui.Button[ui.LayoutView]], template=CLAIM):
    """A button whose count lives in its custom id, so that it works after a restart."""

    def __init__(self, count: int) -> None:
        super().__init__(ui.Button(label=f"Claim {count}", custom_id=f"claim:v1:{count}"))
        self.count = count

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: ui.Item[ui.LayoutView], match: re.Match[str]
    ) -> Self:
        return cls(int(match["count"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        await interaction.response.edit_message(view=panel(self.count + 1))


def panel(count: int) -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow(Claim(count))  # type: ignore[arg-type] # DynamicItem is an Item[BaseView]
    view.add_item(ui.Container(ui.TextDisplay(f"Claimed {count} times"), ui.Separator(), row))
    view.add_item(ui.Section(ui.TextDisplay("A section"), accessory=ui.Button(label="Side")))
    return view


class Questions(ui.Modal, title="Questions"):
    """A modal with labels: a text, a choice and an upload."""

    name: ui.Label["Questions"] = ui.Label(
        text="Name", component=ui.TextInput(default="Mira", max_length=20)
    )
    mood: ui.Label["Questions"] = ui.Label(
        text="Mood",
        component=ui.Select(
            options=[
                discord.SelectOption(label="Calm", value="calm"),
                discord.SelectOption(label="Wild", value="wild"),
            ]
        ),
    )
    page: ui.Label["Questions"] = ui.Label(
        text="Page", component=ui.FileUpload(required=False, max_values=1)
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        name, mood, page = self.name.component, self.mood.component, self.page.component
        assert isinstance(name, ui.TextInput)
        assert isinstance(mood, ui.Select)
        assert isinstance(page, ui.FileUpload)
        pages = [(await each.read()).decode() for each in page.values]
        await interaction.response.send_message(f"{name.value} {mood.values} {pages}")


class Buttons(ui.View):
    """A classic view with a modal button and a user select."""

    @ui.button(label="Ask", emoji="❓")
    async def ask(self, interaction: discord.Interaction, button: ui.Button[Self]) -> None:
        await interaction.response.send_modal(Questions())

    @ui.button(label="Wait")
    async def wait_a_bit(self, interaction: discord.Interaction, button: ui.Button[Self]) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="waited")

    @ui.select(cls=ui.UserSelect, placeholder="Whom?")
    async def whom(self, interaction: discord.Interaction, select: ui.UserSelect[Self]) -> None:
        names = ", ".join(each.name for each in select.values)
        await interaction.response.send_message(names, ephemeral=True)


class ExampleBot(discord.Client):
    """Answers commands and echoes messages; exits with 0 on SIGTERM."""

    def __init__(self) -> None:
        intents = discord.Intents.default()
        intents.message_content = "CONTENT" in os.environ
        super().__init__(intents=intents, max_messages=100)
        self.tree = app_commands.CommandTree(self)
        self.tree.add_command(story)
        self.tree.add_command(quote)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Claim)
        await self.tree.sync()
        self.loop.add_signal_handler(signal.SIGTERM, self.end)

    def end(self) -> None:
        self._closing = asyncio.create_task(self.close())

    async def on_resumed(self) -> None:
        logging.getLogger().warning("the session was resumed")

    async def on_message(self, message: discord.Message) -> None:
        if message.author.bot:
            return
        if message.content == "burst":
            for number in range(3):
                await message.channel.send(f"burst {number}")
        elif message.content == "twice":
            for _ in range(2):
                await message.channel.send("only once", nonce="n1")
        else:
            await message.reply(f"heard {message.content!r}", mention_author=False)


story = app_commands.Group(name="story", description="Stories")


@story.command(description="Start one")
async def start(
    interaction: discord.Interaction,
    premise: str,
    length: app_commands.Range[int, 1, 5] = 2,
    picture: discord.Attachment | None = None,
) -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)
    seen = "" if picture is None else (await picture.read()).decode()
    await interaction.followup.send(f"{premise} {length} {seen}".strip())
    assert isinstance(interaction.channel, discord.TextChannel | discord.DMChannel)
    part = await interaction.channel.send("Once", view=Buttons(timeout=None))
    await part.edit(content="Once upon a time")
    await part.add_reaction("📖")


@story.command(name="panel", description="Show a layout")
async def show_panel(interaction: discord.Interaction) -> None:
    await interaction.response.send_message(view=panel(0))


@story.command(description="Open by title")
async def open_(interaction: discord.Interaction, title: str) -> None:
    mentions = discord.AllowedMentions.none()
    await interaction.response.send_message(f"opened {title}", allowed_mentions=mentions)


@open_.autocomplete("title")
async def titles(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
    known = ("North", "Night", "Sea")
    return [app_commands.Choice(name=each, value=each) for each in known if typed in each.lower()]


@story.command(description="Answer too late")
async def late(interaction: discord.Interaction) -> None:
    await asyncio.sleep(0.4)
    try:
        await interaction.response.send_message("too late")
    except discord.NotFound as error:
        logging.getLogger().warning("refused with %s", error.code)


@app_commands.context_menu(name="Quote")
async def quote(interaction: discord.Interaction, message: discord.Message) -> None:
    await interaction.response.send_message(f"> {message.content}")
    try:
        http = interaction.client.http
        route = discord.http.Route("POST", "/channels/{id}/messages", id=message.channel.id)
        await http.request(route, json={"content": "x" * 2001, "components": [{"type": 2}]})
    except discord.HTTPException as error:
        await interaction.followup.send(f"refused with {error.code}")


if __name__ == "__main__":
    ExampleBot().run(os.environ["DISCORD_TOKEN"])
