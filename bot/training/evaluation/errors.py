"""What can keep a model from being evaluated, each with its own sentence."""

from bot.errors import RoundtaleError
from bot.locales import N_


class EvaluationError(RoundtaleError):
    """An evaluation cannot be made."""

    code = "evaluation"


class TooLittleTextError(EvaluationError):
    """The text of people is too short for even a few passages."""

    code = "evaluation.too_little_text"
    message = N_(
        "The texts given with --human hold {found} passages of {words} words; {needed} are needed. Give more texts, or a smaller --words."
    )


class UnknownMeasureError(EvaluationError):
    """Somebody wants to leave out what is not there."""

    code = "evaluation.unknown_measure"
    message = N_("There is no measure called {name} to leave out. There are: {known}.")


class SettingError(EvaluationError):
    """A setting is not written as it should be."""

    code = "evaluation.setting"
    message = N_("{given} is no setting: write NAME=VALUE, several joined by commas.")


class NothingWrittenError(EvaluationError):
    """No story is long enough."""

    code = "evaluation.nothing_written"
    message = N_("No story has {words} words. Choose a smaller --words or more --turns.")


class NoMauveError(EvaluationError):
    """MAUVE is asked for and not installed."""

    code = "evaluation.no_mauve"
    message = N_(
        "--mauve needs mauve-text (GPLv3), which you may install yourself: pip install mauve-text faiss-cpu"
    )
