"""The concept card at the prompt: thought of, changed at will, then begun or given up.

Invariant: the card itself lives in the service; this only talks about it.
"""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any

from rich.console import Console
from rich.text import Text

from bot.errors import UserError
from bot.locales import N_, Words
from bot.policy.rights import Actor, Place
from bot.service.concepts import ConceptService, DraftCard
from bot.story.concept import Wish
from bot.terminal import render
from bot.terminal.asking import Ask, GivenUpError

CARD_HINT = N_("begin · reroll [field] · <field> = <new words> · cancel")


class CardDialogue:
    """Talks with one person about one card after the other.

    Args:
        concepts: thinks of them.
        actor: whose they are.
        place: where the story will live.
        console: where the card goes.
        notes: where remarks go.
        words: the language.
        ask: asks for another line; None where nobody can answer (batch).
    """

    def __init__(
        self,
        concepts: ConceptService,
        actor: Actor,
        place: Place,
        *,
        console: Console,
        notes: Console,
        words: Words,
        ask: Ask | None,
    ) -> None:
        self._concepts = concepts
        self._actor = actor
        self._place = place
        self._console = console
        self._notes = notes
        self._words = words
        self._ask = ask
        self._thinking: asyncio.Task[DraftCard] | None = None

    def stop(self) -> bool:
        """Give up thinking; False where nothing was thought of."""
        if self._thinking is None:
            return False
        self._thinking.cancel()
        return True

    async def settle(
        self, wish: Wish, opening: str | None, *, can_change: bool
    ) -> DraftCard | None:
        """Return a card that is to be begun; None where it was given up.

        Raises:
            GivenUpError: Ctrl-C came while it was thought of.
        """
        key = f"t:{uuid.uuid4()}"
        card = await self._think(
            self._concepts.draft(self._actor, self._place, wish, opening, key=key)
        )
        if self._ask is None or not can_change:
            self._show_card(card)
            return card
        return await self._revise(card, self._ask)

    async def _think(self, work: Coroutine[Any, Any, DraftCard]) -> DraftCard:
        """Wait for a card; Ctrl-C gives it up."""
        self._thinking = asyncio.create_task(work, name="think of a story")
        task = self._thinking
        try:
            with self._notes.status(Text(self._words(N_("Thinking of a story …")), style="dim")):
                await asyncio.wait({task})
        finally:
            self._thinking = None
            task.cancel()
        if task.cancelled():
            raise GivenUpError
        return task.result()

    def _show_card(self, card: DraftCard, hint: str = "") -> None:
        self._console.print(
            render.concept_card(
                card.concept, card.invented, self._words, opening=card.opening or "", hint=hint
            )
        )

    async def _revise(self, card: DraftCard, ask: Ask) -> DraftCard | None:
        """Let the card be changed until it is begun or given up."""
        hint = self._words(CARD_HINT)
        self._show_card(card, hint)
        while True:
            try:
                answer = (await ask(self._words(N_("concept> ")))).strip()
            except (EOFError, GivenUpError):
                return None
            verb, _, rest = answer.partition(" ")
            name, is_assignment, value = answer.partition("=")
            if not answer or verb.lower() in {"begin", "b"}:
                return card
            if verb.lower() in {"cancel", "c"}:
                return None
            try:
                if verb.lower() in {"reroll", "r"}:
                    field = rest.strip().lower() or None
                    card = await self._think(self._concepts.reroll(self._actor, card.id, field))
                elif is_assignment:
                    changes = {name.strip().lower(): value.strip()}
                    card = await self._concepts.edit(self._actor, card.id, changes)
                else:
                    sentence = N_("“{given}” is none of these: {hint}")
                    self._notes.print(Text(self._words(sentence, given=answer, hint=hint)))
                    continue
            except UserError as error:
                self._notes.print(Text(self._words.error(error.message, error.data), style="red"))
            else:
                self._show_card(card, hint)
