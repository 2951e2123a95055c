"""What admins set, who changed it, small facts of the bot, and unfinished drafts.

Invariant: no value changes without its line in the audit log.
"""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from bot.storage import tables as t
from bot.storage.session import Session
from bot.story.ports import Draft, DraftRepository, SettingRow, SettingsRepository


class SqlSettings(SettingsRepository):
    """The settings of one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def values(self, scope: str, scope_id: int) -> Mapping[str, str]:
        """Return the set values of one guild or channel, by name."""
        of = t.settings.c
        found = await self._session.rows(
            sa.select(of.name, of.value)
            .where(of.scope == scope, of.scope_id == scope_id)
            .order_by(of.name)
        )
        return {row.name: row.value for row in found}

    async def set(self, row: SettingRow) -> None:
        """Set a value and write the audit log; the value it had already changes nothing."""
        before = (await self.values(row.scope, row.scope_id)).get(row.name)
        if before == row.value:
            return
        upsert = sqlite.insert(t.settings).values(
            scope=row.scope,
            scope_id=row.scope_id,
            name=row.name,
            value=row.value,
            changed_by=row.changed_by,
            changed_at=row.changed_at,
        )
        new = upsert.excluded
        await self._session.execute(
            upsert.on_conflict_do_update(
                index_elements=["scope", "scope_id", "name"],
                set_={
                    "value": new.value,
                    "changed_by": new.changed_by,
                    "changed_at": new.changed_at,
                },
            )
        )
        await self._log(
            row.scope, row.scope_id, {row.name: (before, row.value)}, row.changed_by, row.changed_at
        )

    async def reset(
        self, scope: str, scope_id: int, name: str | None, *, by: int, at: datetime
    ) -> int:
        """Remove one value or all; write the audit log; return how many there were."""
        found = await self.values(scope, scope_id)
        if name is not None:
            found = {name: found[name]} if name in found else {}
        if found:
            of = t.settings.c
            await self._session.execute(
                sa.delete(t.settings).where(
                    of.scope == scope, of.scope_id == scope_id, of.name.in_(found)
                )
            )
            changes = {known: (value, None) for known, value in found.items()}
            await self._log(scope, scope_id, changes, by, at)
        return len(found)

    async def _log(
        self,
        scope: str,
        scope_id: int,
        changes: Mapping[str, tuple[str | None, str | None]],
        by: int,
        at: datetime,
    ) -> None:
        await self._session.insert(
            t.audit,
            [
                {
                    "scope": scope,
                    "scope_id": scope_id,
                    "name": name,
                    "before": before,
                    "after": after,
                    "changed_by": by,
                    "changed_at": at,
                }
                for name, (before, after) in changes.items()
            ],
        )

    async def fact(self, name: str) -> str | None:
        """Return a fact of the bot itself (hash of the synced commands, chosen model …)."""
        row = await self._session.row(sa.select(t.facts.c.value).where(t.facts.c.name == name))
        return None if row is None else str(row.value)

    async def put_fact(self, name: str, value: str) -> None:
        """Keep such a fact."""
        upsert = sqlite.insert(t.facts).values(name=name, value=value)
        await self._session.execute(
            upsert.on_conflict_do_update(
                index_elements=["name"], set_={"value": upsert.excluded.value}
            )
        )

    async def next_epoch(self, owner: str) -> int:
        """Return a number higher than at every earlier start of this owner."""
        upsert = sqlite.insert(t.epochs).values(owner=owner, epoch=1)
        row = await self._session.row(
            upsert.on_conflict_do_update(
                index_elements=["owner"], set_={"epoch": t.epochs.c.epoch + 1}
            ).returning(t.epochs.c.epoch)
        )
        assert row is not None  # noqa: S101 -- RETURNING of an upsert gives its row
        return int(row.epoch)


class SqlDrafts(DraftRepository):
    """The concept cards of one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def put(self, draft: Draft) -> None:
        """Insert or replace."""
        values = {
            "place": draft.place,
            "guild_id": draft.guild_id,
            "user_id": draft.user_id,
            "body": draft.body,
            "created_at": draft.created_at,
        }
        upsert = sqlite.insert(t.drafts).values(id=draft.id, **values)
        await self._session.execute(
            upsert.on_conflict_do_update(index_elements=["id"], set_=values)
        )

    async def get(self, draft_id: int) -> Draft | None:
        """Return a draft."""
        row = await self._session.row(sa.select(t.drafts).where(t.drafts.c.id == draft_id))
        return None if row is None else Draft(**row._asdict())

    async def delete(self, draft_id: int) -> None:
        """Remove a draft."""
        await self._session.execute(sa.delete(t.drafts).where(t.drafts.c.id == draft_id))

    async def purge(self, before: datetime) -> int:
        """Remove drafts older than that; return how many."""
        return await self._session.changed(
            sa.delete(t.drafts).where(t.drafts.c.created_at < before)
        )
