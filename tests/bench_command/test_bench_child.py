"""Each measurement's process computes in the environment that its users compute in."""

import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.bench.child import InChildren
from bot.bench.errors import BrokenOffError
from bot.bench.models import BenchModel
from bot.bench.plain import SNIPPET
from bot.bench.plan import QUICK
from bot.engine.local import shorten_waits

CHILD = """#!/bin/sh
cat > /dev/null
echo "{\\"error\\": \\"spins ${GOMP_SPINCOUNT:-as it likes}\\"}"
"""

Measure = Callable[[InChildren, BenchModel], object]


def _group(*names: str) -> Measure:
    return lambda children, model: children.measure_group(names, model, QUICK, print)


def _load(children: InChildren, model: BenchModel) -> object:
    return children.measure_load(model, QUICK, "auto")


@pytest.mark.skipif(sys.platform == "win32", reason="the child is a script of sh")
@pytest.mark.parametrize(
    ("measure", "spins"),
    [
        (_group("Roundtale int8"), "10000"),
        (_group(SNIPPET, "another"), "as it likes"),
        (_load, "10000"),
    ],
)
def test_only_the_engine_is_measured_with_the_waits_of_the_bot(
    measure: Measure, spins: str, tiny: BenchModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    child.write_text(CHILD)
    child.chmod(child.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr("bot.bench.child.sys.executable", str(child))
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(BrokenOffError, match=f"spins {spins}"):
        measure(InChildren(), tiny)


@pytest.mark.parametrize(
    ("environment", "spins"),
    [
        ({}, "10000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_what_the_operator_chose_is_kept(environment: dict[str, str], spins: str | None) -> None:
    shorten_waits(environment)
    assert environment.get("GOMP_SPINCOUNT") == spins
