"""The messages of one passage in one channel: drawn, counted, healed, and noted down.

Invariants:
    - A message is noted as PENDING before it is sent, with the nonce that it is sent
      with; as SENT with its id after; as SETTLED when it shows the final text.
    - Alternates share their messages: at most one of them has live rows for a message.
    - A member's own message is never written to.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Self

from bot.discord_app.composing import Part
from bot.discord_app.editor import Editors, Priority
from bot.discord_app.messenger import (
    MessageGoneError,
    Messenger,
    PlaceGoneError,
    TooOldError,
    UnreachableError,
)
from bot.discord_app.views.passage import passage_controls
from bot.locales import Words
from bot.story.ids import encode_id
from bot.story.model import PassageId, StoryId
from bot.story.ports import Clock, OutboxItem, OutboxStatus, Store

log = logging.getLogger(__name__)

RETRY_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 16.0)
NONCE_WINDOW = timedelta(seconds=100)
"""How long Discord surely knows a nonce ("the past few minutes")."""
_GONE = OutboxStatus.GONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What every passage's messages need."""

    messenger: Messenger
    store: Store
    clock: Clock
    new_id: Callable[[], int]
    editors: Editors


@dataclass(slots=True)
class Slot:
    """One part's row, and what its message is known to show."""

    row: OutboxItem
    shown: Part | None = None
    is_old: bool = False  # from before: when it is PENDING it may have been sent already

    @property
    def live_id(self) -> int | None:
        """The message, where it is still there."""
        return None if self.row.status is _GONE else self.row.message_id


