"""What the figures were measured on."""

import os
import subprocess
import sys
import time

from bot.bench.machine import Others, describe_machine

SPIN_S = 0.4
# It says when it has computed, and ends only when it is told to.
SPIN = f"""
import sys, time
while time.process_time() < {SPIN_S}: pass
print("done", flush=True)
sys.stdin.read()
"""


def test_the_machine_is_described_without_its_name() -> None:
    machine = describe_machine(threads=1)
    assert machine.processor
    assert machine.threads == 1
    assert machine.memory_mib > 0
    assert {"python", "roundtale", "torch", "transformers"} <= set(machine.versions)


def test_what_another_process_computes_is_seen() -> None:
    others = Others()
    begun_s = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", SPIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        least = 0.9 * SPIN_S / ((time.monotonic() - begun_s) * (os.cpu_count() or 1))
        assert others.share() >= least
        process.communicate(timeout=20)
