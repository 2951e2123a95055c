"""Shows passages through the stage, in order, and lets no fault of the stage out.

Invariants:
    - What is shown of a passage is read from the store when it is shown, under one
      lock a place: whatever order the calls come in, the last picture is the true one.
    - A stage that fails or hangs costs a log line with a reference, never a word: the
      outbox remembers what is not settled, and the next start shows it again.
"""

import asyncio
import logging
import weakref
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from bot.errors import StorageError
from bot.policy.rights import Place
from bot.service.api import JobView, PassageView, Presenter, Stage
from bot.service.failures import new_reference
from bot.service.places import place_key
from bot.story import tree
from bot.story.model import PassageId, Story, StoryId, Text
from bot.story.ports import Store

log = logging.getLogger(__name__)

STAGE_LIMIT_S = 180.0
"""How long a stage may take to show something: a burst of 429 and its retries fit in."""


class PlaceLocks:
    """One lock a place, dropped when nobody holds or awaits it."""

    def __init__(self) -> None:
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    def of(self, place: Place) -> asyncio.Lock:
        """Return the place's lock."""
        key = place_key(place)
        lock = self._locks.get(key)
        if lock is None:
            lock = self._locks[key] = asyncio.Lock()
        return lock


class Showing:
    """The way to the stage.

    Args:
        store: what is true.
        stage: where passages are shown; None shows nothing until there is one.
    """

    def __init__(self, store: Store, stage: Stage | None = None) -> None:
        self._store = store
        self._stage = stage
        self._locks = PlaceLocks()

    def set_stage(self, stage: Stage) -> None:
        """Show everything on this stage from now on."""
        self._stage = stage

    async def show(self, place: Place, story_id: StoryId, passage_ids: Sequence[PassageId]) -> None:
        """Show passages as they are stored now."""
        if self._stage is None or not passage_ids:
            return
        async with self._order(place, "show"):
            async with self._store.read() as unit:
                story = await unit.stories.load(story_id)
            if story is not None:
                await self._stage.show(views_of(place, story, passage_ids))

    async def show_blanked(
        self, place: Place, story: Story, passage_ids: Sequence[PassageId]
    ) -> None:
        """Take the passages of a deleted story back from the stage."""
        if self._stage is None or not passage_ids:
            return
        views = [replace(view, is_withdrawn=True) for view in views_of(place, story, passage_ids)]
        async with self._order(place, "show"):
            await self._stage.show(views)

    async def begin(self, view: JobView) -> "SafePresenter":
        """Return a presenter that never raises."""
        presenter: Presenter | None = None
        if self._stage is not None:
            async with self._order(view.place, "begin"):
                presenter = await self._stage.begin(view)
        return SafePresenter(presenter)

    async def finish(
        self, place: Place, presenter: "SafePresenter", story: Story, passage_id: PassageId
    ) -> None:
        """Show a passage as it was committed, or as it stands by now."""
        async with self._order(place, "finish"):
            newest: Story | None = story
            with suppress(StorageError):  # then what was just committed is as good
                async with self._store.read() as unit:
                    newest = await unit.stories.load(story.id)
            if newest is None:
                await presenter.cancel()
            else:
                await presenter.finish(views_of(place, newest, [passage_id])[0])

    async def notify(self, place: Place, error: Exception) -> None:
        """Tell a place what went wrong when nobody waits for an answer."""
        if self._stage is not None:
            async with _guarded("notify"):
                await self._stage.notify(place, error)

    @asynccontextmanager
    async def _order(self, place: Place, act: str) -> AsyncIterator[None]:
        async with self._locks.of(place), _guarded(act):
            yield


def views_of(place: Place, story: Story, passage_ids: Sequence[PassageId]) -> list[PassageView]:
    """Return the views of those passages that exist; off the story's path they are withdrawn."""
    on_path = {passage.id for passage in tree.path(story)}
    return [
        PassageView(
            place=place,
            story=story,
            passage=story.passages[passage_id],
            is_withdrawn=passage_id not in on_path,
        )
        for passage_id in passage_ids
        if passage_id in story.passages
    ]


def blanked(story: Story) -> Story:
    """Return a story as it is after its deletion."""
    texts = {text_id: Text(text_id, "", is_blanked=True) for text_id in story.texts}
    return replace(story, texts=texts, is_current=False)


class SafePresenter:
    """A presenter whose faults end in the log.

    Args:
        presenter: the stage's; None shows nothing.
    """

    def __init__(self, presenter: Presenter | None) -> None:
        self._presenter = presenter

    async def queued(self, queue_place: int) -> None:
        """Show that so many passages are before this one."""
        if self._presenter is not None:
            await _guard("queued", self._presenter.queued(queue_place))

    async def grow(self, text: str) -> None:
        """Take the whole text so far."""
        if self._presenter is not None:
            await _guard("grow", self._presenter.grow(text))

    async def finish(self, view: PassageView) -> None:
        """Show the passage as it was committed."""
        if self._presenter is not None:
            await _guard("finish", self._presenter.finish(view))

    async def fail(self, error: Exception, reference: str | None) -> None:
        """Say that nothing was written."""
        if self._presenter is not None:
            await _guard("fail", self._presenter.fail(error, reference))

    async def cancel(self) -> None:
        """Take back what was shown."""
        if self._presenter is not None:
            await _guard("cancel", self._presenter.cancel())

    async def pause(self) -> None:
        """Say that the passage goes on at the next start."""
        if self._presenter is not None:
            await _guard("pause", self._presenter.pause())


async def _guard(act: str, call: Awaitable[None]) -> None:
    async with _guarded(act):
        await call


@asynccontextmanager
async def _guarded(act: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(STAGE_LIMIT_S):
            yield
    except Exception:
        # The stage is another layer's; whatever it raises, what was written is kept.
        log.exception("the stage failed", extra={"act": act, "reference": new_reference()})
