"""A store in memory that keeps the ports' promises, and a stage that remembers what it showed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.engine.types import (
    Chunk,
    FinishReason,
    GenerationRequest,
    Health,
    ModelInfo,
    PromptPart,
    PromptStyle,
    Score,
    ScoreRequest,
    Usage,
)
from bot.errors import BusyError, ConflictError
from bot.policy.rights import Place
from bot.service.api import JobView, PassageView
from bot.story.model import (
    Author,
    AuthorKind,
    EntryId,
    PassageId,
    Step,
    Story,
    StoryId,
    StoryStatus,
    StorySummary,
    Text,
)
from bot.story.ports import (
    Draft,
    DraftRepository,
    InboxItem,
    InboxRepository,
    Job,
    JobRepository,
    JobStatus,
    OutboxItem,
    OutboxRepository,
    OutboxStatus,
    SettingRow,
    SettingsRepository,
    StoryRepository,
)


class FakeClock:
    def __init__(self) -> None:
        self.time = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class State:
    stories: dict[StoryId, Story] = field(default_factory=dict)
    authors: dict[int, Author] = field(default_factory=dict)
    jobs: dict[PassageId, Job] = field(default_factory=dict)
    inbox: dict[int, InboxItem] = field(default_factory=dict)
    outbox: dict[tuple[PassageId, int, int], OutboxItem] = field(default_factory=dict)
    drafts: dict[int, Draft] = field(default_factory=dict)
    settings: dict[tuple[str, int, str], SettingRow] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)

    def copy(self) -> "State":
        return State(**{name: dict(value) for name, value in vars(self).items()})


class Stories:
    def __init__(self, state: State, store: "MemoryStore") -> None:
        self._state = state
        self._store = store

    def _fresh(self, story: Story | None) -> Story | None:
        """Authors stand in a table of their own: a story shows them as they are now."""
        if story is None:
            return None
        authors = {key: self._state.authors.get(key, one) for key, one in story.authors.items()}
        return replace(story, authors=authors)

    async def load(self, story_id: StoryId) -> Story | None:
        story = self._state.stories.get(story_id)
        if story is None or story.status is StoryStatus.DELETED:
            return None
        return self._fresh(story)

    async def current(self, place: str) -> Story | None:
        story_id = await self.current_id(place)
        return None if story_id is None else await self.load(story_id)

    async def current_id(self, place: str) -> StoryId | None:
        for story in self._state.stories.values():
            if (
                story.place == place
                and story.is_current
                and story.status is not StoryStatus.DELETED
            ):
                return story.id
        return None

    async def story_of_passage(self, passage_id: PassageId) -> StoryId | None:
        for story in self._state.stories.values():
            if passage_id in story.passages:
                return story.id
        return None

    def _archive(self, place: str, *, but: StoryId) -> None:
        for story in list(self._state.stories.values()):
            if story.place == place and story.is_current and story.id != but:
                self._state.stories[story.id] = replace(story, is_current=False)

    def _check_keys(self, step: Step) -> None:
        keys = {e.key for s in self._state.stories.values() for e in s.journal if e.key}
        for entry in step.entries:
            if entry.key in keys:
                raise ConflictError

    async def add(self, step: Step) -> None:
        self._check_keys(step)
        self._archive(step.story.place, but=step.story.id)
        self._state.stories[step.story.id] = step.story

    async def save(self, step: Step, expected_version: int) -> None:
        stored = self._state.stories[step.story.id]
        if self._store.conflicts_to_come:
            self._store.conflicts_to_come -= 1
            raise ConflictError
        if stored.version != expected_version:
            raise ConflictError
        self._check_keys(step)
        self._state.stories[step.story.id] = step.story

    async def set_current(self, story_id: StoryId, place: str) -> None:
        self._archive(place, but=story_id)
        story = self._state.stories[story_id]
        self._state.stories[story_id] = replace(story, place=place, is_current=True)

    async def summaries(
        self,
        place: str | None,
        *,
        guild_id: int | None = None,
        query: str = "",
        limit: int = 25,
        offset: int = 0,
    ) -> Sequence[StorySummary]:
        found = []
        for story in sorted(self._state.stories.values(), key=lambda s: s.id, reverse=True):
            title = story.texts[story.title_id].body if story.title_id is not None else ""
            if story.status is StoryStatus.DELETED:
                continue
            if place is not None and story.place != place:
                continue
            if guild_id is not None and story.guild_id != guild_id:
                continue
            if query.lower() not in title.lower():
                continue
            starter = story.authors[story.starter_id]
            found.append(
                StorySummary(
                    id=story.id,
                    place=story.place,
                    guild_id=story.guild_id,
                    title=title,
                    status=story.status,
                    is_current=story.is_current,
                    passages=len(story.passages),
                    updated_at=story.updated_at,
                    starter_name=starter.name,
                    starter_user_id=starter.user_id,
                )
            )
        return found[offset : offset + limit]

    async def blank(self, story_id: StoryId) -> None:
        story = self._state.stories[story_id]
        self._state.stories[story_id] = replace(
            story,
            status=StoryStatus.DELETED,
            is_current=False,
            texts={key: Text(key, "", is_blanked=True) for key in story.texts},
        )
        for job in list(self._state.jobs.values()):
            if job.story_id == story_id and job.status is JobStatus.OPEN:
                self._state.jobs[job.id] = replace(job, status=JobStatus.CANCELLED)
        for item in list(self._state.inbox.values()):
            if item.story_id == story_id:
                del self._state.inbox[item.id]

    async def find_key(self, key: str) -> tuple[StoryId, EntryId] | None:
        for story in self._state.stories.values():
            for entry in story.journal:
                if entry.key == key:
                    return story.id, entry.id
        return None

    async def author(self, author: Author) -> Author:
        for known in self._state.authors.values():
            is_same = (
                known.name == author.name
                if author.kind is AuthorKind.MODEL
                else (known.platform, known.user_id) == (author.platform, author.user_id)
            )
            if known.kind is author.kind and is_same:
                self._state.authors[known.id] = replace(known, name=author.name)
                return self._state.authors[known.id]
        self._state.authors[author.id] = author
        return author


class Jobs:
    def __init__(self, state: State, store: "MemoryStore") -> None:
        self._jobs = state.jobs
        self._store = store

    async def add(self, job: Job) -> None:
        if await self.open_for(job.story_id) is not None:
            raise BusyError
        self._jobs[job.id] = job

    async def get(self, job_id: PassageId) -> Job | None:
        return self._jobs.get(job_id)

    async def open_for(self, story_id: StoryId) -> Job | None:
        for job in self._jobs.values():
            if job.story_id == story_id and job.status is JobStatus.OPEN:
                return job
        return None

    async def lease(
        self, job_id: PassageId, *, owner: str, epoch: int, expires_at: datetime
    ) -> bool:
        job = self._jobs.get(job_id)
        if job is None or job.status is not JobStatus.OPEN:
            return False
        is_mine = (job.owner, job.epoch) == (owner, epoch)
        is_expired = job.expires_at is None or job.expires_at <= self._store.clock.now()
        is_free = job.epoch <= epoch if job.owner == owner else is_expired
        if not is_mine and not is_free:
            return False
        attempts = job.attempts if is_mine else job.attempts + 1
        self._jobs[job_id] = replace(
            job, owner=owner, epoch=epoch, expires_at=expires_at, attempts=attempts
        )
        return True

    async def finish(self, job_id: PassageId, status: JobStatus, *, owner: str, epoch: int) -> bool:
        job = self._jobs.get(job_id)
        if job is None or job.status is not JobStatus.OPEN:
            return False
        if (job.owner, job.epoch) != (owner, epoch):
            return False
        self._jobs[job_id] = replace(job, status=status)
        return True

    async def cancel(self, job_id: PassageId) -> bool:
        job = self._jobs.get(job_id)
        if job is None or job.status is not JobStatus.OPEN:
            return False
        self._jobs[job_id] = replace(job, status=JobStatus.CANCELLED)
        return True

    async def orphans(self, *, owner: str, epoch: int, now: datetime) -> Sequence[Job]:
        return [
            job
            for job in self._jobs.values()
            if job.status is JobStatus.OPEN
            and (
                (job.owner == owner and job.epoch < epoch)
                or job.expires_at is None
                or (job.owner != owner and job.expires_at < now)
            )
        ]


class Inbox:
    def __init__(self, state: State) -> None:
        self._state = state

    async def add(self, item: InboxItem) -> bool:
        keys = {one.key for one in self._state.inbox.values()}
        keys |= {e.key for s in self._state.stories.values() for e in s.journal if e.key}
        if item.key in keys:
            return False
        self._state.inbox[item.id] = item
        return True

    async def waiting(self, story_id: StoryId) -> Sequence[InboxItem]:
        return [one for one in self._state.inbox.values() if one.story_id == story_id]

    async def remove(self, item_ids: Sequence[int]) -> None:
        for item_id in item_ids:
            self._state.inbox.pop(item_id, None)

    async def stories_waiting(self) -> Sequence[StoryId]:
        return sorted({one.story_id for one in self._state.inbox.values()})


class Outbox:
    def __init__(self, state: State) -> None:
        self._items = state.outbox

    async def put(self, item: OutboxItem) -> None:
        self._items[item.passage_id, item.channel_id, item.part] = item

    async def for_passage(self, passage_id: PassageId) -> Sequence[OutboxItem]:
        return sorted(
            (one for one in self._items.values() if one.passage_id == passage_id),
            key=lambda one: one.part,
        )

    async def for_story(self, story_id: StoryId, *, limit: int = 50) -> Sequence[OutboxItem]:
        found = [one for one in self._items.values() if one.story_id == story_id]
        return sorted(found, key=lambda one: one.id, reverse=True)[:limit]

    async def by_message(self, message_id: int) -> OutboxItem | None:
        return next((one for one in self._items.values() if one.message_id == message_id), None)

    async def unsettled(self) -> Sequence[OutboxItem]:
        waiting = {OutboxStatus.PENDING, OutboxStatus.SENT}
        return [one for one in self._items.values() if one.is_own and one.status in waiting]

    async def mark_gone(
        self, *, message_ids: Sequence[int] = (), channel_id: int | None = None
    ) -> None:
        for key, item in list(self._items.items()):
            if item.message_id in message_ids or item.channel_id == channel_id:
                self._items[key] = replace(item, status=OutboxStatus.GONE)


class Drafts:
    def __init__(self, state: State) -> None:
        self._drafts = state.drafts

    async def put(self, draft: Draft) -> None:
        self._drafts[draft.id] = draft

    async def get(self, draft_id: int) -> Draft | None:
        return self._drafts.get(draft_id)

    async def delete(self, draft_id: int) -> None:
        self._drafts.pop(draft_id, None)

    async def purge(self, before: datetime) -> int:
        old = [one.id for one in self._drafts.values() if one.created_at < before]
        for draft_id in old:
            del self._drafts[draft_id]
        return len(old)


class SettingsRows:
    def __init__(self, state: State, store: "MemoryStore") -> None:
        self._state = state
        self._store = store

    async def values(self, scope: str, scope_id: int) -> Mapping[str, str]:
        self._store.setting_reads += 1
        return {
            row.name: row.value
            for (kind, number, _), row in self._state.settings.items()
            if (kind, number) == (scope, scope_id)
        }

    async def set(self, row: SettingRow) -> None:
        self._state.settings[row.scope, row.scope_id, row.name] = row

    async def reset(
        self, scope: str, scope_id: int, name: str | None, *, by: int, at: datetime
    ) -> int:
        gone = [
            key
            for key in self._state.settings
            if key[:2] == (scope, scope_id) and name in {None, key[2]}
        ]
        for key in gone:
            del self._state.settings[key]
        return len(gone)

    async def fact(self, name: str) -> str | None:
        return self._state.facts.get(name)

    async def put_fact(self, name: str, value: str) -> None:
        self._state.facts[name] = value

    async def next_epoch(self, owner: str) -> int:
        self._state.epochs[owner] = self._state.epochs.get(owner, 0) + 1
        return self._state.epochs[owner]


class Unit:
    def __init__(self, store: "MemoryStore", state: State, *, writes: bool) -> None:
        self._store = store
        self._state = state
        self._writes = writes
        self.stories: StoryRepository = Stories(state, store)
        self.jobs: JobRepository = Jobs(state, store)
        self.inbox: InboxRepository = Inbox(state)
        self.outbox: OutboxRepository = Outbox(state)
        self.drafts: DraftRepository = Drafts(state)
        self.settings: SettingsRepository = SettingsRows(state, store)

    async def commit(self) -> None:
        assert self._writes, "commit in a unit for reading"
        await asyncio.sleep(0)  # a real commit lets others run too
        if self._store.error_to_come is not None:
            error, self._store.error_to_come = self._store.error_to_come, None
            raise error
        self._store.state = self._state.copy()


class MemoryStore:
    """One writer, readers beside it; rolls back unless committed."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.state = State()
        self.conflicts_to_come = 0
        self.error_to_come: Exception | None = None
        self.setting_reads = 0
        self._writer = asyncio.Lock()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Unit]:
        await asyncio.sleep(0)
        yield Unit(self, self.state.copy(), writes=False)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Unit]:
        async with self._writer:
            yield Unit(self, self.state.copy(), writes=True)


