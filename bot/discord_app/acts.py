"""What members can do, whichever way they ask: by command, button, form or panel.

Invariant: an act acknowledges first, then checks that the bot can show what it is
about to write, then calls one use case, then answers. Nothing else decides anything.
"""

import asyncio
import io
from collections.abc import Callable

import discord

from bot.discord_app.answers import Answer
from bot.discord_app.escaping import neutralise_line
from bot.discord_app.place import require_writable
from bot.discord_app.services import Services
from bot.discord_app.splitting import split
from bot.discord_app.stage import DiscordStage
from bot.discord_app.views.card import concept_card, note
from bot.discord_app.views.panels import (
    PAGE_LIMIT,
    STORIES_A_PAGE,
    deletion_panel,
    list_panel,
    page_panel,
)
from bot.errors import InvalidInputError, NotFoundError
from bot.export import export, lesson_text
from bot.locales import N_, Words
from bot.service.api import Receipt, ReceiptKind
from bot.story import tree
from bot.story.concept import Wish, concept_of
from bot.story.formats import LESSON
from bot.story.model import PassageId, Story, StoryId, StoryStatus
from bot.story.narrative import narrative

MAX_IMPORT_BYTES = 8 * 2**20


class Acts:
    """The acts of members.

    Args:
        services: the use cases.
        stage: where stories are shown.
        help_text: puts the help into words.
    """

    def __init__(
        self, services: Services, stage: DiscordStage, help_text: Callable[[Words], str]
    ) -> None:
        self._stories = services.stories
        self._concepts = services.concepts
        self._settings = services.settings
        self._stage = stage
        self._help_text = help_text

    async def _open(self, answer: Answer) -> None:
        """Acknowledge, and check that what will be written can be shown."""
        await answer.acknowledge()
        require_writable(answer.interaction, answer.words)

    # ------------------------------------------------------------------ turns

    async def take_turn(
        self,
        answer: Answer,
        text: str | None,
        *,
        length: str = "",
        wants_answer: bool = True,
        expected_head: PassageId | None = None,
    ) -> None:
        """Add words, if any, and let the model go on, if it is asked to."""
        await self._open(answer)
        receipt = await self._stories.take_turn(
            answer.actor,
            answer.place,
            text,
            key=answer.key,
            length=length,
            wants_answer=wants_answer,
            expected_head=expected_head,
        )
        sentence = sentence_for(receipt, answer.words, has_words=text is not None)
        if receipt.kind is ReceiptKind.WAITING:
            await answer.tell(sentence)
        else:
            await answer.confirm(sentence)

    async def retry(self, answer: Answer, *, expected_head: PassageId | None = None) -> None:
        """Have the newest passage written anew."""
        await self._open(answer)
        await self._stories.retry(
            answer.actor, answer.place, key=answer.key, expected_head=expected_head
        )
        await answer.confirm(answer.words(N_("The model writes another version.")))

    async def pick(self, answer: Answer, *, expected_head: PassageId, step: int) -> None:
        """Go on from another version."""
        await self._open(answer)
        await self._stories.pick(
            answer.actor, answer.place, key=answer.key, expected_head=expected_head, step=step
        )
        await answer.confirm(answer.words(N_("Another version stands there now.")))

    async def stop(self, answer: Answer) -> None:
        """End the passage under way."""
        await self._open(answer)
        receipt = await self._stories.stop(answer.actor, answer.place)
        if receipt is None:
            await answer.tell(answer.words(N_("Nothing is being written right now.")))
        else:
            await answer.confirm(answer.words(N_("Stopped. What was whole is kept.")))

    async def undo(
        self, answer: Answer, n: int = 1, *, expected_head: PassageId | None = None
    ) -> None:
        """Take turns back."""
        await self._open(answer)
        undone = await self._stories.undo(
            answer.actor, answer.place, n, key=answer.key, expected_head=expected_head
        )
        sentence = answer.words.plural(
            "{n} turn undone. /story redo brings it back.",
            "{n} turns undone. /story redo brings them back.",
            undone.turns,
        )
        await answer.confirm(sentence)

    async def redo(self, answer: Answer, n: int = 1) -> None:
        """Bring turns back."""
        await self._open(answer)
        redone = await self._stories.redo(answer.actor, answer.place, n, key=answer.key)
        sentence = answer.words.plural(
            "{n} turn brought back.", "{n} turns brought back.", redone.turns
        )
        await answer.confirm(sentence)

    async def edit(self, answer: Answer, passage_id: PassageId | None, text: str) -> None:
        """Give a passage another wording."""
        await self._open(answer)
        await self._stories.edit(answer.actor, answer.place, passage_id, text, key=answer.key)
        await answer.confirm(answer.words(N_("The passage reads differently now.")))

    async def end(self, answer: Answer, *, by_model: bool = True) -> None:
        """End the story."""
        await self._open(answer)
        receipt = await self._stories.end(
            answer.actor, answer.place, key=answer.key, by_model=by_model
        )
        if receipt.job_id is not None:
            await answer.confirm(answer.words(N_("The model writes an ending.")))
            await self._teach(answer, receipt)
            return
        await answer.confirm(answer.words(N_("The story has ended. Undo takes that back.")))

    async def _teach(self, answer: Answer, receipt: Receipt) -> None:
        """Give who ended a lesson its words, questions and answers, once the ending is there."""
        if tree.concept(receipt.story).format != LESSON or receipt.job_id is None:
            return
        await self._stories.wait(receipt.job_id)
        story = await self._stories.story(answer.actor, answer.place, receipt.story.id)
        text = await asyncio.to_thread(lesson_text, story, answer.words)
        if text and story.status is StoryStatus.ENDED:
            file = discord.File(io.BytesIO(text.encode()), filename="lesson.txt")
            sentence = answer.words(N_("Words, questions and answers; /story export has them too."))
            await answer.tell(sentence, file=file)

    # --------------------------------------------------------------- starting

    async def start(
        self, answer: Answer, wish: Wish, opening: str | None, *, shows_card: bool | None = None
    ) -> None:
        """Begin a story: at once from a first sentence, else by its concept card."""
        await self._open(answer)
        if shows_card is None:
            settings = await self._settings.effective(answer.place)
            shows_card = settings.shows_concept_card and opening is None
        if not shows_card and opening is not None:
            receipt = await self._stories.start(
                answer.actor, answer.place, concept_of(wish), opening, key=answer.key
            )
            await answer.tell(_begun(receipt.story, answer.words))
            return
        card = await self._concepts.draft(answer.actor, answer.place, wish, opening, key=answer.key)
        if shows_card:
            await answer.show(concept_card(card, answer.words))
            return
        receipt = await self._concepts.begin(answer.actor, answer.place, card.id, key=answer.key)
        await answer.tell(_begun(receipt.story, answer.words))

    async def begin(self, answer: Answer, draft_id: int) -> None:
        """Begin the story of a concept card."""
        await self._open(answer)
        receipt = await self._concepts.begin(answer.actor, answer.place, draft_id, key=answer.key)
        await answer.show(note(_begun(receipt.story, answer.words)), replaces=True)

    async def reroll(self, answer: Answer, draft_id: int) -> None:
        """Find what the member did not give anew."""
        await answer.acknowledge()
        card = await self._concepts.reroll(answer.actor, draft_id, None)
        await answer.show(concept_card(card, answer.words), replaces=True)

    async def edit_card(self, answer: Answer, draft_id: int, changes: dict[str, str]) -> None:
        """Change a concept card by hand."""
        await answer.acknowledge()
        card = await self._concepts.edit(answer.actor, draft_id, changes)
        await answer.show(concept_card(card, answer.words), replaces=True)

    # ---------------------------------------------------------------- reading

    async def show(
        self,
        answer: Answer,
        number: int = 0,
        story_id: StoryId | None = None,
        *,
        turns: bool = False,
    ) -> None:
        """Show a page of the story; ``turns`` a page of one that is shown already."""
        await answer.acknowledge()
        story = await self._story(answer, story_id)
        text = narrative(story).strip()
        if not text:
            raise NotFoundError(what=N_("A passage"))
        pages = await asyncio.to_thread(split, text, PAGE_LIMIT)
        panel = page_panel(tree.title(story), pages, number, story.id, answer.words)
        await answer.show(panel, replaces=turns)

    async def context(self, answer: Answer) -> None:
        """Show exactly what the model would see."""
        await answer.acknowledge()
        shown = await self._stories.context(answer.actor, answer.place)
        words = answer.words
        lines = [
            words(
                N_("The model sees **{tokens}** of at most {limit} tokens, in this file."),
                tokens=shown.prompt_tokens,
                limit=shown.limit_tokens,
            ),
            words(
                N_("-# {tokens} of them are the concept and the notes."), tokens=shown.pinned_tokens
            ),
        ]
        if shown.left_out:
            lines.append(
                words.plural(
                    "-# {n} older passage no longer fits.",
                    "-# {n} older passages no longer fit.",
                    shown.left_out,
                )
            )
        file = discord.File(io.BytesIO(shown.text.encode()), filename="context.txt")
        await answer.tell("\n".join(lines), file=file)

    async def list(self, answer: Answer, offset: int = 0, *, turns: bool = False) -> None:
        """Show the place's stories."""
        await answer.acknowledge()
        found = await self._stories.summaries(
            answer.actor, answer.place, limit=STORIES_A_PAGE + 1, offset=offset
        )
        has_more = len(found) > STORIES_A_PAGE
        panel = list_panel(found[:STORIES_A_PAGE], offset, has_more=has_more, words=answer.words)
        await answer.show(panel, replaces=turns)

    async def help(self, answer: Answer) -> None:
        """Show all commands."""
        await answer.show(note(self._help_text(answer.words)))

    # ---------------------------------------------------------------- keeping

    async def open(self, answer: Answer, story_id: StoryId) -> None:
        """Go on with an older story."""
        await self._open(answer)
        story = await self._stories.open(answer.actor, answer.place, story_id)
        await self._stage.bring(answer.place, story)
        opened = answer.words(N_("**{title}** is open now."), title=_title(story, answer.words))
        await answer.tell(opened)

    async def rename(self, answer: Answer, story_id: StoryId | None, title: str) -> None:
        """Give a story another title."""
        await answer.acknowledge()
        story = await self._stories.rename(
            answer.actor, answer.place, story_id, title, key=answer.key
        )
        await self._stage.retitle(answer.place, story)
        named = answer.words(
            N_("The story is called **{title}** now."), title=_title(story, answer.words)
        )
        await answer.tell(named)

    async def ask_to_delete(self, answer: Answer, story_id: StoryId | None) -> None:
        """Ask before a story is deleted."""
        await answer.acknowledge()
        story = await self._story(answer, story_id)
        await answer.show(deletion_panel(story.id, tree.title(story), answer.words))

    async def delete(self, answer: Answer, story_id: StoryId) -> None:
        """Remove a story's text for good."""
        await answer.acknowledge()
        await self._stories.delete(answer.actor, answer.place, story_id)
        await answer.show(note(answer.words(N_("The story was deleted."))), replaces=True)

    async def export(
        self, answer: Answer, file_format: str, story_id: StoryId | None = None
    ) -> None:
        """Give the story as a file to the one who asked."""
        await answer.acknowledge()
        story = await self._story(answer, story_id)
        made = await asyncio.to_thread(export, story, file_format, words=answer.words)
        limit = answer.interaction.filesize_limit
        if len(made.data) > limit:
            too_large = answer.words(
                N_("the file would have {size} MiB and Discord takes {limit}."),
                size=len(made.data) >> 20,
                limit=limit >> 20,
            )
            raise InvalidInputError(reason=too_large)
        file = discord.File(io.BytesIO(made.data), filename=made.name)
        title = _title(story, answer.words)
        await answer.tell(answer.words(N_("Here is **{title}**."), title=title), file=file)

    async def import_(self, answer: Answer, attachment: discord.Attachment) -> None:
        """Take a story from an exported file and open it here."""
        await self._open(answer)
        if attachment.size > MAX_IMPORT_BYTES:
            too_large = answer.words(
                N_("the file is larger than {limit} MiB."), limit=MAX_IMPORT_BYTES >> 20
            )
            raise InvalidInputError(reason=too_large)
        data = await attachment.read()
        story = await self._stories.import_(answer.actor, answer.place, data, key=answer.key)
        await self._stage.bring(answer.place, story)
        opened = answer.words(N_("**{title}** is open now."), title=_title(story, answer.words))
        await answer.tell(opened)

    async def _story(self, answer: Answer, story_id: StoryId | None) -> Story:
        if story_id is None:
            return await self._stories.current(answer.actor, answer.place)
        return await self._stories.story(answer.actor, answer.place, story_id)


def sentence_for(receipt: Receipt, words: Words, *, has_words: bool) -> str:
    """Return what became of somebody's turn."""
    match receipt.kind:
        case ReceiptKind.WRITING if has_words:
            return words(N_("Added. The model is writing …"))
        case ReceiptKind.WRITING:
            return words(N_("The model is writing …"))
        case ReceiptKind.KEPT:
            return words(N_("Added."))
        case ReceiptKind.WAITING:
            return words(N_("A passage is being written; your words come right after it."))
        case ReceiptKind.DUPLICATE:
            return words(N_("That was taken already."))


def _begun(story: Story, words: Words) -> str:
    return words(N_("**{title}** begins."), title=_title(story, words))


def _title(story: Story, words: Words) -> str:
    return neutralise_line(tree.title(story), 200) or words(N_("The story"))
