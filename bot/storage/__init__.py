"""State: tables, repositories, migrations and maintenance of the database.

Invariant: only this package knows SQL; outside it there are the ports of
``bot.story.ports`` and the errors of ``bot.errors``.
"""

from bot.storage.maintenance import CheckReport, Problem, backup, check, upgrade
from bot.storage.store import SqlStore

__all__ = ["CheckReport", "Problem", "SqlStore", "backup", "check", "upgrade"]
