"""What can keep a model from being trained, each with its own sentence.

Invariant: whoever meets one of these has lost nothing: what was written before stays.
"""

from bot.errors import RoundtaleError
from bot.locales import N_


class TrainingError(RoundtaleError):
    """Training, or what it needs, is not possible."""

    code = "training"


class NoTalesError(TrainingError):
    """Nothing readable is in what was named."""

    code = "training.no_tales"
    message = N_(
        "There are no tales in {paths}. A tale is a .txt or .md file, a line of a .jsonl or .csv file with a field “text”, or a pair of .wp_source and .wp_target files."
    )


class TooFewTalesError(TrainingError):
    """There is not enough to hold tales back for validation and test."""

    code = "training.too_few"
    message = N_(
        "There are {found} different tales; {needed} are the least, for some are held back to measure with. Add tales, or cut a long one at its chapters."
    )


class MissingPathError(TrainingError):
    """A file or folder of tales does not exist."""

    code = "training.missing_path"
    message = N_("There is no file or folder {path}.")


class UnknownKindError(TrainingError):
    """A file is of no kind that is read."""

    code = "training.kind"
    message = N_("{path} is of no kind that is read here; these are: {kinds}.")


class UnreadableFileError(TrainingError):
    """A file cannot be read."""

    code = "training.unreadable"
    message = N_("{path} cannot be read ({cause}).")


class NotTextError(TrainingError):
    """A file holds something else than text."""

    code = "training.not_text"
    message = N_("{path} is not text in UTF-8 (at byte {at}). Take it out, or save it as UTF-8.")


class BrokenLineError(TrainingError):
    """A line of a data file is not what it should be."""

    code = "training.broken_line"
    message = N_("Line {line} of {path} cannot be used: {cause}.")


class TaleTooLongError(TrainingError):
    """One tale is longer than any book."""

    code = "training.too_long"
    message = N_("One text of {path} has over {limit} characters. Cut it into stories.")


class TooMuchTextError(TrainingError):
    """All tales together are more than memory should hold."""

    code = "training.too_much"
    message = N_(
        "The tales have over {limit_mb} MB together, more than this trainer takes at once. Name fewer files."
    )


class NotOptedInError(TrainingError):
    """A story's export does not say that its authors agree."""

    code = "training.not_opted_in"
    message = N_(
        "{path} is a story of Roundtale that does not say that its authors agree to training. When all of them do, add the line  {field}: true  at its top."
    )


class FetchError(TrainingError):
    """A package of tales could not be had."""

    code = "training.fetch"
    message = N_("The package {package} could not be had: {cause}.")


class UnknownCollectionError(TrainingError):
    """There is no collection of tales of that name."""

    code = "training.unknown_collection"
    message = N_("There is no collection {given}; there are {known}.")


class NoRoomError(TrainingError):
    """The disk is full."""

    code = "training.room"
    message = N_(
        "There is no room left on the disk of {folder}. What was complete is kept; make room and give the same command again."
    )


class UnwritableError(TrainingError):
    """A folder or file cannot be written."""

    code = "training.unwritable"
    message = N_("{path} cannot be written ({cause}).")


class NoEndTokenError(TrainingError):
    """The model cannot end a text."""

    code = "training.no_end"
    message = N_(
        "The tokenizer of {model} has no end-of-text token, so that a model could not learn where a story ends. Choose another model, or name its token as eos_token in tokenizer_config.json."
    )


class DivergedError(TrainingError):
    """The loss is no number any more."""

    code = "training.diverged"
    message = N_(
        "At step {step} the model computed something that is no number. Try a lower --learning-rate."
    )


class OutputExistsError(TrainingError):
    """The model's folder is taken."""

    code = "training.output_exists"
    message = N_("{path} is there already. Name another folder with --into, or move it away.")


class OtherRunError(TrainingError):
    """An unfinished run is in the way."""

    code = "training.other_run"
    message = N_(
        "{path} holds an unfinished run with other tales or settings. Give that run's own command to go on with it, or delete the folder."
    )


class WindowTooLongError(TrainingError):
    """The rows would be longer than what the model takes."""

    code = "training.window"
    message = N_("{model} takes {window} tokens at once, and --window asks for {wanted}.")


class NotEnoughRoomError(TrainingError):
    """The disk is too small for what is to be written."""

    code = "training.not_enough_room"
    message = N_(
        "There is not enough room on the disk of {folder}: training needs {needed_mb} MB for checkpoints and the model, {free_mb} MB are free."
    )


class NoTimeError(TrainingError):
    """The limit of time is too short for a search."""

    code = "training.no_time"
    message = N_(
        "The time is too short to search on this machine: about {minutes} minutes are the least, or fewer --trials."
    )


class NoAdapterError(TrainingError):
    """An adapter alone cannot be written."""

    code = "training.no_adapter"
    message = N_("--adapter cannot be had here: {reason}. Train without it.")


ADAPTER_OF_ADAPTER = N_("the model to start from is an adapter itself")
ADAPTER_OF_ALL = N_("with --method full all weights change")
