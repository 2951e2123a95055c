"""Tales for a tiny model, and one that watches its training."""

import json
import random
from pathlib import Path

from tests.support.tiny_model import WORDS


class Notes:
    """Keeps what is told."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.lines: list[str] = []

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        self.stages.append(stage)

    def say(self, message: str, **data: object) -> None:
        self.lines.append(message.format_map(data))


def write_tales(path: Path, count: int = 12, words: int = 120) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            chance = random.Random(number)
            text = " ".join(chance.choice(WORDS[:40]) for _ in range(words)) + "."
            record = {"title": f"Tale {number}", "text": text, "genre": "fantasy", "licence": "CC0"}
            file.write(json.dumps(record) + "\n")
    return path