class FakePresenter:
    """Remembers its calls; ``grown`` is set at each of them."""

    def __init__(self, view: JobView) -> None:
        self.view = view
        self.calls: list[str] = []
        self.queue_places: list[int] = []
        self.texts: list[str] = []
        self.finished: PassageView | None = None
        self.error: Exception | None = None
        self.reference: str | None = None
        self.changed = asyncio.Condition()

    async def _note(self, call: str) -> None:
        self.calls.append(call)
        async with self.changed:
            self.changed.notify_all()

    async def until(self, call: str) -> None:
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: call in self.calls)

    async def queued(self, queue_place: int) -> None:
        self.queue_places.append(queue_place)
        await self._note("queued")

    async def grow(self, text: str) -> None:
        self.texts.append(text)
        await self._note("grow")

    async def finish(self, view: PassageView) -> None:
        self.finished = view
        await self._note("finish")

    async def fail(self, error: Exception, reference: str | None) -> None:
        self.error, self.reference = error, reference
        await self._note("fail")

    async def cancel(self) -> None:
        await self._note("cancel")

    async def pause(self) -> None:
        await self._note("pause")


class FakeStage:
    def __init__(self) -> None:
        self.presenters: list[FakePresenter] = []
        self.shown: list[PassageView] = []
        self.notices: list[tuple[Place, Exception]] = []
        self.log: list[tuple[str, Any]] = []
        self.begin_error: Exception | None = None
        self.show_error: Exception | None = None
        self._begun = asyncio.Condition()

    async def begin(self, job: JobView) -> FakePresenter:
        if self.begin_error is not None:
            raise self.begin_error
        presenter = FakePresenter(job)
        self.presenters.append(presenter)
        self.log.append(("begin", job.job.id))
        async with self._begun:
            self._begun.notify_all()
        return presenter

    async def presenter(self, number: int = 0) -> FakePresenter:
        """Wait for the presenter of that number."""
        async with asyncio.timeout(5), self._begun:
            await self._begun.wait_for(lambda: len(self.presenters) > number)
        return self.presenters[number]

    async def show(self, views: Sequence[PassageView]) -> None:
        if self.show_error is not None:
            raise self.show_error
        self.shown.extend(views)
        self.log.extend(("show", view.passage.id) for view in views)

    async def notify(self, place: Place, error: Exception) -> None:
        self.notices.append((place, error))


