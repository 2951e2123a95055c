"""What a number format costs: perplexity on texts that nothing was calibrated on.

    python -m benchmarks.perplexity FILE... [--model NAME] [--windows 64]

The texts are scored in the windows that ``roundtale evaluate`` scores in, half of each read
before. For each window the mean negative log-likelihood is taken with every precision and
compared with fp32's for the same window: what counts is the paired difference, as a change of perplexity in percent, with its 95 % interval
(normal approximation over windows). int8 may be used where the upper bound is at most 1 %.

Prints a table and, as the last line, the same as JSON. Exit status 1 where int8 costs more.
"""

import argparse
import asyncio
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path

from bot.engine.local.loader import LoadedModel, load_model
from bot.engine.local.store import resolve
from bot.settings import Settings
from bot.training.windows import Window, logits_of, window_losses, windows

LIMIT_PERCENT = 1.0
Z_95 = 1.96
PRECISIONS = ("fp32", "bf16", "int8")


def losses(loaded: LoadedModel, cut: Sequence[Window]) -> list[float]:
    """Return each window's mean negative log-likelihood in nats a token."""
    logits = logits_of(loaded.model)
    return [statistics.fmean(window_losses(logits, window)) for window in cut]


def compare(precise: Sequence[float], other: Sequence[float]) -> dict[str, float]:
    """Return perplexity, and its change with a 95 % interval, in percent."""
    differences = [two - one for one, two in zip(precise, other, strict=True)]
    mean = statistics.fmean(differences)
    error = statistics.stdev(differences) / math.sqrt(len(differences))

    def percent(nats: float) -> float:
        return 100.0 * math.expm1(nats)

    return {
        "perplexity": math.exp(statistics.fmean(other)),
        "change_percent": percent(mean),
        "low_percent": percent(mean - Z_95 * error),
        "high_percent": percent(mean + Z_95 * error),
    }


def main() -> None:
    """Compare the precisions and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--windows", type=int, default=64, help="at most")
    parser.add_argument("--tokens", type=int, default=512, help="in a window")
    given = parser.parse_args()
    found_model = asyncio.run(resolve(given.model, cache_dir=Settings.load().cache_dir))
    path = found_model.path
    text = "\n".join(" ".join(file.read_text("utf-8").split()) for file in given.files)
    result: dict[str, object] = {"model": given.model, "tokens": given.tokens}
    precise: list[float] = []
    cut: list[Window] = []
    is_good = True
    print(f"{'precision':10} {'perplexity':>10} {'change':>8}   95 % interval")
    for precision in PRECISIONS:
        loaded = load_model(path, name=given.model, precision=precision)
        if loaded.precision != precision:
            print(f"{precision:10} not to be had on this processor")
            continue
        if not cut:
            ids = [
                loaded.document_start,
                *loaded.tokenizer.encode(text, add_special_tokens=False),
            ]
            cut = list(windows(ids, size=given.tokens, context=given.tokens // 2))
            del cut[given.windows :]
            result["windows"] = len(cut)
        found = losses(loaded, cut)
        precise = precise or found
        row = compare(precise, found)
        result[precision] = row
        print(
            f"{precision:10} {row['perplexity']:10.3f} {row['change_percent']:+7.2f} %"
            f"   {row['low_percent']:+.2f} to {row['high_percent']:+.2f} %"
        )
        is_good = is_good and (precision != "int8" or row["high_percent"] <= LIMIT_PERCENT)
    print(json.dumps(result))
    raise SystemExit(not is_good)


if __name__ == "__main__":
    main()
