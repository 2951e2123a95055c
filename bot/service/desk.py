"""What every use case needs at hand: the ports, the policy, the limits.

Invariant: whatever a member sends passes here before it is kept: the right is asked
for, the budget charged, the text cleaned, measured and screened.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.engine.types import PromptStyle
from bot.errors import ClosingError, InvalidInputError
from bot.locales import N_
from bot.policy.budgets import Budgets
from bot.policy.rights import Actor, Place, Right, may, may_tell
from bot.policy.screening import Screen, StreamScreen, screen_for
from bot.policy.settings import Settings
from bot.service.engine_holder import EngineHolder
from bot.service.failures import new_reference
from bot.service.prompts import counter
from bot.service.settings import SettingsService
from bot.service.showing import Showing
from bot.story import tree
from bot.story.context import check_pinned
from bot.story.context_parts import ContextPart
from bot.story.formats import read_format
from bot.story.model import Author, AuthorKind, CastMember, Concept, Passage, Story
from bot.story.ports import Clock, Store
from bot.text.clean import clean_line, clean_text

log = logging.getLogger(__name__)

TITLE_CHARS = 100
LINE_CHARS = 300
PREMISE_CHARS = 8000
CAST_SIZE = 20
BEATS = 50
_UNKNOWN_WINDOW_TOKENS = 2048  # of SmolLM2; GPT-2's is checked again when it writes
_CHARS_A_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how often; times in seconds.

    Attributes:
        lease_s: how long a job is held without a sign of life.
        max_attempts: starts of the process after which a passage is given up.
        empty_retries: further samples where the model wrote nothing.
        screened_retries: further samples where it wrote what is not allowed.
        conflicts: how often a commit is tried.
        load_s: how long a passage waits for its model to load.
        patience_s: how long somebody who looks at a context does.
        generation_s: how long a passage may take, its queue included.
        cancel_s: how long an undo waits until the passage has ended.
        pause_s: how long a paused passage may take to say so.
        revive_s: age from which an open job that nobody runs is taken up.
        shown_messages: messages of a deleted story that are blanked.
        card_life: after which a concept card expires.
    """

    lease_s: float = 60.0
    max_attempts: int = 3
    empty_retries: int = 3
    screened_retries: int = 2
    conflicts: int = 5
    load_s: float = 1800.0
    patience_s: float = 10.0
    generation_s: float = 600.0
    cancel_s: float = 10.0
    pause_s: float = 5.0
    revive_s: float = 5.0
    shown_messages: int = 200
    card_life: timedelta = timedelta(days=7)


