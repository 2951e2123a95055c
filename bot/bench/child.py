"""Measurements in a process of their own.

    python -m bot.bench.child        reads a task as JSON, answers in lines of JSON

Invariant: neither models nor threads of other measurements are in this process. It holds nothing
that must be left in order: Ctrl-C reaches only the parent, which ends it.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bot.bench import measuring
from bot.bench.engine import is_engine
from bot.bench.errors import BrokenOffError
from bot.bench.load import measure_load
from bot.bench.measuring import GroupFigures, Report
from bot.bench.models import BenchModel, read_model
from bot.bench.plan import Plan
from bot.engine.local import shorten_waits
from bot.engine.local.packed.precision import Precision
from bot.errors import RoundtaleError

_GROUP = TypeAdapter(GroupFigures)
_PLAN = TypeAdapter(Plan)


class InChildren:
    """Make each measurement in a fresh process."""

    def measure_group(
        self, names: Sequence[str], bench_model: BenchModel, plan: Plan, report: Report
    ) -> GroupFigures:
        """Measure the group with these names; see ``bot.bench.measuring.measure_group``.

        Raises:
            BrokenOffError: the process ended without a result.
        """
        task = {"names": list(names)}
        is_ours = all(map(is_engine, names))
        found = _ask(task, bench_model, plan, report, is_engine=is_ours)
        return _GROUP.validate_python(found)

    def measure_load(
        self, bench_model: BenchModel, plan: Plan, precision: Precision
    ) -> dict[str, Any]:
        """Measure under load and return ``Load`` as a dictionary.

        Raises:
            BrokenOffError: the process ended without a result.
        """
        task = {"precision": precision}
        found: dict[str, Any] = _ask(task, bench_model, plan, lambda _: None, is_engine=True)
        return found


class Here:
    """Make each measurement in this process, on which others may have left their mark."""

    def measure_group(
        self, names: Sequence[str], bench_model: BenchModel, plan: Plan, report: Report
    ) -> GroupFigures:
        """Measure the group with these names; see ``bot.bench.measuring.measure_group``."""
        groups = measuring.groups_of(plan)
        (group,) = (group for group in groups if list(group.names) == list(names))
        return measuring.measure_group(group, bench_model, plan, report)

    def measure_load(
        self, bench_model: BenchModel, plan: Plan, precision: Precision
    ) -> dict[str, Any]:
        """Measure under load and return ``Load`` as a dictionary."""
        return asdict(asyncio.run(measure_load(bench_model, plan, precision)))


def _ask(
    task: dict[str, Any],
    bench_model: BenchModel,
    plan: Plan,
    report: Report,
    *,
    is_engine: bool,
) -> Any:
    """Give a task to a fresh process and return its result.

    The engine computes in the environment that the bot gives it, the others in their own.
    """
    environment = dict(os.environ)
    if is_engine:
        shorten_waits(environment)
    whole = task | {
        "path": str(bench_model.path),
        "name": bench_model.name,
        "plan": asdict(plan),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "bot.bench.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        process_group=0,
    ) as process:
        try:
            return _hear(process, json.dumps(whole), report)
        except BaseException:
            process.kill()
            raise


def _hear(process: subprocess.Popen[str], task: str, report: Report) -> Any:
    if process.stdin is None or process.stdout is None:
        msg = "a process without pipes"
        raise TypeError(msg)
    process.stdin.write(task)
    process.stdin.close()
    for line in process.stdout:
        said = json.loads(line)
        if "progress" in said:
            report(said["progress"])
        elif "error" in said:
            raise BrokenOffError(why=said["error"])
        else:
            return said["result"]
    raise BrokenOffError(why=f"exit status {process.wait()}")


def _say(**content: Any) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _carry_out(task: dict[str, Any]) -> Any:
    bench_model = read_model(Path(task["path"]), task["name"])
    plan = _PLAN.validate_python(task["plan"])
    if "precision" in task:
        return Here().measure_load(bench_model, plan, task["precision"])
    found = Here().measure_group(
        task["names"], bench_model, plan, report=lambda text: _say(progress=text)
    )
    return _GROUP.dump_python(found, mode="json")


def main() -> None:
    """Read the task, measure, write the result."""
    logging.basicConfig(level=logging.ERROR)
    task = sys.stdin.read()
    if not task:
        return  # the parent was ended before it could say what to measure
    try:
        _say(result=_carry_out(json.loads(task)))
    except RoundtaleError as error:
        _say(error=str(error))


if __name__ == "__main__":
    main()
