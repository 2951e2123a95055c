"""Shows a passage in the terminal while it grows.

Invariant: what scrolls away is final; text that may still be taken back stands in a
live region that is redrawn and vanishes when the passage is whole.
"""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.live import Live
from rich.padding import Padding
from rich.text import Text

from bot.errors import RoundtaleError
from bot.locales import N_, Words
from bot.policy.rights import Place
from bot.service.api import JobView, PassageView, Presenter, Stage
from bot.terminal import render

_FRAMES_PER_S = 12


class TerminalStage(Stage):
    """The one stage of a terminal.

    Args:
        console: where passages go.
        notes: where remarks go (standard error in batch mode).
        words: the language.
        streams: whether passages are shown while they grow.
    """

    def __init__(self, console: Console, notes: Console, words: Words, *, streams: bool) -> None:
        self._console = console
        self._notes = notes
        self._words = words
        self._streams = streams
        self.failures = 0
        """How many passages could not be written."""

    async def begin(self, job: JobView) -> Presenter:
        """Return a presenter for a passage under way."""
        is_live = self._streams and job.streams and self._console.is_terminal
        return TerminalPresenter(
            self._console,
            self._notes,
            self._words,
            is_live=is_live,
            is_silent=not self._streams,
            on_failure=self._count_failure,
        )

    def _count_failure(self) -> None:
        self.failures += 1

    async def show(self, views: Sequence[PassageView]) -> None:
        """Do nothing: the terminal prints a passage when it is asked to."""

    async def notify(self, place: Place, error: Exception) -> None:
        """Print an error that nobody waits for."""
        self._notes.print(Text(say(error, self._words), style="red"))


class TerminalPresenter(Presenter):
    """Draws one passage.

    Args:
        console: where it goes.
        notes: where remarks go.
        words: the language.
        is_live: whether it is drawn while it grows.
        is_silent: whether it is not even printed when it is whole.
        on_failure: is told when it could not be written.
    """

    def __init__(
        self,
        console: Console,
        notes: Console,
        words: Words,
        *,
        is_live: bool,
        is_silent: bool,
        on_failure: Callable[[], None],
    ) -> None:
        self._console = console
        self._notes = notes
        self._words = words
        self._is_silent = is_silent
        self._on_failure = on_failure
        self._live: Live | None = None
        if is_live:
            self._live = Live(
                console=console,
                transient=True,
                refresh_per_second=_FRAMES_PER_S,
                vertical_overflow="crop",
            )
            self._live.start()
            self._draw(self._words(N_("…")), "dim")

    def _draw(self, text: str, style: str = "") -> None:
        if self._live is None:
            return
        lines = Text(text, style=style).wrap(self._console, max(self._console.width - 2, 10))
        # Only what fits is drawn, else the terminal scrolls and the region cannot be redrawn.
        visible = Text("\n").join(lines[-max(self._console.height - 3, 3) :])
        self._live.update(Padding(visible, (0, 0, 0, 2)))

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    async def queued(self, queue_place: int) -> None:
        """Show the place in the queue."""
        self._draw(self._words(N_("Waiting for the model: place {n}"), n=queue_place), "dim")

    async def grow(self, text: str) -> None:
        """Redraw the passage."""
        self._draw(render.plain(text))

    async def finish(self, view: PassageView) -> None:
        """Print the passage for good."""
        self._close()
        if not self._is_silent:
            self._console.print(render.passage(view.story, view.passage, self._words))

    async def fail(self, error: Exception, reference: str | None) -> None:
        """Say why nothing was written."""
        self._close()
        self._on_failure()
        self._notes.print(Text(say(error, self._words, reference), style="red"))

    async def cancel(self) -> None:
        """Clear the live region."""
        self._close()

    async def pause(self) -> None:
        """Clear the live region; the passage is written at the next start."""
        self._close()
        self._notes.print(
            Text(self._words(N_("The passage will be finished at the next start.")), style="dim")
        )


def say(error: Exception, words: Words, reference: str | None = None) -> str:
    """Put an error into one sentence, with its reference where there is one."""
    if isinstance(error, RoundtaleError):
        sentence = words.error(error.message, error.data)
    else:
        sentence = words(N_("Something unexpected went wrong; your words are kept."))
    return f"{sentence} ({reference})" if reference else sentence
