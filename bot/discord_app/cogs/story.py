"""``/story``: everything that members do with stories."""

import asyncio
import logging
from collections.abc import Mapping

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from bot.discord_app.acts import Acts
from bot.discord_app.answers import Answer
from bot.discord_app.place import AnyInteraction
from bot.discord_app.router import Router
from bot.discord_app.services import Services
from bot.errors import NotFoundError, RoundtaleError
from bot.locales import N_, Words
from bot.policy.settings import Settings
from bot.story.concept import Wish
from bot.story.concept_tables import GENRES
from bot.story.formats import FORMAT_LABELS, FORMATS, LEAST_AGE, MOST_AGE, read_format
from bot.story.ids import decode_id, encode_id
from bot.story.model import StoryId

log = logging.getLogger(__name__)

AUTOCOMPLETE_LIMIT_S = 2.0
_MAX_CHOICES = 25
_TEXT_LIMIT = 6000  # Discord's for a string option
_LENGTHS = [
    Choice(name=locale_str(N_("short")), value="short"),
    Choice(name=locale_str(N_("medium")), value="medium"),
    Choice(name=locale_str(N_("long")), value="long"),
]
_FORMATS = [
    Choice(name=locale_str(N_("plain text")), value="txt"),
    Choice(name="Markdown", value="markdown"),
    Choice(name=locale_str(N_("Fountain, for screenwriting programs")), value="fountain"),
    Choice(name=locale_str(N_("JSON, to import again")), value="json"),
]


