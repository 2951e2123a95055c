"""Tales to train and to measure with: read, cleaned, each once, split by whole story.

Invariants:
    - The same files and seed give the same tales in the same sets, on every machine.
    - No tale stands in two sets, and none whose authors have not agreed is read.
"""

from bot.training.data.cleaning import clean
from bot.training.data.duplicates import deduplicate
from bot.training.data.reading import read_tales
from bot.training.data.splitting import folds, split
from bot.training.data.tale import Split, Tale

__all__ = ["Split", "Tale", "clean", "deduplicate", "folds", "read_tales", "split"]