class PassageMessages:
    """The messages of a passage.

    Args:
        tools: the way to Discord and to the outbox.
        story_id: the story.
        passage_id: the passage, or the job that writes it.
        channel_id: where.
        words: the channel's language.
    """

    def __init__(
        self,
        tools: Tools,
        story_id: StoryId,
        passage_id: PassageId,
        channel_id: int,
        words: Words,
    ) -> None:
        self._tools = tools
        self._story_id = story_id
        self._passage_id = passage_id
        self._channel_id = channel_id
        self._words = words
        self.slots: dict[int, Slot] = {}
        self._editor = tools.editors.of(channel_id)
        self.is_members = False

    async def load(self) -> Self:
        """Read the outbox."""
        async with self._tools.store.read() as unit:
            rows = await unit.outbox.for_passage(self._passage_id)
        self.is_members = any(not row.is_own for row in rows)
        self.slots = {
            row.part: Slot(row, is_old=True)
            for row in rows
            if row.is_own and row.channel_id == self._channel_id
        }
        return self

    @property
    def count(self) -> int:
        """How many messages there are to be seen."""
        return sum(1 for slot in self.slots.values() if slot.live_id is not None)

    @property
    def was_deleted(self) -> bool:
        """Whether there were messages and all are gone."""
        return bool(self.slots) and all(s.row.status is _GONE for s in self.slots.values())

    @property
    def is_settled(self) -> bool:
        """Whether all rows show their final text."""
        return all(slot.row.status in {OutboxStatus.SETTLED, _GONE} for slot in self.slots.values())

    @property
    def last_id(self) -> int | None:
        """The last part's message, if it is there."""
        parts = sorted(part for part, slot in self.slots.items() if slot.live_id is not None)
        return self.slots[parts[-1]].live_id if parts else None

    def wait_s(self) -> float:
        """Return how long the next growing version must still wait, in seconds."""
        if self.last_id is None:
            return 0.0
        return self._editor.calm_s(self._tools.editors.pace.interval_s)

    async def adopt(self, other: "PassageMessages") -> bool:
        """Take over an alternate's messages; False where it has none."""
        taken = {part: slot for part, slot in other.slots.items() if slot.live_id is not None}
        if not taken:
            return False
        async with self._tools.store.write() as unit:
            for part, slot in taken.items():
                mine = replace(
                    slot.row,
                    id=self._tools.new_id(),
                    story_id=self._story_id,
                    passage_id=self._passage_id,
                    nonce=self._nonce(part),
                    status=OutboxStatus.SENT,
                )
                theirs = replace(slot.row, status=_GONE)
                await unit.outbox.put(theirs)
                await unit.outbox.put(mine)
                self.slots[part] = Slot(mine, slot.shown)
                slot.row = theirs
            await unit.commit()
        return True

    async def draw(
        self,
        parts: Sequence[Part],
        *,
        priority: Priority = Priority.FINAL,
        is_final: bool = True,
        sends: bool = True,
        is_note: bool = False,
    ) -> None:
        """Make the messages show these parts.

        Args:
            parts: what they shall show.
            priority: who goes first.
            is_final: whether this is the last version; it is then repeated until it stands.
            sends: whether what is not there is sent, or left away.
            is_note: whether it may be left away where the old message takes no more edits.

        Raises:
            PlaceGoneError: the bot cannot write there.
            UnreachableError: Discord cannot be reached.
        """
        for index, part in enumerate(parts):
            await self._draw_part(
                index, part, priority, is_final=is_final, sends=sends, is_note=is_note
            )
        await self._drop([index for index in self.slots if index >= len(parts)])
        if is_final:
            await self._settle()

    async def _draw_part(
        self,
        index: int,
        part: Part,
        priority: Priority,
        *,
        is_final: bool,
        sends: bool,
        is_note: bool,
    ) -> None:
        slot = self.slots.get(index)
        if slot is not None and slot.live_id is not None:
            if slot.shown == part:
                return
            try:
                await self._persist(lambda: self._edit(slot, part, priority), is_final=is_final)
            except MessageGoneError:
                slot.row = replace(slot.row, status=_GONE)
                await self._put([slot.row])
            except TooOldError:
                log.info("an old message takes no more edits", extra={"message_id": slot.live_id})
                if is_note:
                    return
                slot.row = replace(slot.row, status=_GONE)
                sends = True
            else:
                return
        if sends:
            await self._persist(
                lambda: self._send(index, part, priority, is_final=is_final), is_final=is_final
            )

    async def _edit(self, slot: Slot, part: Part, priority: Priority) -> None:
        message_id = slot.live_id
        if message_id is None:
            raise MessageGoneError
        async with self._editor.turn_to_edit(message_id, priority):
            await self._tools.messenger.edit(
                self._channel_id,
                message_id,
                part.content,
                view=passage_controls(part.controls, self._words),
            )
            slot.shown = part

    async def _send(self, index: int, part: Part, priority: Priority, *, is_final: bool) -> None:
        tools = self._tools
        slot = self.slots.get(index)
        if slot is None or slot.row.status is _GONE:
            row = OutboxItem(
                id=tools.new_id(),
                story_id=self._story_id,
                passage_id=self._passage_id,
                part=index,
                channel_id=self._channel_id,
                nonce=self._nonce(index, is_again=slot is not None),
                status=OutboxStatus.PENDING,
                created_at=tools.clock.now(),
            )
            await self._put([row])
            slot = self.slots[index] = Slot(row)
        async with self._editor.turn(priority):
            message_id = await self._find_lost(slot, part)
            if message_id is None:
                message_id, content = await tools.messenger.send(
                    self._channel_id,
                    part.content,
                    view=passage_controls(part.controls, self._words),
                    nonce=slot.row.nonce,
                )
                # A nonce that Discord knew gives back the old message, in its old form.
                is_new = content.strip() == part.content.strip()
                slot.shown = part if is_new else None
            self._editor.note(message_id)
        is_done = is_final and slot.shown is not None
        status = OutboxStatus.SETTLED if is_done else OutboxStatus.SENT
        slot.row = replace(slot.row, message_id=message_id, status=status)
        slot.is_old = False
        await self._put([slot.row])
        if is_final and slot.shown is None:
            await self._edit(slot, part, priority)

    async def _find_lost(self, slot: Slot, part: Part) -> int | None:
        """Return the message of a row whose receipt was lost too long ago for its nonce."""
        created_at = slot.row.created_at
        if not slot.is_old or created_at is None:
            return None
        if self._tools.clock.now() - created_at < NONCE_WINDOW:
            return None
        try:
            return await self._tools.messenger.find(
                self._channel_id,
                passage_id=self._passage_id,
                content=part.content,
                since=created_at - NONCE_WINDOW,
            )
        except PlaceGoneError:
            return None  # the history may not be read; a doubled message is better than none

    async def _persist(self, write: Callable[[], Awaitable[None]], *, is_final: bool) -> None:
        """Write; repeat a final version while Discord cannot be reached."""
        for delay_s in RETRY_DELAYS_S if is_final else ():
            try:
                await write()
            except UnreachableError:
                await self._tools.editors.pace.sleep(delay_s)
            else:
                return
        await write()

    async def _settle(self) -> None:
        changed = []
        for slot in self.slots.values():
            if slot.row.status is OutboxStatus.SENT:
                slot.row = replace(slot.row, status=OutboxStatus.SETTLED)
                changed.append(slot.row)
            elif slot.row.status is OutboxStatus.PENDING:
                slot.row = replace(slot.row, status=_GONE)
                changed.append(slot.row)
        await self._put(changed)

    async def remove(self) -> None:
        """Delete all messages."""
        await self._drop(list(self.slots))

    async def forget(self) -> None:
        """Leave the messages as they are and know them no more."""
        rows = [replace(slot.row, status=_GONE) for slot in self.slots.values()]
        await self._put(rows)
        for slot, row in zip(self.slots.values(), rows, strict=True):
            slot.row = row

    async def _drop(self, indices: Sequence[int]) -> None:
        dropped = []
        for index in indices:
            slot = self.slots[index]
            if slot.live_id is not None:
                async with self._editor.turn(Priority.FINAL):
                    with suppress(MessageGoneError):
                        await self._tools.messenger.delete(self._channel_id, slot.live_id)
            if slot.row.status is not _GONE:
                slot.row = replace(slot.row, status=_GONE)
                dropped.append(slot.row)
        await self._put(dropped)

    async def _put(self, rows: Sequence[OutboxItem]) -> None:
        if not rows:
            return
        async with self._tools.store.write() as unit:
            for row in rows:
                await unit.outbox.put(row)
            await unit.commit()

    def _nonce(self, part: int, *, is_again: bool = False) -> str:
        # Sent again after a deletion: the old nonce would give the deleted message back.
        again = f".{encode_id(self._tools.new_id())[-5:]}" if is_again else ""
        return f"{encode_id(self._passage_id)}.{part}{again}"
