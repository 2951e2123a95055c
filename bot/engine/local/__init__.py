"""The local engine: loader, scheduler, key-value cache, step runner, worker thread, and models in store.

Intel's MKL may round a product by where in memory its operands lie, and each thread's buffers lie
elsewhere: unless it is told otherwise before its first product, a text would depend on how many
threads compute ("Conditional Numerical Reproducibility", oneMKL Developer Guide).
"""

import os
from collections.abc import MutableMapping

os.environ.setdefault("MKL_CBWR", "AUTO")


def shorten_waits(environment: MutableMapping[str, str] = os.environ) -> None:
    """Keep torch's threads from spinning; to be called before torch is imported.

    GNU's OpenMP reads this once, when torch is loaded. Its default spins for milliseconds at every
    barrier: where others use the processors too, that made writing five times slower.

    Args:
        environment: of the process that computes.
    """
    if "OMP_WAIT_POLICY" not in environment:
        environment.setdefault("GOMP_SPINCOUNT", "10000")
