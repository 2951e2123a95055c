"""The stage of the use cases in Discord: passages as regular messages, and their healing.

Invariants:
    - What is shown is asked of the story given, and of the outbox; nothing here is
      the only place where anything is known.
    - Taking old buttons away is a courtesy: it is tried once, and nobody relies on it.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from bot.discord_app.composing import Part, compose, compose_title, compose_withdrawn
from bot.discord_app.editor import Editors, Priority
from bot.discord_app.ledger import PassageMessages, Tools
from bot.discord_app.messenger import (
    MessageGoneError,
    Messenger,
    MessengerError,
    PlaceGoneError,
)
from bot.discord_app.presenter import DiscordPresenter, Surroundings
from bot.discord_app.sentences import sentence_of
from bot.locales import Words
from bot.policy.rights import Place
from bot.service.api import JobView, PassageView, Presenter, Stage
from bot.story import tree
from bot.story.model import AuthorKind, Passage, PassageId, Story
from bot.story.ports import Clock, JobKind, Store

log = logging.getLogger(__name__)

WHISPER_S = 20.0
"""How long a sentence stands that nobody's own answer can carry, in seconds."""
_CHANNELS_REMEMBERED = 4096
_LOOK_BACK = 5  # passages among which the buttons of an earlier run are looked for


