"""Column types that SQLite's STRICT tables and PostgreSQL both take.

Invariant: a moment is whole microseconds since 1970 in UTC, so that it sorts, compares
and round-trips exactly in every database; a flag is 0 or 1; an id is 64 bits.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """Return an aware moment as microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the moment, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def big() -> sa.BigInteger:
    """Return a 64-bit integer; a STRICT table knows INTEGER only, which has 64 bits there."""
    return sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def real() -> TypeEngine[float]:
    """Return a double; a STRICT table calls it REAL."""
    return sa.Double().with_variant(sa.REAL(), "sqlite")


class Instant(sa.types.TypeDecorator[datetime]):
    """An aware moment, stored as microseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return the 64-bit integer of the database at hand."""
        return dialect.type_descriptor(
            sa.INTEGER() if dialect.name == "sqlite" else sa.BigInteger()
        )

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Turn a moment into microseconds."""
        del dialect
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Turn microseconds into a moment."""
        del dialect
        return None if value is None else from_micros(value)


class Flag(sa.types.TypeDecorator[bool]):
    """True or False, stored as 1 or 0, so that partial indexes read alike everywhere."""

    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        """Turn a truth value into 1 or 0."""
        del dialect
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:
        """Turn 1 or 0 into a truth value."""
        del dialect
        return None if value is None else bool(value)
