"""The measurement under load, in a process of its own.

    python -m bot.bench.child        reads a task as JSON, writes the result as one JSON line

Invariant: the parent's models are not in this process, and Ctrl-C ends both.
"""

import asyncio
import json
import logging
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bot.bench.errors import LoadBrokenError
from bot.bench.load import measure_load
from bot.bench.models import BenchModel, read_model
from bot.bench.plan import Plan
from bot.engine.local.packed.precision import Precision
from bot.errors import RoundtaleError

_INTERRUPTED = 130


def load_in_child(bench_model: BenchModel, plan: Plan, precision: Precision) -> dict[str, Any]:
    """Measure in a fresh process and return ``Load`` as a dictionary.

    Raises:
        LoadBrokenError: the process ended without a result; what it says is on standard error.
    """
    task = {
        "path": str(bench_model.path),
        "name": bench_model.name,
        "precision": precision,
        "plan": asdict(plan),
    }
    done = subprocess.run(
        [sys.executable, "-m", "bot.bench.child"],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == _INTERRUPTED:
        raise KeyboardInterrupt
    if done.returncode:
        raise LoadBrokenError(status=done.returncode)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def load_here(bench_model: BenchModel, plan: Plan, precision: Precision) -> dict[str, Any]:
    """Measure in this process, whose memory other models may have left their mark on."""
    return asdict(asyncio.run(measure_load(bench_model, plan, precision)))


def _plan(data: dict[str, Any]) -> Plan:
    """Return a plan that was sent as JSON, whose tuples have become lists."""
    fields: dict[str, Any] = {
        key: tuple(tuple(each) if isinstance(each, list) else each for each in value)
        if isinstance(value, list)
        else value
        for key, value in data.items()
    }
    return Plan(**fields)


def main() -> None:
    """Read the task, measure, write the result."""
    logging.basicConfig(level=logging.ERROR)
    task = json.load(sys.stdin)
    try:
        found = load_here(
            read_model(Path(task["path"]), task["name"]), _plan(task["plan"]), task["precision"]
        )
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    except RoundtaleError as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
