"""How the server says no: API errors, and the list of what was wrong in a body."""

from dataclasses import dataclass, field
from typing import Any

from .world import Json

REQUIRED = "BASE_TYPE_REQUIRED"
TOO_LONG = "BASE_TYPE_BAD_LENGTH"
BAD_CHOICE = "BASE_TYPE_CHOICES"
BAD_TYPE = "BASE_TYPE_BAD_TYPE"


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, code: int, message: str, errors: Json | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "code": code}
        if errors:
            self.body["errors"] = errors


@dataclass
class Problems:
    """Everything wrong in one body; `at` opens a list for a part of it."""

    found: list[tuple[str, str, str]] = field(default_factory=list)
    path: str = ""

    def at(self, *keys: str | int) -> "Problems":
        path = ".".join(part for part in (self.path, *map(str, keys)) if part)
        return Problems(self.found, path)

    def add(self, code: str, message: str) -> None:
        self.found.append((self.path or "_", code, message))

    def check_length(self, value: Any, low: int, high: int) -> None:
        """Demand a text of `low` to `high` characters."""
        if not isinstance(value, str):
            self.add(BAD_TYPE if value is not None else REQUIRED, "must be a string")
        elif not low <= len(value) <= high:
            self.add(TOO_LONG, f"must be {low} to {high} characters, not {len(value)}")

    def check_count(self, items: Any, low: int, high: int) -> None:
        """Demand a list of `low` to `high` items."""
        if not isinstance(items, list):
            self.add(BAD_TYPE, "must be a list")
        elif not low <= len(items) <= high:
            self.add(TOO_LONG, f"must hold {low} to {high} items, not {len(items)}")

    def check_unique(self, values: list[Any], what: str) -> None:
        if len(values) != len(set(values)):
            self.add("COMPONENT_CUSTOM_ID_DUPLICATED", f"every {what} must be unique")

    def describe(self) -> str:
        return "; ".join(f"{path}: {code} {message}" for path, code, message in self.found)

    def error(self) -> ApiError:
        """Return the answer 50035 with every problem at its place."""
        tree: Json = {}
        for path, code, message in self.found:
            node = tree
            for key in path.split("."):
                node = node.setdefault(key, {})
            node.setdefault("_errors", []).append({"code": code, "message": message})
        return ApiError(400, 50035, "Invalid Form Body", tree)
