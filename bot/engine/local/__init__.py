"""The local engine: loader, scheduler, key-value cache, step runner, worker thread, and models in store.

Intel's MKL may round a product by where in memory its operands lie, and each thread's buffers lie
elsewhere: unless it is told otherwise before its first product, a text would depend on how many
threads compute ("Conditional Numerical Reproducibility", oneMKL Developer Guide).
"""

import os

os.environ.setdefault("MKL_CBWR", "AUTO")