@dataclass(slots=True, kw_only=True)
class Desk:
    """The ports and what was agreed with policy."""

    store: Store
    engine: EngineHolder
    clock: Clock
    new_id: Callable[[], int]
    new_seed: Callable[[], int]
    owner: str
    epoch: int
    settings: SettingsService
    budgets: Budgets
    showing: Showing
    limits: Limits
    tasks: set[asyncio.Task[None]]
    forms: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Passages of this process by format and how they came to have its form."""
    is_closing: bool = False

    async def admit(self, actor: Actor, place: Place, right: Right) -> Settings:
        """Let an actor in who wants to change something; return what holds in the place.

        Raises:
            ClosingError: the bot is ending.
            NotAllowedError: the actor lacks the right.
        """
        if self.is_closing:
            raise ClosingError
        settings = await self.settings.effective(place)
        if right is not Right.DELETE:  # whose story it is must be known first
            may(actor, right, place, settings)
        return settings

    def require_edit(
        self, actor: Actor, place: Place, settings: Settings, story: Story, passage: Passage
    ) -> None:
        """Refuse to change the words of another member.

        Raises:
            NotAllowedError: the actor is neither the author nor a moderator.
        """
        author = tree.author_of(story, passage)
        author_id = None if author.kind is AuthorKind.MODEL else author.user_id or 0
        may(actor, Right.EDIT, place, settings, author_id=author_id)

    def require_delete(self, actor: Actor, place: Place, settings: Settings, story: Story) -> None:
        """Refuse to delete another member's story.

        Raises:
            NotAllowedError: the actor is neither its starter nor a moderator.
        """
        starter = story.authors.get(story.starter_id)
        owner_id = None if starter is None else starter.user_id
        may(actor, Right.DELETE, place, settings, owner_id=owner_id)

    def take_words(self, text: str, settings: Settings) -> str:
        """Return a member's words, cleaned.

        Raises:
            EmptyTextError: nothing readable is left.
            TextTooLongError: they are longer than the place takes at once.
            ScreenedError: they hold what is not allowed.
        """
        words = clean_text(text, limit=settings.input_limit)
        self.check_words([words], settings)
        return words

    def take_title(self, title: str, settings: Settings) -> str:
        """Return a title, cleaned.

        Raises:
            EmptyTextError: nothing readable is left.
            TextTooLongError: it is longer than a title.
            ScreenedError: it holds what is not allowed.
        """
        line = clean_line(title, limit=TITLE_CHARS)
        self.check_words([line], settings)
        return line

    def take_new_concept(self, concept: Concept, settings: Settings) -> Concept:
        """Return the concept of a story that is to begin, with every field cleaned.

        Raises:
            NotAllowedError: its format or genre cannot be started here.
            TextTooLongError: a field is too long.
            InvalidInputError: there are too many characters or beats, or no such format.
            ScreenedError: a field holds what is not allowed.
        """
        named = concept.format.strip() or settings.formats[0]
        taken = self.take_concept(replace(concept, format=named), settings)
        may_tell(taken.format, taken.genre, settings)
        return taken

    def take_concept(self, concept: Concept, settings: Settings) -> Concept:
        """Return a concept with every field cleaned.

        Raises:
            TextTooLongError: a field is too long.
            InvalidInputError: there are too many characters or beats, or no such format.
            ScreenedError: a field holds what is not allowed.
        """
        if len(concept.cast) > CAST_SIZE:
            raise InvalidInputError(reason=N_("a cast has at most 20 characters."))
        if len(concept.plot) > BEATS:
            raise InvalidInputError(reason=N_("a plot has at most 50 beats."))
        taken = replace(
            concept,
            format=read_format(concept.format),
            title=_line(concept.title, TITLE_CHARS),
            genre=_line(concept.genre, TITLE_CHARS),
            theme=_line(concept.theme, LINE_CHARS),
            setting=_line(concept.setting, LINE_CHARS),
            premise=clean_text(concept.premise, limit=PREMISE_CHARS)
            if concept.premise.strip()
            else "",
            cast=tuple(
                CastMember(name=name, line=_line(one.line, LINE_CHARS))
                for one in concept.cast
                if (name := _line(one.name, TITLE_CHARS))
            ),
            plot=tuple(beat for one in concept.plot if (beat := _line(one, LINE_CHARS))),
        )
        self.check_words(
            [
                taken.title,
                taken.genre,
                taken.theme,
                taken.setting,
                taken.premise,
                *(f"{one.name}\n{one.line}" for one in taken.cast),
                *taken.plot,
            ],
            settings,
        )
        return taken

    def check_words(self, texts: Iterable[str], settings: Settings) -> None:
        """Refuse texts of members that hold what is not allowed.

        Raises:
            ScreenedError: one does.
        """
        if settings.screens_input:
            screen = screen_for(settings.word_list)
            for text in texts:
                screen.check_input(text)

    def check_pinned(self, concept: Concept) -> None:
        """Refuse a concept that would crowd out the story.

        While the model still loads, its tokens are guessed; the passage checks again.

        Raises:
            PinnedTooLargeError: it would.
        """
        backend = self.engine.backend
        if backend is None:
            check_pinned(concept, count=_guess_tokens, window_tokens=_UNKNOWN_WINDOW_TOKENS)
            return
        info = backend.info
        check_pinned(
            concept,
            count=counter(backend),
            window_tokens=info.window_tokens,
            style=PromptStyle(info.style).value,
            known_tags=info.tags,
        )

    def output_screen(self, settings: Settings) -> Screen | None:
        """Return what the model's words are screened with; None where they are not."""
        return screen_for(settings.word_list) if settings.screens_output else None

    def author_of(self, actor: Actor) -> Author:
        """Return the author that an actor is, for the store to recognise."""
        return Author(
            id=self.new_id(),
            kind=AuthorKind.MEMBER,
            name=actor.name,
            platform=actor.platform,
            user_id=actor.user_id,
        )

    def lease_end(self) -> datetime:
        """Return until when a job that is taken now is held."""
        return self.clock.now() + timedelta(seconds=self.limits.lease_s)

    def keep(self, work: Coroutine[object, object, None], *, name: str) -> None:
        """Run something beside everything else; its failure is logged."""
        task = asyncio.create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._drop)

    def _drop(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            extra = {"task": task.get_name(), "reference": new_reference()}
            log.error("a task failed", extra=extra, exc_info=error)


class Charge:
    """One charge to an actor's budget: made once however often a commit is tried.

    Args:
        desk: the budgets and the clock.
        actor: who pays.
        place: where.
        settings: what holds there.
        cost: 1 for a passage of the model, 0 for none.
    """

    def __init__(
        self, desk: Desk, actor: Actor, place: Place, settings: Settings, *, cost: float = 1.0
    ) -> None:
        self._desk = desk
        self._actor = actor
        self._place = place
        self._settings = settings
        self._cost = cost
        self._is_made = False

    def __call__(self) -> None:
        """Make the charge.

        Raises:
            BudgetSpentError: the budget does not allow it now.
        """
        if not self._is_made:
            self._desk.budgets.spend(
                self._actor, self._place, self._settings, self._cost, self._desk.clock.monotonic()
            )
            self._is_made = True

    def give_back(self) -> None:
        """Take it back: the passage failed."""
        if self._is_made and self._cost > 0:
            self._desk.budgets.give_back(self._actor, self._place)


def follow_output(screen: Screen, before: str) -> Callable[[str], tuple[str, bool]]:
    """Return what follows a growing text: it tells what may be shown, and whether it is clean."""
    stream = StreamScreen(screen, before)

    def feed(text: str) -> tuple[str, bool]:
        screened = stream.feed(text)
        return text[: screened.safe_chars], screened.hit is None

    return feed


def _line(text: str, limit: int) -> str:
    return clean_line(text, limit=limit) if text.strip() else ""


def _guess_tokens(parts: Sequence[ContextPart]) -> int:
    return sum(len(part.text) for part in parts) // _CHARS_A_TOKEN
