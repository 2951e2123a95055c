"""What admins set for a guild and its channels.

Invariant: what holds in a place is worked out from what is stored, kept for a while,
and worked out anew as soon as this process changes it; other processes see a change
within ``CACHE_S`` seconds.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

from bot.errors import InvalidInputError
from bot.locales import N_
from bot.policy.rights import Actor, Place, Right, may
from bot.policy.settings import (
    Effective,
    Scope,
    Settings,
    check_scope,
    format_value,
    parse,
    resolve,
)
from bot.story.ports import Clock, SettingRow, Store

CACHE_S = 30.0
CACHE_SIZE = 4096


class SettingsService:
    """Reads and changes settings.

    Args:
        store: where they are kept.
        clock: the time.
    """

    def __init__(self, store: Store, *, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._cache: OrderedDict[tuple[str, int], tuple[float, Mapping[str, str]]] = OrderedDict()

    async def effective(self, place: Place) -> Settings:
        """Return what holds in a place."""
        wanted = [("channel", place.channel_id)]
        if place.guild_id is not None:
            wanted.append(("guild", place.guild_id))
        if place.parent_id is not None:
            wanted.append(("channel", place.parent_id))
        found = await self._values(wanted)
        return resolve(
            guild_values=found.get(("guild", place.guild_id or 0)),
            channel_values=found.get(("channel", place.channel_id)),
            parent_values=found.get(("channel", place.parent_id or 0)),
        )

    async def _values(
        self, wanted: Sequence[tuple[str, int]]
    ) -> dict[tuple[str, int], Mapping[str, str]]:
        now_s = self._clock.monotonic()
        found: dict[tuple[str, int], Mapping[str, str]] = {}
        for key in wanted:
            known = self._cache.get(key)
            if known is not None and now_s - known[0] < CACHE_S:
                found[key] = known[1]
        missing = [key for key in wanted if key not in found]
        if missing:
            async with self._store.read() as unit:
                for key in missing:
                    found[key] = await unit.settings.values(*key)
                    self._cache[key] = (now_s, found[key])
            while len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return found

    async def listing(self, actor: Actor, place: Place) -> Sequence[Effective]:
        """Return every setting with its value here and where that comes from.

        Raises:
            NotAllowedError: the actor does not manage the server.
        """
        settings = await self.effective(place)
        may(actor, Right.CONFIGURE, place, settings)
        return settings.rows()

    async def set(self, actor: Actor, place: Place, scope: str, name: str, raw: str) -> Effective:
        """Set a value for the guild or for the channel; return what holds here now.

        Raises:
            NotAllowedError: the actor does not manage the server.
            InvalidInputError: there is no such setting, scope or value.
        """
        may(actor, Right.CONFIGURE, place, await self.effective(place))
        where = _scope_id(place, scope)
        setting = check_scope(name, Scope(scope))
        value = format_value(parse(setting.name, raw))
        row = SettingRow(
            scope=scope,
            scope_id=where,
            name=setting.name,
            value=value,
            changed_by=actor.user_id,
            changed_at=self._clock.now(),
        )
        async with self._store.write() as unit:
            await unit.settings.set(row)
            await unit.commit()
        self._cache.pop((scope, where), None)
        settings = await self.effective(place)
        return next(one for one in settings.rows() if one.setting.name == setting.name)

    async def reset(self, actor: Actor, place: Place, scope: str, name: str | None) -> int:
        """Take back what was set for the guild or for the channel; return how many values.

        Raises:
            NotAllowedError: the actor does not manage the server.
            InvalidInputError: there is no such setting or scope.
        """
        may(actor, Right.CONFIGURE, place, await self.effective(place))
        where = _scope_id(place, scope)
        known = None if name is None else check_scope(name, Scope(scope)).name
        async with self._store.write() as unit:
            count = await unit.settings.reset(
                scope, where, known, by=actor.user_id, at=self._clock.now()
            )
            await unit.commit()
        self._cache.pop((scope, where), None)
        return count


def _scope_id(place: Place, scope: str) -> int:
    match scope:
        case "channel":
            return place.channel_id
        case "guild" if place.guild_id is not None:
            return place.guild_id
        case "guild":
            raise InvalidInputError(reason=N_("there is no server here, only this conversation."))
        case _:
            raise InvalidInputError(reason=N_("settings are made for the guild or the channel."))
