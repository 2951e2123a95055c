"""How long people wait until they can begin: the help, the prompt, a concept card, the first words.

Starts the program as people do, in a terminal of its own, with the real model (SmolLM2-135M;
fetched if it is not there):

    python -m benchmarks.start [--runs 5] [--model NAME]

- help: ``roundtale --help``, from its start to its end
- prompt: ``roundtale play`` from its start to its prompt, the model being installed
- card: ``/start`` with a premise, from Enter to the card, once the model is loaded
- first words: a first sentence, from Enter to the first words of the model

Prints a table and, as the last line, the same as JSON. Exit status 1 where a goal is missed.
"""

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.terminal.typed_process import (
    AT_PROMPT,
    CTRL_D,
    ENTER,
    ROOT,
    environment,
    typed_process,
)

MODEL = "smollm2-135m-instruct"
GOALS_S: dict[str, float | None] = {"help": 0.5, "prompt": 10.0, "card": None, "first words": 2.0}
INSTALLATION_S = 600.0
WAIT_S = 120.0
PREMISES = (
    "a shy fox opens a bakery in a snowy village",
    "a lighthouse keeper finds a letter in a whale",
    "the last dragon of the north learns to read",
)
OPENING = "Once upon a time in a small village, a fox knocked at the mill."
AT_CARD = r"^concept> ?\Z"


def help_s() -> float:
    """Return how long the help takes, in seconds."""
    began_s = time.perf_counter()
    subprocess.run(
        [Path(sys.executable).with_name("roundtale"), "--help"], check=True, capture_output=True
    )
    return time.perf_counter() - began_s


async def play(folder: Path, model: str, figures: dict[str, list[float]]) -> None:
    """Play once; add what was measured."""
    env = environment(folder, ROUNDTALE_MODEL=model)
    del env["ROUNDTALE_CACHE_DIR"]
    env["HOME"] = os.environ["HOME"]
    began_s = time.perf_counter()
    async with typed_process(["play", "--story", folder.name], env, folder) as typed:
        await typed.see(AT_PROMPT, limit_s=INSTALLATION_S)
        figures["prompt"].append(time.perf_counter() - began_s)
        for premise in PREMISES:
            typed.type(f"/start {premise}")
            await typed.see(re.escape(premise[-12:]))
            began_s = time.perf_counter()
            typed.type(ENTER)
            await typed.see(AT_CARD, limit_s=WAIT_S)
            figures["card"].append(time.perf_counter() - began_s)
            typed.type("cancel", ENTER)
            await typed.see(AT_PROMPT)
        typed.type(OPENING)
        await typed.see(re.escape(OPENING))
        began_s = time.perf_counter()
        typed.type(ENTER)
        await typed.see(rf"(?s){re.escape(OPENING)}\s+\w", limit_s=WAIT_S)
        figures["first words"].append(time.perf_counter() - began_s)
        await typed.see(AT_PROMPT, limit_s=WAIT_S)
        typed.type(CTRL_D)
        await typed.end()


async def measure(model: str, runs: int) -> dict[str, list[float]]:
    """Return the seconds of every run."""
    figures: dict[str, list[float]] = {name: [] for name in GOALS_S}
    for _ in range(runs):
        figures["help"].append(help_s())
        with tempfile.TemporaryDirectory() as folder:
            await play(Path(folder), model, figures)
    return figures


def main() -> int:
    """Measure, print; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default=MODEL)
    arguments = parser.parse_args()
    install = [sys.executable, "-m", "bot", "model", "install", arguments.model]
    subprocess.run(install, check=True, cwd=ROOT, capture_output=True)
    figures = asyncio.run(measure(arguments.model, arguments.runs))
    rows = {
        name: {
            "n": len(found),
            "median_s": round(statistics.median(found), 2),
            "max_s": round(max(found), 2),
            "goal_s": GOALS_S[name],
        }
        for name, found in figures.items()
    }
    print(f"{'':12}" + "".join(f"{name:>10}" for name in ("n", "median s", "max s", "goal s")))
    for name, row in rows.items():
        print(f"{name:12}" + "".join(f"{'' if one is None else one:>10}" for one in row.values()))
    missed = [name for name, goal_s in GOALS_S.items() if goal_s and max(figures[name]) >= goal_s]
    print(f"goals: {'MISSED: ' + ', '.join(missed) if missed else 'met'}\n")
    print(json.dumps({"is_goal_met": not missed, "figures": rows}))
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
