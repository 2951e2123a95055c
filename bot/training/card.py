"""The model card: from what, with what and how a model was trained, and how well it does.

The form is Hugging Face's (Mitchell et al. 2019, "Model Cards"): a front matter for machines and
sections for people, in English.

Invariant: every number is one that this training measured.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import peft
import torch
import transformers

from bot import __version__
from bot.training.base import Base
from bot.training.data.tale import Split, Tale
from bot.training.heldout import Comparison
from bot.training.loop import Course
from bot.training.recipe import Method, Recipe
from bot.training.record import FIGURES

CURVES = "curves.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """All that is known of a finished training."""

    name: str
    base: Base
    recipe: Recipe
    split: Split
    tags: tuple[str, ...]
    rows: int
    trained: int
    course: Course
    comparison: Comparison
    is_adapter: bool

    def as_json(self) -> dict[str, object]:
        """Return the figures as plain data; NaN, which JSON does not know, as None."""
        held = self.comparison
        return {
            "name": self.name,
            "base": {"name": self.base.name, "fingerprint": self.base.facts.fingerprint},
            "recipe": self.recipe.as_json(),
            "tags": list(self.tags),
            "rows": self.rows,
            "trained_weights": self.trained,
            "steps": self.course.steps,
            "best_step": self.course.best_step,
            "took_s": round(self.course.took_s, 1),
            "why_ended": self.course.why_ended,
            "training": [[each.step, each.loss] for each in self.course.training],
            "validation": [[each.step, each.loss] for each in self.course.validation],
            "held_out": {
                "perplexity_before": held.before,
                "perplexity_after": held.after,
                "bits_per_byte_before": held.bits_before,
                "bits_per_byte_after": held.bits_after,
                "change": held.change,
                "low": None if math.isnan(held.low) else held.low,
                "high": None if math.isnan(held.high) else held.high,
                "tales": held.tales,
                "tokens": held.tokens,
            },
            "sets": {
                name: [tale.id for tale in part]
                for name, part in zip(("train", "validation", "test"), self.split, strict=True)
            },
        }


def describe(training: Training) -> str:
    """Return the card as Markdown."""
    recipe, course, held = training.recipe, training.course, training.comparison
    everything = [tale for part in training.split for tale in part]
    licence = training.base.licence or "unknown"
    interval = "" if math.isnan(held.low) else f" (95 %: {held.low:+.1%} to {held.high:+.1%})"
    how = (
        f"LoRA, rank {recipe.rank}, beside every linear layer"
        if recipe.method is Method.LORA
        else "all weights"
    )
    lines = [
        "---",
        f"license: {_yaml(licence)}",
        f"base_model: {_yaml(training.base.name)}",
        "pipeline_tag: text-generation",
        *(["library_name: peft"] if training.is_adapter else ["library_name: transformers"]),
        "tags: [roundtale, stories]",
        "---",
        f"# {training.name}",
        "",
        f"{training.base.name}, trained with `roundtale train` to tell stories.",
        "",
        "## Held-out tales",
        "",
        (
            f"Neither model was trained on them here; the base may have seen them. {held.tales} tales, "
            f"{held.tokens} tokens, windows of {recipe.window_tokens} that overlap by half, no tags."
        ),
        "",
        "| | before | after |",
        "|---|---|---|",
        f"| perplexity by token | {held.before:.2f} | {held.after:.2f} |",
        f"| bits per byte | {held.bits_before:.3f} | {held.bits_after:.3f} |",
        "",
        f"Change of the perplexity: {held.change:+.1%}{interval}; paired bootstrap over tales.",
        "",
        "## Data",
        "",
        "| source | licence | tales | characters |",
        "|---|---|---|---|",
        *_sources(everything),
        "",
        "Split by whole tale: "
        + ", ".join(
            f"{len(part)} {name}"
            for name, part in zip(("training", "validation", "test"), training.split, strict=True)
        )
        + f"; which ones, tells `{FIGURES}`.",
        "",
        "## Training",
        "",
        f"{how}; {training.trained:,} of {training.base.facts.parameters:,} weights learned.",
        (
            f"{course.steps} of {course.planned_steps} steps of {recipe.batch_rows} rows with "
            f"{recipe.window_tokens} tokens, {training.rows} rows an epoch, in {course.took_s:.0f} s; "
            f"it ended because {course.why_ended}. The weights are those after step "
            f"{course.best_step}, the best in validation."
        ),
        "",
        f"![loss and perplexity]({CURVES})",
        "",
        *[f"- {key}: {value}" for key, value in recipe.as_json().items()],
        (
            f"- roundtale {__version__}, torch {torch.__version__}, "
            f"transformers {transformers.__version__}, peft {peft.__version__}"
        ),
        "",
        "## Control tags",
        "",
        "A story may begin with these, in this order; without them it is told all the same.",
        "",
        *[f"- `{tag}`" for tag in training.tags],
        "",
        "## Limits",
        "",
        "The tales are old; so are their words and their views. The model invents.",
        "",
    ]
    return "\n".join(lines)


def _sources(tales: Sequence[Tale]) -> list[str]:
    by_source: dict[tuple[str, str], list[Tale]] = defaultdict(list)
    for tale in tales:
        by_source[tale.source, tale.licence].append(tale)
    return [
        f"| {_cell(source)} | {_cell(licence)} | {len(found)} "
        f"| {sum(len(tale.text) for tale in found)} |"
        for (source, licence), found in sorted(by_source.items())
    ]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")


def _yaml(text: str) -> str:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{" ".join(quoted.split())}"'
