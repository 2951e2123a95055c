"""Stories that were written before a run was broken off, so that it goes on from there.

Invariant: a story is found again only for the same model, precision, versions, settings, opening,
seed and sizes; once the report is written, nothing is kept.
"""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

from bot.training.evaluation.samples import Sample, Turn

FILE_NAME = "unfinished.jsonl"


class Kept:
    """The stories of a folder's run that has not come to its report.

    Args:
        folder: where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._samples: dict[str, Sample] = {}
        lines = self._path.read_bytes().splitlines() if self._path.is_file() else []
        for line in lines:
            try:
                found = json.loads(line)
            except ValueError:
                continue  # the line that was being written when the run was killed
            turns = tuple(Turn(**turn) for turn in found["sample"].pop("turns"))
            self._samples[found["key"]] = Sample(**found["sample"], turns=turns)

    def find(self, key: str) -> Sample | None:
        """Return a story that was written before."""
        return self._samples.get(key)

    def add(self, key: str, sample: Sample) -> None:
        """Keep a story."""
        line = json.dumps({"key": key, "sample": asdict(sample)})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{line}")  # a new line, should the one before have been cut off

    def forget(self) -> None:
        """Drop all: the report has them."""
        self._path.unlink(missing_ok=True)


def key_of(*parts: object) -> str:
    """Return what marks a story: everything that it depends on."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
