"""How much a story of several turns repeats itself.

Lets the program write stories as people do in the terminal (``roundtale play --batch``), each from
another opening, over several turns; every second story gets a sentence of a member's now and then.
What the model wrote is measured, passages of one story together:

    python -m benchmarks.writing [--turns 5] [--seeds 2] [--set temperature=0.8] [--style completion]
                                 [--human FILE] [--keep FILE]

- diversity: the product of the shares of different 2-, 3- and 4-grams (Su et al. 2022, "A Contrastive
  Framework for Neural Text Generation"); prose of people is near 0.9
- near twins: sentences whose content words are, to three fifths, those of an earlier one
- same openings: sentences that begin with the same two words as one of the four before
- top five: the share of the five commonest content words in all
- types in 60: different words among sixty in a row, on average
- words: that the model wrote

``--human`` measures a text of people in the same way, in pieces of the same length. ``--keep`` writes
the stories to a file, to be read: no figure says whether a story is good.

Prints a table and, as the last line, the same as JSON.
"""

# ruff: noqa: RUF001 -- typographic quotes are meant as they stand

import argparse
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bot.text.function_words import FUNCTION_WORDS

ROOT = Path(__file__).resolve().parents[1]
MODEL = "smollm2-135m-instruct"
OPENINGS = (
    "Once upon a time in a small village, there lived a girl who collected lost buttons.",
    "The lighthouse had been dark for eleven years when Mara saw its lamp burning again.",
    "Captain Oduya counted the crates twice; one of them was breathing.",
    "A small fox named Pip lived at the edge of the forest and was afraid of the dark.",
    "Nobody in the office noticed that the new clerk, Mr. Hallow, cast no shadow.",
    "The last dragon in the kingdom ran a bakery, and business was bad.",
)
TURNS = ("", "Suddenly there was a knock at the door.", "", "“I know what you did,” she whispered.")
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SENTENCE = re.compile(r"[^.!?\n]+[.!?]+[\"”’']*|[^.!?\n]+$")
TWIN_SHARE = 0.6
LOOK_BACK = 4
WINDOW = 60


def measure(text: str) -> dict[str, float]:
    """Return the figures of one text."""
    words = WORD.findall(text.lower())
    diversity = 1.0
    for size in (2, 3, 4):
        grams = list(zip(*(words[at:] for at in range(size)), strict=False))
        diversity *= len(set(grams)) / max(1, len(grams))
    sentences = [WORD.findall(each) for each in SENTENCE.findall(text.lower()) if WORD.search(each)]
    contents = [set(each) - FUNCTION_WORDS for each in sentences]
    twins = sum(
        len(each) > 1
        and any(len(each & other) >= TWIN_SHARE * len(each | other) for other in contents[:at])
        for at, each in enumerate(contents)
    )
    openings = sum(
        any(other[:2] == each[:2] for other in sentences[max(0, at - LOOK_BACK) : at])
        for at, each in enumerate(sentences)
    )
    counts = Counter(word for word in words if word not in FUNCTION_WORDS)
    windows = [len(set(words[at : at + WINDOW])) for at in range(max(1, len(words) - WINDOW + 1))]
    return {
        "diversity": diversity,
        "near twins": twins / max(1, len(sentences)),
        "same openings": openings / max(1, len(sentences)),
        "top five": sum(many for _, many in counts.most_common(5)) / max(1, counts.total()),
        "types in 60": statistics.fmean(windows),
        "words": len(words),
    }


def write_story(
    folder: Path, opening: str, seed: int, arguments: argparse.Namespace
) -> tuple[str, str]:
    """Let the program write one story; return all of it, and the model's part."""
    exported = folder / "story.json"
    lines = [f"/set {each.replace('=', ' ', 1)}" for each in arguments.set]
    lines += [
        opening,
        *(TURNS[at % len(TURNS)] if seed % 2 else "" for at in range(arguments.turns - 1)),
    ]
    lines += [f"/export {exported} --format json"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "bot", "play", "--batch"),
            *("--model", arguments.model, "--seed", str(seed)),
        ],
        input="\n".join(lines) + "\n",
        cwd=ROOT,
        env=os.environ
        | {
            "ROUNDTALE_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/stories.sqlite",
            "ROUNDTALE_PROMPT_STYLE": arguments.style,
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    story = json.loads(exported.read_text("utf-8"))
    bodies = {each["id"]: each["body"] for each in story["texts"]}
    written = [bodies[each["text"]] for each in story["passages"] if each["kind"] == "model"]
    return done.stdout, "\n".join(written)


def pieces_of(text: str, words: int) -> list[str]:
    """Return a text in pieces of so many words, its last and shorter one left out."""
    ends = [match.end() for match in WORD.finditer(text)]
    cuts = [0, *ends[words - 1 :: words]]
    return [text[start:stop] for start, stop in itertools.pairwise(cuts)]


def mean(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each figure."""
    return {name: round(statistics.fmean(each[name] for each in figures), 3) for name in figures[0]}


def main() -> None:
    """Write, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--style", default="auto")
    parser.add_argument("--human", type=Path)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    stories, figures = [], []
    for opening in OPENINGS:
        for seed in range(1, arguments.seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                story, written = write_story(Path(folder), opening, seed, arguments)
            stories.append(f"--- seed {seed}\n{story}")
            figures.append(measure(written))
            print(".", end="", flush=True, file=sys.stderr)
    print(file=sys.stderr)
    if arguments.keep:
        arguments.keep.write_text("\n".join(stories), "utf-8")
    rows = {f"{len(stories)} stories": mean(figures)}
    if arguments.human:
        length = int(rows[f"{len(stories)} stories"]["words"])
        text = arguments.human.read_text("utf-8", errors="replace")
        rows[arguments.human.name] = mean([measure(each) for each in pieces_of(text, length)])
    print(f"{arguments.model}, {arguments.turns} turns, {' '.join(arguments.set) or 'defaults'}")
    print(f"{'':20}" + "".join(f"{name:>15}" for name in figures[0]))
    for name, row in rows.items():
        print(f"{name:20}" + "".join(f"{each:15g}" for each in row.values()))
    print(
        json.dumps(
            {"model": arguments.model, "settings": arguments.set, "style": arguments.style, **rows}
        )
    )


if __name__ == "__main__":
    main()
