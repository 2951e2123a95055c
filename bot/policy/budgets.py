"""Cooldowns: how soon the same member may ask the model again in the same channel.

Invariant: what is kept is bounded, in memory, and forgotten once it is over; a
restart forgives everything.
"""

import math

from bot.errors import BudgetSpentError
from bot.policy.rights import Actor, Place
from bot.policy.settings import Settings

_PRUNE_ABOVE = 4096


class Budgets:
    """Remembers who must wait until when. Belongs to one event loop."""

    def __init__(self) -> None:
        self._ready_at: dict[tuple[str, int, int], float] = {}

    def __len__(self) -> int:
        return len(self._ready_at)

    def spend(
        self, actor: Actor, place: Place, settings: Settings, cost: float, now_s: float
    ) -> None:
        """Take a cost from the actor's budget here.

        Args:
            actor: who asks.
            place: where; each channel counts for itself.
            settings: the place's effective ones.
            cost: 1 is one passage of the model; 0 is free and waits for nothing.
            now_s: from a clock that only grows.

        Raises:
            BudgetSpentError: the cooldown still runs; ``wait_s`` says how long.
        """
        cooldown_s = settings.cooldown_s
        if cost <= 0 or cooldown_s <= 0:
            return
        key = (actor.platform, actor.user_id, place.channel_id)
        ready_at = self._ready_at.get(key, now_s)
        # A cooldown that an admin shortened meanwhile counts at once.
        wait_s = min(ready_at - now_s, cooldown_s * cost)
        if wait_s > 0:
            raise BudgetSpentError(wait_s=math.ceil(wait_s))
        if len(self._ready_at) >= _PRUNE_ABOVE:
            self._prune(now_s)
        self._ready_at[key] = now_s + cooldown_s * cost

    def give_back(self, actor: Actor, place: Place) -> None:
        """Forgive the actor's last spending here: the passage failed and was not their fault."""
        self._ready_at.pop((actor.platform, actor.user_id, place.channel_id), None)

    def _prune(self, now_s: float) -> None:
        running = {key: at for key, at in self._ready_at.items() if at > now_s}
        if len(running) >= _PRUNE_ABOVE:
            # Everybody still waits: the half that waits least is forgiven.
            latest = sorted(running.items(), key=lambda item: item[1])[_PRUNE_ABOVE // 2 :]
            running = dict(latest)
        self._ready_at = running
