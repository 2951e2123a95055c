"""Reading plain data of unknown origin, field by field.

Invariant: a value leaves here only with the type and within the bounds asked for;
what is wrong is named by its place in the file, such as ``passages[3].parent``.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from bot.errors import InvalidInputError
from bot.locales import N_

MAX_BYTES = 32_000_000
_MAX_NUMBER = 2**63 - 1


def wrong(reason: str, **data: object) -> InvalidInputError:
    """Return the error for a reason and the values that it names."""
    return InvalidInputError(reason=reason.format_map(data))


class Reader:
    """One object of the data and where it stands."""

    __slots__ = ("_data", "where")

    def __init__(self, data: object, where: str = "") -> None:
        if not isinstance(data, Mapping):
            raise wrong(N_("{where} is not an object."), where=where or "the file")
        self._data: Mapping[object, object] = data
        self.where = where

    def place(self, name: str) -> str:
        """Return where a field stands, for people."""
        return f"{self.where}.{name}" if self.where else name

    def fail(self, name: str) -> InvalidInputError:
        """Return the error for a field that cannot be taken."""
        return wrong(N_("{where} is missing or wrong."), where=self.place(name))

    def has(self, name: str) -> bool:
        """Tell whether a field is there and not null."""
        return self._data.get(name) is not None

    def text(self, name: str, limit: int) -> str:
        """Return a string that every database can keep."""
        value = self._data.get(name)
        if not isinstance(value, str) or "\x00" in value:
            raise self.fail(name)
        if len(value) > limit:
            raise wrong(N_("{where} is longer than {limit}."), where=self.place(name), limit=limit)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.fail(name) from error
        return value

    def integer(self, name: str, low: int = 0, high: int = _MAX_NUMBER) -> int:
        """Return a whole number within bounds."""
        value = self._data.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.fail(name)
        return value

    def number(self, name: str) -> float | int:
        """Return a finite number within bounds."""
        value = self._data.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.fail(name)
        if not -_MAX_NUMBER <= value <= _MAX_NUMBER or not math.isfinite(value):
            raise self.fail(name)
        return value

    def known(self, name: str, ids: Mapping[int, int]) -> int:
        """Return the new id for one of the file's numbers."""
        number = self.integer(name)
        if number not in ids:
            raise wrong(
                N_("{where} names {number}, which is not in the file."),
                where=self.place(name),
                number=number,
            )
        return ids[number]

    def known_or_none(self, name: str, ids: Mapping[int, int]) -> int | None:
        """Return the same, or None where the field is null or missing."""
        return self.known(name, ids) if self.has(name) else None

    def choice(self, name: str, among: Mapping[str, object]) -> str:
        """Return one of some strings."""
        value = self._data.get(name)
        if not isinstance(value, str) or value not in among:
            raise self.fail(name)
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean; False where it is missing."""
        value = self._data.get(name, False)
        if not isinstance(value, bool):
            raise self.fail(name)
        return value

    def moment(self, name: str) -> datetime:
        """Return a time with its zone, in UTC."""
        value = self._data.get(name)
        if not isinstance(value, str):
            raise self.fail(name)
        try:
            at = datetime.fromisoformat(value)
            if at.tzinfo is None:
                raise self.fail(name)
            return at.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self.fail(name) from error

    def child(self, name: str) -> "Reader":
        """Return the object in a field."""
        return Reader(self._data.get(name), self.place(name))

    def items(self, name: str, limit: int) -> Iterator["Reader"]:
        """Return the objects of a list, in order."""
        value = self._data.get(name)
        if not isinstance(value, list):
            raise self.fail(name)
        if len(value) > limit:
            raise wrong(
                N_("{where} has more than {limit} items."), where=self.place(name), limit=limit
            )
        return (Reader(item, f"{self.place(name)}[{at}]") for at, item in enumerate(value))

    def names(self, limit: int) -> tuple[str, ...]:
        """Return the names of the fields."""
        names = tuple(name for name in self._data if isinstance(name, str))
        if len(names) > limit:
            raise wrong(N_("{where} has more than {limit} items."), where=self.where, limit=limit)
        return names
