"""One training: transformers' Trainer with our rows, our limits and our bars.

Invariants:
    - What a killed run had saved is taken up again, from the newest checkpoint that is whole.
    - The model that comes out is the best of those that were validated, not the last.
    - Every validation sees the same rows, without tags, so that the base itself is the first
      point of the curve.
"""

import errno
import json
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from transformers import (
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    default_data_collator,
)
from transformers.utils import logging as transformers_logging

from bot.locales import N_
from bot.training.errors import DivergedError, NoRoomError
from bot.training.packing import Rows
from bot.training.recipe import Recipe
from bot.training.timing import ROWS_AT_ONCE, Schedule, can_bf16, device_of

TRAIN = N_("Training")
VALIDATE = N_("Validating")
RESUMED = N_("Going on after step {step} of {total}.")
VALIDATED = N_("Step {step} of {total}: validation perplexity {perplexity:.2f}")

_STATE = "trainer_state.json"
# How C, Rust and SQLite say that the disk is full.
_FULL = ("No space left on device", "os error 28", "disk is full")


class Watcher(Protocol):
    """Shows how far a training is."""

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        """Tell that ``done`` of ``total`` steps are behind."""
        ...

    def say(self, message: str, **data: object) -> None:
        """Tell something that stays on the screen."""
        ...


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a curve: the mean loss, in nats a token, after a step."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a training went.

    Attributes:
        training: the loss of the rows just read.
        validation: the loss of the validation rows; the first point is the base model's.
        steps: taken.
        planned_steps: that were planned.
        best_step: of the model that came out.
        took_s: in this process.
        why_ended: a msgid.
    """

    training: tuple[Point, ...]
    validation: tuple[Point, ...]
    steps: int
    planned_steps: int
    best_step: int
    took_s: float
    why_ended: str

    @property
    def best_loss(self) -> float:
        """The least loss of a validation."""
        return min(point.loss for point in self.validation)


DONE = N_("all epochs were done")
NO_PROGRESS = N_("validation made no progress any more")
NO_TIME = N_("the time was over")
PRUNED = N_("others did better")


@dataclass(slots=True)
class _Watch(TrainerCallback):
    """Shows the bar, ends in time, and asks whether to go on."""

    watcher: Watcher
    deadline_s: float | None
    go_on: Callable[[int, float], bool] | None = None
    why: str | None = None
    began_s: float = field(default_factory=time.monotonic)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Show the step; stop when the time is over."""
        self.watcher.report(TRAIN, state.global_step, state.max_steps)
        if self.deadline_s is not None and time.monotonic() > self.deadline_s:
            self.why = self.why or NO_TIME
            control.should_training_stop = True
            control.should_evaluate = True
            control.should_save = True

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Tell the perplexity."""
        loss = float(kwargs["metrics"]["eval_loss"])
        if not math.isfinite(loss):
            raise DivergedError(step=state.global_step)
        self.watcher.say(
            VALIDATED, step=state.global_step, total=state.max_steps, perplexity=math.exp(loss)
        )
        if self.go_on is not None and state.global_step and not self.go_on(state.global_step, loss):
            self.why = PRUNED
            control.should_training_stop = True


class _Trainer(Trainer):
    """Saves of an adapter only what was trained, and never a copy of the embedding."""

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        model: Any = self.model
        folder = str(output_dir or self.args.output_dir)
        if hasattr(model, "peft_config"):
            model.save_pretrained(folder, save_embedding_layers=False)
        else:
            super()._save(folder, state_dict)


def train_model(  # noqa: PLR0917 -- each is another thing
    model: Any,
    rows: Rows,
    validation: Rows,
    recipe: Recipe,
    schedule: Schedule,
    work: Path,
    watcher: Watcher,
    *,
    go_on: Callable[[int, float], bool] | None = None,
    keeps_checkpoints: bool = True,
) -> Course:
    """Train a model in place; afterwards it holds the best weights.

    Args:
        model: a causal language model, or peft's around one.
        rows: to learn from.
        validation: rows to stop by.
        recipe: the settings.
        schedule: how long it is.
        work: a folder for checkpoints; those in it are taken up.
        watcher: shows progress.
        go_on: asked after each validation, with step and loss, whether it is worth it.
        keeps_checkpoints: whether to save, so that a killed run can go on.

    Raises:
        NoRoomError: the disk is full; the last whole checkpoint is kept.
        DivergedError: the loss is no number any more.
    """
    began_s = time.monotonic()
    validation = validation.some(schedule.validation_rows, recipe.seed)
    steps = schedule.steps
    device = device_of(model)
    checkpoint = last_checkpoint(work) if keeps_checkpoints else None
    _quiet()
    every = max(1, steps // schedule.validations)
    arguments = TrainingArguments(
        output_dir=str(work),
        max_steps=steps,
        per_device_train_batch_size=min(ROWS_AT_ONCE, recipe.batch_rows),
        per_device_eval_batch_size=ROWS_AT_ONCE,
        gradient_accumulation_steps=max(1, recipe.batch_rows // ROWS_AT_ONCE),
        learning_rate=recipe.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=math.ceil(recipe.warmup_share * steps),
        weight_decay=recipe.weight_decay,
        bf16=can_bf16(device),
        use_cpu=device.type == "cpu",
        seed=recipe.seed,
        data_seed=recipe.seed,
        eval_strategy="steps",
        eval_steps=every,
        eval_on_start=checkpoint is None and keeps_checkpoints,
        save_strategy="steps" if keeps_checkpoints else "no",
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=keeps_checkpoints,
        metric_for_best_model="eval_loss",
        greater_is_better=False,
        logging_steps=max(1, steps // 50),
        prediction_loss_only=True,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        report_to=[],
        remove_unused_columns=False,
    )
    deadline_s = None if recipe.time_limit_s is None else began_s + recipe.time_limit_s
    watch = _Watch(watcher, deadline_s, go_on)
    callbacks: list[TrainerCallback] = [watch]
    if keeps_checkpoints:
        callbacks.append(EarlyStoppingCallback(recipe.patience))
    any_rows: Any = rows
    any_validation: Any = validation
    trainer = _Trainer(
        model=model,
        args=arguments,
        train_dataset=any_rows,
        eval_dataset=any_validation,
        data_collator=default_data_collator,
        callbacks=callbacks,
    )
    for kind in ("PrinterCallback", "ProgressCallback"):
        for callback in list(trainer.callback_handler.callbacks):
            if type(callback).__name__ == kind:
                trainer.remove_callback(callback)
    if checkpoint is not None:
        watcher.say(RESUMED, step=int(checkpoint.name.rsplit("-", 1)[1]), total=steps)
    watcher.report(TRAIN, 0, steps)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' remarks on each other
            trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    except Exception as error:
        if is_disk_full(error):
            raise NoRoomError(folder=work) from error
        raise
    state = trainer.state
    log = state.log_history
    curve = tuple(
        Point(int(each["step"]), each["eval_loss"]) for each in log if "eval_loss" in each
    )
    stopped = watch.why or (DONE if state.global_step >= steps else NO_PROGRESS)
    return Course(
        training=tuple(Point(int(each["step"]), each["loss"]) for each in log if "loss" in each),
        validation=curve,
        steps=state.global_step,
        planned_steps=steps,
        best_step=min(curve, key=lambda point: point.loss).step,
        took_s=time.monotonic() - began_s,
        why_ended=stopped,
    )


def last_checkpoint(work: Path) -> Path | None:
    """Return the newest checkpoint that was written to its end; its state comes last."""
    found = [
        path
        for path in work.glob("checkpoint-*")
        if path.name.rsplit("-", 1)[1].isdigit() and _is_whole(path)
    ]
    return max(found, key=lambda path: int(path.name.rsplit("-", 1)[1]), default=None)


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (checkpoint / "optimizer.pt").is_file()


def is_disk_full(error: BaseException | None) -> bool:
    """Tell whether an error, of whatever library, means that the disk is full."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return True
        if any(sign in str(error) for sign in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _quiet() -> None:
    library: Any = transformers_logging
    library.disable_progress_bar()
    library.set_verbosity_error()