class DiscordStage(Stage):
    """Shows passages in channels.

    Args:
        messenger: the way to Discord.
        store: holds the outbox.
        clock: the time.
        new_id: gives ids.
        editors: one a channel.
        words_for: a place's language.
    """

    def __init__(
        self,
        messenger: Messenger,
        store: Store,
        *,
        clock: Clock,
        new_id: Callable[[], int],
        editors: Editors,
        words_for: Callable[[Place], Words],
    ) -> None:
        self._tools = Tools(
            messenger=messenger, store=store, clock=clock, new_id=new_id, editors=editors
        )
        self._words_for = words_for
        # channel: messages with buttons, more than one only where an earlier run had no time
        # to take the old ones away; what is absent a restart has forgotten
        self._armed: OrderedDict[int, frozenset[int]] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, job: JobView) -> Presenter:
        """Return a presenter for a passage under way; after a crash it takes up the old messages."""
        place, story = job.place, job.story
        words = self._words_for(place)
        await self._show_title(place, story, words)
        await self._recall_armed(place, story, {job.job.id}, words)
        messages = await self._messages(place, story, job.job.id, words)
        earlier = None
        if job.job.kind is JobKind.RETRY:
            earlier = await self._alternate_on_show(place, story, job.job.id, words)
        return DiscordPresenter(
            job,
            messages,
            earlier,
            Surroundings(
                tools=self._tools,
                words=words,
                spawn=self._spawn,
                on_visible=lambda message_id: self._disarm(place.channel_id, message_id),
                on_armed=lambda message_id: self._arm(place.channel_id, message_id),
                on_place_gone=lambda error: self._lose(place, error),
                whisper=lambda sentence: self._whisper(place.channel_id, sentence),
            ),
        )

    async def show(self, views: Sequence[PassageView]) -> None:
        """Show passages whole, or again after an edit, a pick, an undo or a redo."""
        if not views:
            return
        place, story = views[-1].place, views[-1].story
        words = self._words_for(place)
        try:
            await self._show_title(place, story, words)
            is_writing = await self._is_writing(story)
            views = self._with_head(views)
            await self._recall_armed(place, story, {view.passage.id for view in views}, words)
            # What stands comes before what was withdrawn: it may take over its messages.
            for view in sorted(views, key=lambda view: view.is_withdrawn):
                await self._show_one(view, words, is_writing=is_writing)
        except PlaceGoneError as error:
            await self._lose(place, error)

    def _with_head(self, views: Sequence[PassageView]) -> list[PassageView]:
        """Add the story's newest passage, which must get its buttons back."""
        story = views[-1].story
        head = tree.head(story)
        if head is None or any(view.passage.id == head.id for view in views):
            return list(views)
        return [*views, replace(views[-1], passage=head, is_withdrawn=False)]

    async def _show_one(self, view: PassageView, words: Words, *, is_writing: bool) -> None:
        place, story = view.place, view.story
        messages = await self._messages(place, story, view.passage.id, words)
        if messages.is_members:
            return
        if view.is_withdrawn:
            if messages.count:
                parts = compose_withdrawn(messages.count, words)
                if not tree.text_of(story, view.passage).strip():
                    parts = compose(view, words, is_writing=True)
                await messages.draw(parts, sends=False, is_note=True)
            elif not messages.is_settled:
                await messages.forget()
            return
        if not messages.count:
            earlier = await self._alternate_on_show(place, story, view.passage.id, words)
            if earlier is not None:
                await messages.adopt(earlier)
        is_head = tree.head_id(story) == view.passage.id
        parts = compose(view, words, is_writing=is_writing)
        await messages.draw(parts, sends=is_head or not messages.was_deleted)
        if parts[-1].controls is not None and messages.last_id is not None:
            self._arm(place.channel_id, messages.last_id)

    async def bring(self, place: Place, story: Story) -> None:
        """Show a story's title and newest passage anew, at the end of a channel."""
        words = self._words_for(place)
        head = tree.head(story)
        last_id = None
        try:
            title = await self._messages(place, story, story.id, words)
            await title.forget()
            await title.draw([Part(compose_title(story, words))])
            if head is not None:
                messages = await self._messages(place, story, head.id, words)
                await messages.forget()
                view = PassageView(place=place, story=story, passage=head)
                is_writing = await self._is_writing(story)
                await messages.draw(compose(view, words, is_writing=is_writing))
                last_id = messages.last_id
        except PlaceGoneError as error:
            await self._lose(place, error)
            return
        if last_id is not None:
            self._arm(place.channel_id, last_id)

    async def retitle(self, place: Place, story: Story) -> None:
        """Bring a story's title message up to date, where it still stands."""
        words = self._words_for(place)
        try:
            title = await self._messages(place, story, story.id, words)
            if title.count:
                part = Part(compose_title(story, words))
                await title.draw([part], sends=False, is_note=True)
        except PlaceGoneError as error:
            await self._lose(place, error)
        except MessengerError as error:
            log.info("a title was not brought up to date: %r", error)

    async def notify(self, place: Place, error: Exception) -> None:
        """Tell a place what went wrong, in a message that deletes itself."""
        try:
            await self._whisper(place.channel_id, f"⚠️ {sentence_of(error, self._words_for(place))}")
        except PlaceGoneError as gone:
            await self._lose(place, gone)

    async def note_gone(
        self, *, message_ids: Sequence[int] = (), channel_id: int | None = None
    ) -> None:
        """Remember that messages or a whole channel were deleted."""
        async with self._tools.store.write() as unit:
            await unit.outbox.mark_gone(message_ids=message_ids, channel_id=channel_id)
            await unit.commit()

    async def aclose(self) -> None:
        """Cancel what is only a courtesy."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _messages(
        self, place: Place, story: Story, passage_id: PassageId, words: Words
    ) -> PassageMessages:
        messages = PassageMessages(self._tools, story.id, passage_id, place.channel_id, words)
        return await messages.load()

    async def _alternate_on_show(
        self, place: Place, story: Story, passage_id: PassageId, words: Words
    ) -> PassageMessages | None:
        """Return the messages of another wording that stands in this passage's place."""
        head = tree.head(story)
        passage = story.passages.get(passage_id, head)
        if passage is None:
            return None
        on_path = {one.id for one in tree.path(story)}
        for sibling in self._siblings(story, passage):
            if sibling == passage_id or (sibling in on_path and passage_id in on_path):
                continue
            messages = await self._messages(place, story, sibling, words)
            if messages.count and not messages.is_members:
                return messages
        return None

    def _siblings(self, story: Story, passage: Passage) -> Sequence[PassageId]:
        # The newest first: it is the likeliest to be on show.
        return tuple(reversed(tree.alternates(story, passage.id)))

    async def _show_title(self, place: Place, story: Story, words: Words) -> None:
        """Post a new story's title before its first passage, once."""
        if len(story.passages) > 1:
            return
        messages = await self._messages(place, story, story.id, words)
        if not messages.count and not messages.was_deleted:
            await messages.draw([Part(compose_title(story, words))])

    async def _is_writing(self, story: Story) -> bool:
        async with self._tools.store.read() as unit:
            return await unit.jobs.open_for(story.id) is not None

    async def _recall_armed(
        self, place: Place, story: Story, but: AbstractSet[PassageId], words: Words
    ) -> None:
        """Find the messages again that an earlier run gave buttons.

        The model's newest passage had them, and whatever was written since may.
        """
        if place.channel_id in self._armed:
            return
        self._armed[place.channel_id] = frozenset()  # nobody else looks meanwhile
        found: set[int] = set()
        for passage in reversed(tree.path(story)[-_LOOK_BACK:]):
            if passage.id in but:
                continue
            messages = await self._messages(place, story, passage.id, words)
            if messages.last_id is not None and not messages.is_members:
                found.add(messages.last_id)
                if passage.kind is AuthorKind.MODEL:
                    break
        self._armed[place.channel_id] |= found

    def _arm(self, channel_id: int, message_id: int) -> None:
        self._disarm(channel_id, message_id)
        self._armed[channel_id] = frozenset({message_id})
        while len(self._armed) > _CHANNELS_REMEMBERED:
            self._armed.popitem(last=False)

    def _disarm(self, channel_id: int, but: int) -> None:
        """Take the buttons of the messages before away, when there is time."""
        olds = self._armed.get(channel_id, frozenset()) - {but}
        self._armed[channel_id] = frozenset()

        async def take_away(old: int) -> None:
            editor = self._tools.editors.of(channel_id)
            async with editor.turn_to_edit(old, Priority.TIDY):
                if old in self._armed.get(channel_id, ()):
                    return  # it became the newest again meanwhile
                await self._tools.messenger.disarm(channel_id, old)

        for old in sorted(olds):
            self._spawn(take_away(old), "take old buttons away")

    async def _whisper(self, channel_id: int, sentence: str) -> None:
        nonce = f"w.{self._tools.new_id()}"
        message_id, _ = await self._tools.messenger.send(
            channel_id, sentence, view=None, nonce=nonce
        )

        async def fade() -> None:
            await asyncio.sleep(WHISPER_S)
            await self._tools.messenger.delete(channel_id, message_id)

        self._spawn(fade(), "let a sentence fade")

    async def _lose(self, place: Place, error: PlaceGoneError) -> None:
        log.warning(
            "a channel cannot be written to; its story is kept",
            extra={"channel": place.channel_id, "why": str(error)},
        )
        if error.is_deleted:
            await self.note_gone(channel_id=place.channel_id)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, MessageGoneError):
            return
        if isinstance(error, MessengerError):
            log.info("%s: %r", task.get_name(), error)
        elif error is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
