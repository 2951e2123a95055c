"""Try settings: many for a short while on one fold, the best of them on all.

Invariant: the study's file tells at any moment what was measured; whoever gives the same command
goes on from it.
"""

import json
import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import StorageInternalError

from bot.locales import N_, Words
from bot.training.base import Base
from bot.training.data import Tale, folds, split
from bot.training.data.splitting import are_sources_whole
from bot.training.errors import (
    DivergedError,
    NoRoomError,
    NoTimeError,
    OtherRunError,
    UnwritableError,
)
from bot.training.extras import require_libraries
from bot.training.loop import PRUNED, Watcher, is_disk_full, train_model
from bot.training.recipe import Method, Recipe
from bot.training.running import Sources, gather, identity, open_model, prepare
from bot.training.search.choosing import Finalist, Settings, choose
from bot.training.search.report import Found, Tried, write_report
from bot.training.timing import Schedule, measure

TRIAL = N_("Trial {number}: rank {rank}, learning rate {rate:.2g}, {rows} rows a step")
TRIED = N_("Trial {number}: validation perplexity {perplexity:.2f}")
LEFT = N_("Trial {number} was left early.")
FINAL = N_("Fold {fold} of {folds} for trial {number}: validation perplexity {perplexity:.2f}")

STUDY = "search.sqlite"
_NAME = "roundtale"
_FIRST_STAGE = 0.6  # the share of the time for the first fold
_RUNGS = 4  # validations of a trial
_VALIDATION_ROWS = 32
_HALVED = 0.5  # the share of its steps that a trial takes on average, others being left early
_RANKS = (4, 8, 16)
_BATCHES = (2, 4, 8)
_RATES = {Method.LORA: (5e-5, 5e-3), Method.FULL: (5e-6, 5e-4)}
_FINALISTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is tried.

    Attributes:
        trials: settings on the first fold.
        folds: for the best of them.
        time_limit_s: for all of it; None for trials of a whole training each.
    """

    trials: int = 12
    folds: int = 3
    time_limit_s: float | None = None


class _Runs:
    """How often the rows of a trial are read in each stage, for its share of the time."""

    def __init__(self, plan: Plan) -> None:
        first = plan.trials * _HALVED
        second = min(_FINALISTS, plan.trials) * (plan.folds - 1)
        self._stages = ((_FIRST_STAGE, first), (1 - _FIRST_STAGE, second))

    def rows_in(self, limit_s: float, row_s: float, validating_s: float) -> int:
        """Return how many rows a trial can read for all to fit."""
        return min(
            int((limit_s * share / runs - _RUNGS * validating_s) / row_s)
            for share, runs in self._stages
        )

    def seconds_for(self, rows: int, row_s: float, validating_s: float) -> float:
        """Return how long all takes if a trial reads so many rows."""
        return max(
            runs / share * (rows * row_s + _RUNGS * validating_s) for share, runs in self._stages
        )


def run_search(  # noqa: PLR0917 -- each is another thing
    sources: Sources, into: Path, recipe: Recipe, plan: Plan, watcher: Watcher, words: Words
) -> Found:
    """Search, and write the report into a folder; goes on where an earlier process was.

    Args:
        sources: tales and model.
        into: the folder of the study and its report.
        recipe: the settings that are not varied.
        plan: how much is tried.
        watcher: shows progress.
        words: for the report.

    Raises:
        TrainingError: tales, folder or disk are not fit for it, or the time is too short.
        ModelUnavailableError: the base cannot be had.
    """
    require_libraries(is_search=True)
    sets = split(gather(sources.tales, watcher), recipe.seed)
    tales = sets.train + sets.validation
    parts = folds(tales, plan.folds, recipe.seed)
    base = open_model(sources, recipe)
    try:
        into.mkdir(parents=True, exist_ok=True)
        search = _Search(sources, into, recipe, plan, parts, watcher)
        search.open(into / STUDY, identity(base, sets, recipe))
        search.begin(base)
        search.try_settings()
        finalists = search.try_finalists()
        found = Found(
            base=base.name,
            recipe=recipe,
            rows=search.rows,
            tried=search.tried(),
            finalists=tuple(finalists),
            chosen=choose(finalists),
            is_by_source=are_sources_whole(tales, plan.folds),
            tales=len(tales),
            held_out=len(sets.test),
            took_s=search.spent_s,
        )
        write_report(found, into, words)
    except (OSError, StorageInternalError) as error:
        if is_disk_full(error):
            raise NoRoomError(folder=into) from error
        cause = str(getattr(error, "strerror", None) or error).splitlines()[0]
        raise UnwritableError(path=into, cause=cause) from error
    return found


class _Search:
    """A search under way."""

    def __init__(  # noqa: PLR0917 -- each is another thing
        self,
        sources: Sources,
        into: Path,
        recipe: Recipe,
        plan: Plan,
        parts: Sequence[tuple[Tale, ...]],
        watcher: Watcher,
    ) -> None:
        self._sources = sources
        self._into = into
        self._recipe = recipe
        self._plan = plan
        self._parts = parts
        self._watcher = watcher
        self._study: Any = None
        self._began_s = time.monotonic()
        self._spent_before_s = 0.0
        self.rows = 0

    @property
    def spent_s(self) -> float:
        """Seconds that this and earlier processes took."""
        return self._spent_before_s + time.monotonic() - self._began_s

    def open(self, file: Path, identity: dict[str, object]) -> None:
        """Open the study, or make it.

        Raises:
            OtherRunError: it belongs to other tales or settings.
        """
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is experimental in it
            self._study = optuna.create_study(
                storage=f"sqlite:///{file.absolute()}",
                study_name=_NAME,
                load_if_exists=True,
                sampler=optuna.samplers.TPESampler(seed=self._recipe.seed),
                pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
            )
        told = json.dumps({"run": identity, "folds": self._plan.folds}, sort_keys=True)
        known = self._study.user_attrs
        if known.get("identity", told) != told:
            raise OtherRunError(path=file)
        self._study.set_user_attr("identity", told)
        self._spent_before_s = float(known.get("spent_s", 0.0))
        for trial in self._study.get_trials(states=(optuna.trial.TrialState.RUNNING,)):
            # Whoever ran it was killed.
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def begin(self, base: Base) -> None:
        """Decide how many rows a trial reads; all processes keep to it.

        Raises:
            NoTimeError: the limit of time is too short for any.
        """
        known = self._study.user_attrs.get("rows")
        if known is not None:
            self.rows = int(known)
            return
        ready = prepare(base, self._fold(0), self._recipe)
        least = _RUNGS * max(_BATCHES)
        self.rows = max(least, math.ceil(self._recipe.epochs * len(ready.rows)))
        if self._plan.time_limit_s is not None:
            step_s, read_s = measure(ready.model, ready.rows, self._recipe)
            row_s = step_s / self._recipe.batch_rows
            validating_s = read_s * min(len(ready.validation), _VALIDATION_ROWS)
            runs = _Runs(self._plan)
            fitting = runs.rows_in(self._plan.time_limit_s - self.spent_s, row_s, validating_s)
            if fitting < least:
                needed_s = self.spent_s + runs.seconds_for(least, row_s, validating_s)
                raise NoTimeError(minutes=math.ceil(needed_s / 60))
            self.rows = min(self.rows, fitting)
        self._study.set_user_attr("rows", self.rows)

    def try_settings(self) -> None:
        """Try settings on the first fold, until there are enough or their time is over."""
        while len(self._done(*_ENDED)) < self._plan.trials:
            if self._is_over(_FIRST_STAGE) and self._done(optuna.trial.TrialState.COMPLETE):
                break
            trial = self._study.ask()
            settings = self._draw(trial)
            self._watcher.say(
                TRIAL,
                number=trial.number,
                rank=settings.rank,
                rate=settings.learning_rate,
                rows=settings.batch_rows,
            )
            loss = self._train(settings, 0, trial)
            if loss is None:
                self._study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                self._watcher.say(LEFT, number=trial.number)
            else:
                self._study.tell(trial, loss)
                self._watcher.say(TRIED, number=trial.number, perplexity=math.exp(loss))
            self._study.set_user_attr("spent_s", self.spent_s)

    def try_finalists(self) -> list[Finalist]:
        """Try the best settings on the other folds; each has at least the first fold's loss.

        Raises:
            DivergedError: nothing that was tried computes.
        """
        complete = sorted(self._done(optuna.trial.TrialState.COMPLETE), key=lambda each: each.value)
        if not complete:
            raise DivergedError(step=0)
        chosen = complete[:_FINALISTS]
        losses = {trial.number: [float(trial.value)] for trial in chosen}
        for fold in range(1, len(self._parts)):
            row = {trial.number: self._final(trial, fold) for trial in chosen}
            if any(loss is None for loss in row.values()):
                break  # the time is over: a fold counts only if all were tried on it
            for number, loss in row.items():
                losses[number].append(float(loss or 0.0))
        return [
            Finalist(
                number=trial.number,
                settings=_settings(trial.params),
                losses=tuple(losses[trial.number]),
            )
            for trial in chosen
        ]

    def tried(self) -> tuple[Tried, ...]:
        """Return all that was tried on the first fold."""
        return tuple(
            Tried(
                number=trial.number,
                settings=_settings(trial.params),
                losses=tuple(trial.intermediate_values.values()),
                is_complete=trial.state is optuna.trial.TrialState.COMPLETE,
            )
            for trial in self._done(*_ENDED)
            if trial.intermediate_values
        )

    def _final(self, trial: Any, fold: int) -> float | None:
        key = f"loss {trial.number} {fold}"
        known = self._study.user_attrs.get(key)
        if known is not None:
            return float(known)
        if self._is_over(1.0):
            return None
        loss = self._train(_settings(trial.params), fold, None)
        loss = math.inf if loss is None else loss
        self._study.set_user_attr(key, loss)
        self._study.set_user_attr("spent_s", self.spent_s)
        self._watcher.say(
            FINAL,
            fold=fold + 1,
            folds=len(self._parts),
            number=trial.number,
            perplexity=math.exp(loss),
        )
        return loss

    def _train(self, settings: Settings, fold: int, trial: Any | None) -> float | None:
        """Train from the base and return the last validation's loss; None where it was given up."""
        recipe = replace(
            self._recipe,
            rank=settings.rank or self._recipe.rank,
            learning_rate=settings.learning_rate,
            batch_rows=settings.batch_rows,
            time_limit_s=None,
        )
        rung = 0

        def go_on(_: int, loss: float) -> bool:
            nonlocal rung
            rung += 1
            if trial is None:
                return True
            trial.report(loss, rung)
            return not trial.should_prune()

        ready = prepare(open_model(self._sources, recipe), self._fold(fold), recipe)
        try:
            course = train_model(
                ready.model,
                ready.rows,
                ready.validation,
                recipe,
                Schedule(
                    steps=self._steps(settings),
                    validations=_RUNGS,
                    validation_rows=_VALIDATION_ROWS,
                ),
                self._into,
                _Bars(self._watcher),
                go_on=go_on,
                keeps_checkpoints=False,
            )
        except DivergedError:
            return None
        return None if course.why_ended == PRUNED else course.validation[-1].loss

    def _steps(self, settings: Settings) -> int:
        """Return the steps in which settings read a trial's rows; all validate equally often."""
        return max(1, self.rows // settings.batch_rows // _RUNGS) * _RUNGS

    def _fold(self, number: int) -> tuple[tuple[Tale, ...], tuple[Tale, ...]]:
        rest = tuple(tale for at, part in enumerate(self._parts) if at != number for tale in part)
        return rest, self._parts[number]

    def _draw(self, trial: Any) -> Settings:
        low, high = _RATES[self._recipe.method]
        params: dict[str, Any] = {
            "learning_rate": trial.suggest_float("learning_rate", low, high, log=True)
        }
        params["batch_rows"] = trial.suggest_categorical("batch_rows", _BATCHES)
        if self._recipe.method is Method.LORA:
            params["rank"] = trial.suggest_categorical("rank", _RANKS)
        return _settings(params)

    def _done(self, *states: Any) -> list[Any]:
        return list(self._study.get_trials(states=states))

    def _is_over(self, share: float) -> bool:
        limit = self._plan.time_limit_s
        return limit is not None and self.spent_s > share * limit


class _Bars:
    """Hands on the bar, but not each validation's line."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def report(self, stage: str, done: int | None, total: int | None) -> None:
        """Show the bar."""
        self._watcher.report(stage, done, total)

    def say(self, message: str, **data: object) -> None:
        """Keep it back."""


_ENDED = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)


def _settings(params: dict[str, Any]) -> Settings:
    return Settings(
        rank=int(params.get("rank", 0)),
        learning_rate=float(params["learning_rate"]),
        batch_rows=int(params["batch_rows"]),
    )