@app_commands.allowed_installs(guilds=True, users=False)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
class StoryCommands(
    app_commands.Group,
    name=locale_str("story"),
    description=locale_str(N_("Write a story together with the model")),
):
    """The commands of members.

    Args:
        acts: what members can do.
        router: opens forms.
        services: for autocomplete.
    """

    def __init__(self, acts: Acts, router: Router, services: Services) -> None:
        super().__init__()
        self._acts = acts
        self._router = router
        self._services = services

    @app_commands.command(
        name=locale_str("start"),
        description=locale_str(N_("Begin a new story; without options a form opens")),
    )
    @app_commands.describe(
        premise=locale_str(N_("What it is about, in a sentence or two")),
        title=locale_str(N_("Its title")),
        genre=locale_str(N_("Fantasy, mystery, fairy tale …")),
        format=locale_str(N_("What it is written as: prose, fable, screenplay, lesson")),
        age=locale_str(N_("How old a lesson's class is, in years")),
        theme=locale_str(N_("What it is really about: courage, loss …")),
        setting=locale_str(N_("Where and when it happens")),
        opening=locale_str(N_("Its first sentence; the story begins at once with it")),
        card=locale_str(N_("Whether to see and edit the concept before it begins")),
    )
    async def start(  # noqa: PLR0917 -- options, in the order in which members see them
        self,
        interaction: AnyInteraction,
        premise: Range[str, 1, 2000] | None = None,
        title: Range[str, 1, 100] | None = None,
        genre: Range[str, 1, 100] | None = None,
        format: str | None = None,  # noqa: A002 -- the option's name as members see it
        age: Range[int, LEAST_AGE, MOST_AGE] | None = None,
        theme: Range[str, 1, 200] | None = None,
        setting: Range[str, 1, 300] | None = None,
        opening: Range[str, 1, _TEXT_LIMIT] | None = None,
        card: bool | None = None,
    ) -> None:
        """Begin a new story."""
        answer = Answer(interaction)
        given = (premise, title, genre, format, age, theme, setting, opening)
        if card is None and not any(given):
            await self._router.open_start(answer)
            return
        wish = Wish(
            premise=(premise or "").strip(),
            title=(title or "").strip(),
            genre=(genre or "").strip(),
            format=read_format(format) if format else "",
            reader_age=age or 0,
            theme=(theme or "").strip(),
            setting=(setting or "").strip(),
        )
        await self._acts.start(answer, wish, opening, shows_card=card)

    @app_commands.command(
        name=locale_str("continue"),
        description=locale_str(N_("Let the model go on, after your words if you give any")),
    )
    @app_commands.describe(
        text=locale_str(N_("What happens next")),
        length=locale_str(N_("How much the model writes")),
    )
    @app_commands.choices(length=_LENGTHS)
    async def continue_story(
        self,
        interaction: AnyInteraction,
        text: Range[str, 1, _TEXT_LIMIT] | None = None,
        length: str = "",
    ) -> None:
        """Let the model go on."""
        await self._acts.take_turn(Answer(interaction), text, length=length)

    @app_commands.command(
        name=locale_str("write"),
        description=locale_str(N_("Write a longer passage in a form; the model goes on after it")),
    )
    async def write(self, interaction: AnyInteraction) -> None:
        """Open the form for longer text."""
        await self._router.open_write(Answer(interaction))

    @app_commands.command(
        name=locale_str("add"),
        description=locale_str(N_("Add your words without an answer of the model")),
    )
    @app_commands.describe(text=locale_str(N_("Your words")))
    async def add(
        self,
        interaction: AnyInteraction,
        text: Range[str, 1, _TEXT_LIMIT],
    ) -> None:
        """Add words without an answer."""
        await self._acts.take_turn(Answer(interaction), text, wants_answer=False)

    @app_commands.command(
        name=locale_str("retry"),
        description=locale_str(N_("Let the model write the newest passage in another way")),
    )
    async def retry(self, interaction: AnyInteraction) -> None:
        """Write the newest passage anew."""
        await self._acts.retry(Answer(interaction))

    @app_commands.command(
        name=locale_str("stop"),
        description=locale_str(N_("Stop the passage that is being written; what is whole stays")),
    )
    async def stop(self, interaction: AnyInteraction) -> None:
        """Stop the passage under way."""
        await self._acts.stop(Answer(interaction))

    @app_commands.command(
        name=locale_str("undo"),
        description=locale_str(N_("Take the last turn back; nothing is lost")),
    )
    @app_commands.describe(turns=locale_str(N_("How many turns")))
    async def undo(self, interaction: AnyInteraction, turns: Range[int, 1, 50] = 1) -> None:
        """Take turns back."""
        await self._acts.undo(Answer(interaction), turns)

    @app_commands.command(
        name=locale_str("redo"), description=locale_str(N_("Bring back what was undone"))
    )
    @app_commands.describe(turns=locale_str(N_("How many turns")))
    async def redo(self, interaction: AnyInteraction, turns: Range[int, 1, 50] = 1) -> None:
        """Bring turns back."""
        await self._acts.redo(Answer(interaction), turns)

    @app_commands.command(
        name=locale_str("edit"),
        description=locale_str(N_("Change the wording of the newest passage")),
    )
    @app_commands.describe(
        text=locale_str(N_("The new wording; a form with the old one opens if left out"))
    )
    async def edit(
        self,
        interaction: AnyInteraction,
        text: Range[str, 1, _TEXT_LIMIT] | None = None,
    ) -> None:
        """Change the newest passage."""
        answer = Answer(interaction)
        if text is None:
            await self._router.open_edit(answer)
        else:
            await self._acts.edit(answer, None, text)

    @app_commands.command(
        name=locale_str("show"), description=locale_str(N_("Read a story from its beginning"))
    )
    @app_commands.describe(
        story=locale_str(N_("Which story; the one that is open if left out")),
        page=locale_str(N_("Which page")),
    )
    async def show(
        self,
        interaction: AnyInteraction,
        story: str | None = None,
        page: Range[int, 1, 9999] = 1,
    ) -> None:
        """Read a story."""
        await self._acts.show(Answer(interaction), page - 1, _story_id(story))

    @app_commands.command(
        name=locale_str("context"),
        description=locale_str(N_("See exactly what the model sees of the story")),
    )
    async def context(self, interaction: AnyInteraction) -> None:
        """Show the model's context."""
        await self._acts.context(Answer(interaction))

    @app_commands.command(
        name=locale_str("list"), description=locale_str(N_("List the stories of this channel"))
    )
    async def list_stories(self, interaction: AnyInteraction) -> None:
        """List stories."""
        await self._acts.list(Answer(interaction))

    @app_commands.command(
        name=locale_str("open"), description=locale_str(N_("Go on with an older story here"))
    )
    @app_commands.describe(story=locale_str(N_("Which story")))
    async def open_story(self, interaction: AnyInteraction, story: str) -> None:
        """Open a story."""
        await self._acts.open(Answer(interaction), _required_id(story))

    @app_commands.command(
        name=locale_str("rename"), description=locale_str(N_("Give a story another title"))
    )
    @app_commands.describe(
        title=locale_str(N_("Its new title")),
        story=locale_str(N_("Which story; the one that is open if left out")),
    )
    async def rename(
        self, interaction: AnyInteraction, title: Range[str, 1, 100], story: str | None = None
    ) -> None:
        """Rename a story."""
        await self._acts.rename(Answer(interaction), _story_id(story), title)

    @app_commands.command(name=locale_str("end"), description=locale_str(N_("End the story")))
    @app_commands.describe(
        ending=locale_str(N_("Whether the model writes an ending; it does if left out"))
    )
    async def end(self, interaction: AnyInteraction, ending: bool = True) -> None:
        """End the story."""
        await self._acts.end(Answer(interaction), by_model=ending)

    @app_commands.command(
        name=locale_str("delete"),
        description=locale_str(N_("Remove a story's text for good, after a question")),
    )
    @app_commands.describe(story=locale_str(N_("Which story; the one that is open if left out")))
    async def delete(self, interaction: AnyInteraction, story: str | None = None) -> None:
        """Delete a story."""
        await self._acts.ask_to_delete(Answer(interaction), _story_id(story))

    @app_commands.command(
        name=locale_str("export"), description=locale_str(N_("Get a story as a file"))
    )
    @app_commands.describe(
        format=locale_str(N_("What kind of file")),
        story=locale_str(N_("Which story; the one that is open if left out")),
    )
    @app_commands.choices(format=_FORMATS)
    async def export(
        self,
        interaction: AnyInteraction,
        format: str = "txt",  # noqa: A002 -- the option's name as members see it
        story: str | None = None,
    ) -> None:
        """Export a story."""
        await self._acts.export(Answer(interaction), format, _story_id(story))

    @app_commands.command(
        name=locale_str("import"),
        description=locale_str(N_("Bring in a story that was exported as JSON, and open it here")),
    )
    @app_commands.describe(file=locale_str(N_("The JSON file")))
    async def import_story(self, interaction: AnyInteraction, file: discord.Attachment) -> None:
        """Import a story."""
        await self._acts.import_(Answer(interaction), file)

    @app_commands.command(
        name=locale_str("help"), description=locale_str(N_("How to write stories here"))
    )
    async def help(self, interaction: AnyInteraction) -> None:
        """Show the help."""
        await self._acts.help(Answer(interaction))

    @start.autocomplete("genre")
    async def _complete_genre(self, interaction: AnyInteraction, typed: str) -> list[Choice[str]]:
        settings = await self._settings_for_options(interaction)
        allowed = (settings.genres if settings else ()) or GENRES
        return _offer({genre: genre for genre in allowed}, typed, interaction)

    @start.autocomplete("format")
    async def _complete_format(self, interaction: AnyInteraction, typed: str) -> list[Choice[str]]:
        settings = await self._settings_for_options(interaction)
        allowed = settings.formats if settings else FORMATS
        return _offer({name: FORMAT_LABELS[name] for name in allowed}, typed, interaction)

    async def _settings_for_options(self, interaction: AnyInteraction) -> Settings | None:
        """Return what holds where options are typed; None where that takes too long."""
        try:
            async with asyncio.timeout(AUTOCOMPLETE_LIMIT_S):
                return await self._services.settings.effective(Answer(interaction).place)
        except (TimeoutError, RoundtaleError) as error:
            log.info("all is offered: %r", error)
            return None

    @show.autocomplete("story")
    @open_story.autocomplete("story")
    @rename.autocomplete("story")
    @delete.autocomplete("story")
    @export.autocomplete("story")
    async def _complete_story(self, interaction: AnyInteraction, typed: str) -> list[Choice[str]]:
        answer = Answer(interaction)
        try:
            async with asyncio.timeout(AUTOCOMPLETE_LIMIT_S):
                found = await self._services.stories.summaries(
                    answer.actor, answer.place, query=typed, limit=_MAX_CHOICES
                )
        except (TimeoutError, RoundtaleError) as error:
            log.info("no titles to offer: %r", error)
            return []
        untitled = answer.words(N_("Untitled"))
        return [
            Choice(name=(one.title or untitled)[:100], value=encode_id(one.id)) for one in found
        ]


def _offer(labels: Mapping[str, str], typed: str, interaction: AnyInteraction) -> list[Choice[str]]:
    """Return the values whose name or label holds what was typed."""
    words = Words(interaction.locale.value)
    wanted = typed.casefold().strip()
    return [
        Choice(name=words(label)[:100], value=value)
        for value, label in labels.items()
        if wanted in value.casefold() or wanted in words(label).casefold()
    ][:_MAX_CHOICES]


def _story_id(chosen: str | None) -> StoryId | None:
    """Return the story of an autocompleted option; people may also type what they like."""
    return None if chosen is None else _required_id(chosen)


def _required_id(chosen: str) -> StoryId:
    try:
        return decode_id(chosen.strip())
    except ValueError:
        raise NotFoundError(what=f"“{chosen.strip()[:100]}”") from None
