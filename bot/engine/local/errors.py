"""What can go wrong while a local model is loaded or writes.

Invariant: each has its own sentence; ``cause`` is technical, for the reader of a log,
and no text of a story is ever part of one.
"""

from bot.errors import EngineError, ModelUnavailableError
from bot.locales import N_


class TooLargeError(ModelUnavailableError):
    """The model does not fit into memory."""

    code = "engine.model_unavailable.memory"
    message = N_(
        "{model} needs {needed_mib} MiB of memory, and {available_mib} MiB are free. Choose a smaller model, or give the bot more memory."
    )


class UnloadableError(ModelUnavailableError):
    """The libraries cannot make a model of the files."""

    code = "engine.model_unavailable.load"
    message = N_("{model} cannot be loaded ({cause}). Choose another model, or install it again.")


class MissingWeightsError(ModelUnavailableError):
    """The files lack weights that the architecture has."""

    code = "engine.model_unavailable.weights"
    message = N_("{model} is not whole: its weights lack {missing}. Install or copy it again.")


class ForeignTokenizerError(ModelUnavailableError):
    """The tokenizer has tokens that the model does not know."""

    code = "engine.model_unavailable.tokenizer"
    message = N_(
        "The tokenizer of {model} has {tokens} tokens, but the model knows {rows}. They do not belong together; install the model again."
    )


class AdapterLibraryError(ModelUnavailableError):
    """An adapter needs a library that is not installed."""

    code = "engine.model_unavailable.adapter_library"
    message = N_(
        "{model} is an adapter, which needs peft; install it with: pip install 'roundtale[train]'"
    )


class BrokenLogitsError(EngineError):
    """The model computed something that is not a number."""

    code = "engine.not_a_number"
    message = N_("The model lost its way in this passage. Your words are kept; try again.")


class NothingToDrawError(EngineError):
    """Every token is ruled out."""

    code = "engine.nothing_to_draw"
    message = N_(
        "Every possible next word is ruled out by the sampling settings. An admin can loosen them with /storyadmin set."
    )


class StepFailedError(EngineError):
    """A forward pass of the model failed."""

    code = "engine.step_failed"
    message = N_("The model failed while it wrote this passage. Your words are kept; try again.")


class TooSlowError(EngineError):
    """The time for an answer of the model is over."""

    code = "engine.too_slow"
    message = N_("The model did not answer in time. Try again in a moment.")


class EmptyTextToScoreError(EngineError):
    """A text without a single token cannot be likely or unlikely."""

    code = "engine.nothing_to_score"
    message = N_("There is no text to judge.")


class MonitorFailedError(EngineError):
    """The watcher of the text failed."""

    code = "engine.monitor_failed"
    message = N_("This passage could not be checked while it grew. Your words are kept; try again.")


class ChatTemplateError(EngineError):
    """The model's chat template refuses the conversation."""

    code = "engine.chat_template"
    message = N_(
        "The model's chat template refuses this story. The operator can switch the model to plain completion."
    )