INFO = ModelInfo(
    name="tiny",
    revision="r1",
    window_tokens=2048,
    tokenizer_hash="words",
    style=PromptStyle.COMPLETION,
    precision="fp32",
    engine_version="0",
)


@dataclass
class Script:
    """What one generation says: pieces of text, gates to wait at, errors to raise."""

    steps: Sequence[str | asyncio.Event | Exception | Chunk]
    finish: FinishReason = FinishReason.MONITOR


class FakeBackend:
    """Plays scripts in order; without one it writes a sentence that depends on the seed alone."""

    def __init__(
        self, *scripts: Script | Sequence[str | asyncio.Event | Exception | Chunk]
    ) -> None:
        self.scripts = [one if isinstance(one, Script) else Script(one) for one in scripts]
        self.requests: list[GenerationRequest] = []
        self.closed_early = 0
        self.is_closed = False
        self.reached = asyncio.Condition()
        self.gates_reached = 0
        self.likelihood: Callable[[ScoreRequest], float] = lambda _: -1.0

    @property
    def info(self) -> ModelInfo:
        return INFO

    def play(self, *steps: str | asyncio.Event | Exception | Chunk) -> None:
        self.scripts.append(Script(steps))

    async def until_gate(self, number: int = 1) -> None:
        async with asyncio.timeout(5), self.reached:
            await self.reached.wait_for(lambda: self.gates_reached >= number)

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        self.requests.append(request)
        script = self.scripts.pop(0) if self.scripts else Script([f" Told by {request.seed}."])
        text, is_done = "", False
        try:
            for step in script.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, asyncio.Event):
                    async with self.reached:
                        self.gates_reached += 1
                        self.reached.notify_all()
                    await step.wait()
                    continue
                chunk = Chunk(text=step) if isinstance(step, str) else step
                text = chunk.change(text)
                yield chunk
            is_done = True
            yield Chunk(
                finish=script.finish,
                usage=Usage(
                    prompt_tokens=self.count_tokens(request.prompt),
                    cached_tokens=0,
                    completion_tokens=len(text.split()),
                    sampled_tokens=len(text.split()),
                    rewinds=0,
                    queued_s=0.0,
                    prefill_s=0.0,
                    decode_s=0.0,
                ),
                token_ids=tuple(range(len(text.split()))),
            )
        finally:
            self.closed_early += not is_done

    async def score(self, request: ScoreRequest) -> Score:
        return Score(log_likelihood=self.likelihood(request), tokens=1)

    def count_tokens(self, parts: Sequence[PromptPart]) -> int:
        return sum(len(part.text.split()) for part in parts)

    def health(self) -> Health:
        return Health(is_ok=True, detail="", waiting=0, active=0)

    async def aclose(self) -> None:
        self.is_closed = True
