"""Make the figures of docs/capacity.md anew, and its picture.

Runs ``roundtale capacity --check`` with the settings of the environment and puts what it writes
between the marks in the document:

    python -m benchmarks.capacity [--think 60] [--model NAME ...]

Without ``--model`` it is GPT-2 with random weights and, where it is installed, the packaged model.
"""

import argparse
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
DOCUMENT = DOCS / "capacity.md"
PICTURE = DOCS / "pictures" / "capacity.png"
BEGIN = "<!-- figures: python -m benchmarks.capacity -->\n"
END = "<!-- end of the figures -->\n"


def put(document: str, figures: str) -> str:
    """Return the document with other figures between its marks.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        msg = f"{DOCUMENT.name} has lost a mark"
        raise ValueError(msg)
    return f"{before}{begin}\n{figures.strip()}\n\n{end}{after}"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--think", default="60")
    parser.add_argument("--model", action="append", default=[])
    given = parser.parse_args()
    command = [sys.executable, "-m", "bot", "capacity", "--check", "--think", given.think]
    command += ["--chart", str(PICTURE)]
    for model in given.model:
        command += ["--model", model]
    figures = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    DOCUMENT.write_text(put(DOCUMENT.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    main()
