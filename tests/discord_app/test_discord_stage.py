"""Healing: what was under way when something went wrong ends as it should."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.discord_app import ledger
from bot.discord_app.editor import Editors, Pace
from bot.discord_app.ledger import PassageMessages
from bot.discord_app.messenger import (
    MessageGoneError,
    PlaceGoneError,
    TooOldError,
    UnreachableError,
)
from bot.discord_app.stage import DiscordStage
from bot.errors import EngineStoppedError, QueueFullError
from bot.locales import Words
from bot.policy.rights import Place
from bot.service.api import JobView, PassageView
from bot.service.clock import SystemClock
from bot.storage import SqlStore
from bot.story import actions, tree
from bot.story.actions import Stamp
from bot.story.ids import IdGenerator
from bot.story.model import Author, AuthorKind, Concept, Provenance, Story
from bot.story.ports import Job, JobKind, OutboxItem, OutboxStatus

CHANNEL = 77
PLACE = Place(platform="discord", guild_id=1, channel_id=CHANNEL)
PROVENANCE = Provenance(
    model="m",
    model_revision="0",
    engine_version="0",
    precision="none",
    seed=1,
    sampling={},
    finish="length",
    prompt_tokens=1,
    completion_tokens=1,
    rewinds=0,
    duration_s=0.0,
)


class FakeMessenger:
    """A channel in memory; what shall go wrong is put into ``troubles``."""

    def __init__(self) -> None:
        self.messages: dict[int, str] = {}
        self.views: dict[int, bool] = {}
        self.nonces: dict[str, int] = {}
        self.troubles: list[Exception] = []
        self.log: list[tuple[str, int]] = []
        self.typed = 0
        self.found: int | None = None
        self.lost_receipts = 0
        self.changed = asyncio.Condition()

    def _trouble(self) -> None:
        if self.troubles:
            raise self.troubles.pop(0)

    async def _note(self, act: str, message_id: int) -> None:
        self.log.append((act, message_id))
        async with self.changed:
            self.changed.notify_all()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: any(text in m for m in self.messages.values()))

    async def send(
        self, channel_id: int, content: str, *, view: discord.ui.View | None, nonce: str
    ) -> tuple[int, str]:
        self._trouble()
        if nonce in self.nonces and self.nonces[nonce] in self.messages:
            return self.nonces[nonce], self.messages[self.nonces[nonce]]
        message_id = 1000 + len(self.log)
        self.messages[message_id], self.views[message_id] = content, view is not None
        self.nonces[nonce] = message_id
        await self._note("send", message_id)
        if self.lost_receipts:
            self.lost_receipts -= 1
            raise UnreachableError
        return message_id, content

    async def edit(
        self, channel_id: int, message_id: int, content: str, *, view: discord.ui.View | None
    ) -> None:
        self._trouble()
        if message_id not in self.messages:
            raise MessageGoneError
        self.messages[message_id], self.views[message_id] = content, view is not None
        await self._note("edit", message_id)

    async def disarm(self, channel_id: int, message_id: int) -> None:
        self.views[message_id] = False
        await self._note("disarm", message_id)

    async def delete(self, channel_id: int, message_id: int) -> None:
        self._trouble()
        if self.messages.pop(message_id, None) is None:
            raise MessageGoneError
        await self._note("delete", message_id)

    async def type_in(self, channel_id: int) -> None:
        self.typed += 1

    async def find(
        self, channel_id: int, *, passage_id: int, content: str, since: datetime
    ) -> int | None:
        return self.found


class Theatre:
    """A stage over a real store, with a story in it."""

    def __init__(self, store: SqlStore) -> None:
        self.store = store
        self.messenger = FakeMessenger()
        self.new_id = IdGenerator()
        self.slept: list[float] = []
        self.stage = self.make_stage()
        self.story: Story

    def make_stage(self) -> DiscordStage:
        async def sleep(delay_s: float) -> None:
            self.slept.append(delay_s)
            await asyncio.sleep(0)

        return DiscordStage(
            self.messenger,
            self.store,
            clock=SystemClock(),
            new_id=self.new_id,
            editors=Editors(Pace(0.0, 0.0, wait=sleep)),
            words_for=lambda _: Words(),
        )

    def stamp(self, kind: AuthorKind = AuthorKind.MEMBER) -> Stamp:
        user_id = 5 if kind is AuthorKind.MEMBER else None
        author = Author(3 if user_id else 4, kind, "Alice" if user_id else "m", "discord", user_id)
        return Stamp(author, datetime.now(UTC), self.new_id)

    async def build(self) -> None:
        step = actions.start(
            self.stamp(), place=f"discord:{CHANNEL}", guild_id=1, concept=Concept(title="T")
        )
        async with self.store.write() as unit:
            author = await unit.stories.author(self.stamp().author)
            model = await unit.stories.author(self.stamp(AuthorKind.MODEL).author)
            self.member, self.model = author, model
            await unit.stories.add(step)
            await unit.commit()
        self.story = step.story

    async def save(self, step: Any) -> None:
        async with self.store.write() as unit:
            await unit.stories.save(step, self.story.version)
            await unit.commit()
        self.story = step.story

    async def write(self, text: str) -> PassageView:
        passage_id = self.new_id()
        await self.save(
            actions.answer(
                self.story,
                self.stamp(AuthorKind.MODEL),
                text,
                PROVENANCE,
                passage_id=passage_id,
            )
        )
        return self.view(passage_id)

    def view(self, passage_id: int, *, is_withdrawn: bool = False) -> PassageView:
        return PassageView(
            place=PLACE,
            story=self.story,
            passage=self.story.passages[passage_id],
            is_withdrawn=is_withdrawn,
        )

    def job(self, kind: JobKind = JobKind.ANSWER, *, streams: bool = True) -> JobView:
        job = Job(
            id=self.new_id(),
            story_id=self.story.id,
            kind=kind,
            turn_id=0,
            parent_id=tree.head_id(self.story),
            author_id=3,
            seed=1,
        )
        return JobView(place=PLACE, story=self.story, job=job, streams=streams)

    async def rows(self, passage_id: int) -> list[OutboxItem]:
        async with self.store.read() as unit:
            return list(await unit.outbox.for_passage(passage_id))


@pytest.fixture
async def theatre(tmp_path: Path) -> Any:
    async with await SqlStore.open(f"sqlite:///{tmp_path / 'stage.db'}") as store:
        theatre = Theatre(store)
        await theatre.build()
        yield theatre
        await theatre.stage.aclose()


async def _grown(theatre: Theatre, text: str, **options: Any) -> tuple[Any, JobView]:
    job = theatre.job(**options)
    presenter = await theatre.stage.begin(job)
    await _grow(presenter, text)
    return presenter, job


async def _grow(presenter: Any, text: str) -> None:
    await presenter.grow(text)
    await asyncio.wait({presenter._pump})


async def _commit(theatre: Theatre, job: JobView, text: str) -> PassageView:
    await theatre.save(
        actions.answer(
            theatre.story,
            theatre.stamp(AuthorKind.MODEL),
            text,
            PROVENANCE,
            passage_id=job.job.id,
        )
    )
    return theatre.view(job.job.id)


async def test_a_passage_grows_and_is_settled(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    (row,) = await theatre.rows(job.job.id)
    assert row.status is OutboxStatus.SENT
    assert row.nonce.endswith(".0")
    assert len(row.nonce) <= 25
    await presenter.finish(await _commit(theatre, job, "The door opened."))
    (row,) = await theatre.rows(job.job.id)
    assert row.status is OutboxStatus.SETTLED
    assert theatre.messenger.messages[row.message_id or 0] == "The door opened."
    assert theatre.messenger.typed == 1


async def test_of_the_versions_between_two_edits_only_the_newest_is_shown(
    theatre: Theatre,
) -> None:
    presenter, job = await _grown(theatre, "One")
    for text in ("One two", "One two three", "One two three four"):
        await presenter.grow(text)
    await theatre.messenger.until("four")
    await presenter.finish(await _commit(theatre, job, "One two three four five."))
    edits = [act for act, _ in theatre.messenger.log if act == "edit"]
    assert len(edits) == 2


async def test_without_streaming_only_the_whole_passage_is_shown(theatre: Theatre) -> None:
    job = theatre.job(streams=False)
    presenter = await theatre.stage.begin(job)
    await presenter.grow("One")
    await presenter.finish(await _commit(theatre, job, "One two."))
    assert [act for act, _ in theatre.messenger.log] == ["send", "send"]  # the title, the passage


async def test_the_queue_is_seen_and_becomes_the_passage(theatre: Theatre) -> None:
    job = theatre.job()
    presenter = await theatre.stage.begin(job)
    await presenter.queued(1)
    assert len(theatre.messenger.messages) == 1
    await presenter.queued(3)
    await theatre.messenger.until("2 passages before this one")
    await presenter.queued(2)
    await theatre.messenger.until("1 passage before this one")
    await presenter.queued(1)
    await theatre.messenger.until("this one is next")
    await presenter.finish(await _commit(theatre, job, "One two."))
    assert len(theatre.messenger.messages) == 2


async def test_a_failure_replaces_what_was_shown(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    await presenter.fail(QueueFullError(waiting=9), "ABCD")
    (row,) = await theatre.rows(job.job.id)
    shown = theatre.messenger.messages[row.message_id or 0]
    assert shown.startswith("⚠️ The model is busy with 9")
    assert "(ref ABCD)" in shown
    assert row.status is OutboxStatus.SETTLED


async def test_a_retry_that_fails_gives_the_old_wording_back(theatre: Theatre) -> None:
    view = await theatre.write("The old wording.")
    await theatre.stage.show([view])
    presenter, job = await _grown(theatre, "New words", kind=JobKind.RETRY)
    assert "The old wording." not in theatre.messenger.messages.values()
    await presenter.fail(EngineStoppedError(), None)
    shown = list(theatre.messenger.messages.values())
    assert "The old wording." in shown
    assert any("The model is not running" in text for text in shown)
    assert {row.status for row in await theatre.rows(job.job.id)} == {OutboxStatus.GONE}
    (row,) = await theatre.rows(view.passage.id)
    assert row.status is OutboxStatus.SETTLED


async def test_a_cancelled_passage_is_taken_back(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    await presenter.cancel()
    assert len(theatre.messenger.messages) == 1  # the title
    assert {row.status for row in await theatre.rows(job.job.id)} == {OutboxStatus.GONE}


async def test_a_paused_passage_goes_on_in_its_message(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    await presenter.pause()
    assert any("⏸️" in text for text in theatre.messenger.messages.values())
    (row,) = await theatre.rows(job.job.id)
    assert row.status is OutboxStatus.SENT
    again = await theatre.make_stage().begin(job)
    await again.finish(await _commit(theatre, job, "The door opened."))
    assert theatre.messenger.messages[row.message_id or 0] == "The door opened."
    assert len(theatre.messenger.messages) == 2


async def test_a_pause_without_words_says_nothing(theatre: Theatre) -> None:
    presenter = await theatre.stage.begin(theatre.job())
    await presenter.pause()
    assert len(theatre.messenger.messages) == 1


async def test_a_message_whose_receipt_was_lost_is_not_doubled(theatre: Theatre) -> None:
    view = await theatre.write("Once.")
    await theatre.stage.show([view])
    view = await theatre.write("Twice.")
    theatre.messenger.lost_receipts = 1
    await theatre.stage.show([view])
    assert list(theatre.messenger.messages.values()).count("Twice.") == 1
    (row,) = await theatre.rows(view.passage.id)
    assert row.status is OutboxStatus.SETTLED
    assert theatre.slept[-1] == ledger.RETRY_DELAYS_S[0]


@pytest.mark.parametrize("is_found", [True, False])
async def test_after_a_long_outage_the_lost_message_is_looked_for(
    theatre: Theatre, is_found: bool
) -> None:
    view = await theatre.write("Once.")
    old = datetime.now(UTC) - timedelta(hours=1)
    row = OutboxItem(
        id=theatre.new_id(),
        story_id=theatre.story.id,
        passage_id=view.passage.id,
        part=0,
        channel_id=CHANNEL,
        nonce="n.0",
        status=OutboxStatus.PENDING,
        created_at=old,
    )
    async with theatre.store.write() as unit:
        await unit.outbox.put(row)
        await unit.commit()
    if is_found:
        theatre.messenger.messages[555] = "Onc"
        theatre.messenger.found = 555
    await theatre.stage.show([view])
    (row,) = await theatre.rows(view.passage.id)
    assert (row.message_id == 555) is is_found
    assert theatre.messenger.messages[row.message_id or 0] == "Once."


async def test_a_final_version_is_repeated_until_it_stands(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    theatre.messenger.troubles = [UnreachableError(), UnreachableError()]
    await presenter.finish(await _commit(theatre, job, "The door opened."))
    assert "The door opened." in theatre.messenger.messages.values()
    assert theatre.slept[-2:] == [1.0, 2.0]


async def test_what_could_not_be_shown_is_shown_at_the_next_start(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    theatre.messenger.troubles = [UnreachableError() for _ in range(9)]
    with pytest.raises(UnreachableError):
        await presenter.finish(await _commit(theatre, job, "The door opened."))
    (row,) = await theatre.rows(job.job.id)
    assert row.status is OutboxStatus.SENT
    theatre.messenger.troubles = []
    await theatre.make_stage().show([theatre.view(job.job.id)])
    (row,) = await theatre.rows(job.job.id)
    assert row.status is OutboxStatus.SETTLED


async def test_buttons_that_a_crash_left_behind_are_taken_away(theatre: Theatre) -> None:
    told = await theatre.write("The door opened.")
    await theatre.stage.show([told])
    step = actions.add(theatre.story, theatre.stamp(), "Bob came in.")
    await theatre.save(step)
    added = theatre.view(step.passages[0].id)
    theatre.stage._armed.clear()  # as if it had died before the old buttons' turn
    theatre.stage._armed[CHANNEL] = frozenset()
    await theatre.stage.show([added])
    armed = [each for each, has_buttons in theatre.messenger.views.items() if has_buttons]
    assert len(armed) == 2
    stage = theatre.make_stage()
    presenter = await stage.begin(job := theatre.job())
    await _grow(presenter, "He sat down.")
    await presenter.finish(await _commit(theatre, job, "He sat down."))
    await asyncio.gather(*stage._tasks)
    (last,) = (each for each, has_buttons in theatre.messenger.views.items() if has_buttons)
    assert theatre.messenger.messages[last] == "He sat down."


async def test_a_growing_version_that_fails_is_let_go(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    theatre.messenger.troubles = [UnreachableError()]
    await _grow(presenter, "The door opened")
    await presenter.finish(await _commit(theatre, job, "The door opened."))
    assert "The door opened." in theatre.messenger.messages.values()


async def test_an_old_message_that_takes_no_edit_is_followed_by_a_new_one(
    theatre: Theatre,
) -> None:
    view = await theatre.write("Once.")
    await theatre.stage.show([view])
    await theatre.save(actions.edit(theatre.story, theatre.stamp(), view.passage.id, "Twice."))
    theatre.messenger.troubles = [TooOldError()]
    await theatre.stage.show([theatre.view(view.passage.id)])
    assert list(theatre.messenger.messages.values())[1:] == ["Once.", "Twice."]
    await theatre.save(actions.undo(theatre.story, theatre.stamp(), 2))
    theatre.messenger.troubles = [TooOldError()]
    await theatre.stage.show([theatre.view(view.passage.id, is_withdrawn=True)])
    assert len(theatre.messenger.messages) == 3


async def test_a_lost_place_ends_the_showing_quietly(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    theatre.messenger.troubles = [PlaceGoneError(is_deleted=False)]
    await presenter.finish(await _commit(theatre, job, "The door opened."))
    await presenter.grow("more")
    await presenter.pause()
    theatre.messenger.troubles = [PlaceGoneError(is_deleted=True)]
    await theatre.stage.show([theatre.view(job.job.id)])
    assert {row.status for row in await theatre.rows(job.job.id)} == {OutboxStatus.GONE}
    theatre.messenger.troubles = [PlaceGoneError(is_deleted=False)]
    await theatre.stage.notify(PLACE, EngineStoppedError())
    theatre.messenger.troubles = [PlaceGoneError(is_deleted=False)]
    await theatre.stage.bring(PLACE, theatre.story)


async def test_a_lost_place_while_growing(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "The door")
    theatre.messenger.troubles = [PlaceGoneError(is_deleted=False)]
    await _grow(presenter, "The door opened")
    await presenter.finish(await _commit(theatre, job, "The door opened."))
    (row,) = await theatre.rows(job.job.id)
    assert row.status is OutboxStatus.SENT


async def test_a_notice_deletes_itself(theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.discord_app.stage.WHISPER_S", 0.0)
    await theatre.stage.notify(PLACE, EngineStoppedError())
    async with asyncio.timeout(5), theatre.messenger.changed:
        await theatre.messenger.changed.wait_for(lambda: not theatre.messenger.messages)


async def test_a_text_that_shrinks_loses_its_second_message(theatre: Theatre) -> None:
    presenter, job = await _grown(theatre, "Long. " * 400)
    assert len(await theatre.rows(job.job.id)) == 2
    await _grow(presenter, "Short.")
    await presenter.finish(await _commit(theatre, job, "Long. " * 400))
    rows = await theatre.rows(job.job.id)
    assert [row.status for row in rows] == [OutboxStatus.SETTLED] * 2
    assert rows[1].nonce.count(".") == 2  # not the nonce of the message that was deleted
    assert len(theatre.messenger.messages) == 3


async def test_messages_of_a_member_are_left_alone(theatre: Theatre) -> None:
    step = actions.add(theatre.story, theatre.stamp(), "Mine.")
    await theatre.save(step)
    passage = step.passages[0]
    async with theatre.store.write() as unit:
        await unit.outbox.put(
            OutboxItem(
                id=theatre.new_id(),
                story_id=theatre.story.id,
                passage_id=passage.id,
                part=0,
                channel_id=CHANNEL,
                nonce="",
                status=OutboxStatus.SETTLED,
                message_id=5,
                is_own=False,
            )
        )
        await unit.commit()
    await theatre.stage.show([theatre.view(passage.id)])
    assert [act for act, _ in theatre.messenger.log] == ["send"]  # the title
    messages = await theatre.stage._messages(PLACE, theatre.story, passage.id, Words())
    assert isinstance(messages, PassageMessages)
    assert messages.is_members


async def test_nothing_to_show_shows_nothing(theatre: Theatre) -> None:
    await theatre.stage.show([])
    assert not theatre.messenger.log
