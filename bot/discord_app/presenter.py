"""Shows one passage while it grows.

Invariants:
    - ``grow`` returns at once; of the versions that come between two edits only the
      newest is shown.
    - A write is never cancelled half-way: a message whose receipt is lost would be sent
      twice.
    - A place that cannot be written to any more ends the showing, not the passage.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.discord_app.composing import (
    Part,
    compose,
    compose_growing,
    compose_paused,
    compose_queued,
    controls_for,
)
from bot.discord_app.editor import Priority
from bot.discord_app.ledger import PassageMessages, Tools
from bot.discord_app.messenger import MessengerError, PlaceGoneError
from bot.discord_app.sentences import sentence_of
from bot.locales import Words
from bot.service.api import JobView, PassageView, Presenter
from bot.story import tree
from bot.story.ports import JobKind

log = logging.getLogger(__name__)

TYPING_EVERY_S = 8.0  # Discord shows it for ten seconds
Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a presenter is given beside its passage."""

    tools: Tools
    words: Words
    spawn: Spawn
    on_visible: Callable[[int], None]  # the passage's first message stands now
    on_armed: Callable[[int], None]  # this message has the newest buttons now
    on_place_gone: Callable[[PlaceGoneError], Awaitable[None]]
    whisper: Callable[[str], Awaitable[None]]  # a sentence that deletes itself


class DiscordPresenter(Presenter):
    """One passage under way.

    Args:
        job: the passage.
        messages: its messages, loaded.
        earlier: the messages of the alternate that a retry replaces; None for others.
        around: the rest.
    """

    def __init__(
        self,
        job: JobView,
        messages: PassageMessages,
        earlier: PassageMessages | None,
        around: Surroundings,
    ) -> None:
        self._job = job
        self._messages = messages
        self._earlier = earlier
        self._around = around
        self._pace = around.tools.editors.pace
        self._words = around.words
        self._text = ""
        self._next: list[Part] | None = None
        self._pump: asyncio.Task[None] | None = None
        self._is_resting = False
        self._has_adopted = False
        self._is_over = False
        self._is_lost = False  # the place cannot be written to
        self._typing = around.spawn(self._type(), "typing")
        self._pace.open_stream()

    async def queued(self, queue_place: int) -> None:
        """Show the place in the queue; whoever is next without waiting only sees the typing."""
        if self._text or (queue_place <= 1 and not self._messages.count):
            return
        if self._job.job.kind is JobKind.RETRY:
            return  # the old wording stands until the new one comes
        part = compose_queued(queue_place - 1, self._job.story.id, self._job.job.id, self._words)
        self._offer([part])

    async def grow(self, text: str) -> None:
        """Take the whole text so far."""
        self._text = text
        if self._job.streams and text.strip():
            self._offer(compose_growing(text, self._job.story.id, self._job.job.id))

    def _offer(self, parts: list[Part]) -> None:
        if self._is_over or self._is_lost:
            return
        self._next = parts
        if self._pump is None or self._pump.done():
            self._pump = self._around.spawn(self._draw_growing(), "show a growing passage")

    async def _draw_growing(self) -> None:
        """Draw the newest version whenever it is time, until there is none."""
        try:
            while self._next is not None and not self._is_over:
                self._is_resting = True
                while (delay_s := self._messages.wait_s()) > 0:
                    await self._pace.sleep(delay_s)
                self._is_resting = False
                parts, self._next = self._next, None
                if parts is not None:
                    await self._draw(parts, Priority.GROWTH, is_final=False)
        except PlaceGoneError as error:
            await self._lose(error)
        except MessengerError as error:
            # The final version is repeated until it stands; a growing one need not be.
            log.info("a version of a passage was not shown: %r", error)

    async def _draw(self, parts: list[Part], priority: Priority, *, is_final: bool) -> None:
        await self._adopt()
        is_first = self._messages.count == 0
        await self._messages.draw(parts, priority=priority, is_final=is_final)
        self._typing.cancel()
        last_id = self._messages.last_id
        if last_id is None:
            return
        if parts[-1].controls is not None and not parts[-1].controls.is_writing:
            self._around.on_armed(last_id)
        elif is_first:
            self._around.on_visible(last_id)

    async def _adopt(self) -> None:
        """Write a retry into the messages of the wording that it replaces."""
        if self._earlier is None or self._has_adopted or self._messages.count:
            return
        self._has_adopted = await self._messages.adopt(self._earlier)

    async def _type(self) -> None:
        while not self._messages.count:
            try:
                await self._around.tools.messenger.type_in(self._job.place.channel_id)
            except PlaceGoneError as error:
                await self._lose(error)
                return
            except MessengerError:
                pass  # typing is a courtesy
            await asyncio.sleep(TYPING_EVERY_S)

    async def finish(self, view: PassageView) -> None:
        """Show the passage as it was committed."""
        await self._close()
        parts = compose(view, self._words, is_writing=False)
        await self._conclude(lambda: self._draw(parts, Priority.FINAL, is_final=True))

    async def fail(self, error: Exception, reference: str | None) -> None:
        """Say that nothing was written."""
        await self._close()
        sentence = sentence_of(error, self._words, reference)

        async def tell() -> None:
            if self._job.job.kind is JobKind.RETRY:
                await self._restore()
                await self._around.whisper(sentence)
                return
            note = Part(f"⚠️ {sentence}", controls_for(self._job.story))
            await self._draw([note], Priority.FINAL, is_final=True)

        await self._conclude(tell)

    async def cancel(self) -> None:
        """Take back what was shown."""
        await self._close()

        async def take_back() -> None:
            await self._restore()
            if not self._has_adopted:
                await self._messages.remove()

        await self._conclude(take_back)

    async def _restore(self) -> None:
        """Give a retry's messages back to the wording that stood there before."""
        head = tree.head(self._job.story)
        if self._earlier is None or head is None or not self._has_adopted:
            return
        view = PassageView(place=self._job.place, story=self._job.story, passage=head)
        if await self._earlier.adopt(self._messages):
            await self._earlier.draw(compose(view, self._words, is_writing=False))

    async def pause(self) -> None:
        """Say that the passage is finished at the next start."""
        await self._close()
        if not self._messages.count:
            return
        parts = compose_paused(self._text, self._words)
        await self._conclude(lambda: self._draw(parts, Priority.FINAL, is_final=False))

    async def _close(self) -> None:
        """Draw no growing version any more; a write under way ends first."""
        if not self._is_over:
            self._is_over = True
            self._pace.close_stream()
        self._next = None
        self._typing.cancel()
        if self._pump is not None and not self._pump.done():
            if self._is_resting:
                self._pump.cancel()
            await asyncio.wait({self._pump})

    async def _conclude(self, act: Callable[[], Awaitable[None]]) -> None:
        if self._is_lost:
            return
        try:
            await act()
        except PlaceGoneError as error:
            await self._lose(error)

    async def _lose(self, error: PlaceGoneError) -> None:
        if not self._is_lost:
            self._is_lost = True
            await self._around.on_place_gone(error)
