"""One tree of errors, each with a stable code, an English message and its data.

Invariant: an error that people can cause is a ``RoundtaleError``; it carries no
prepared sentence but a message template (a gettext msgid) and the values for it.
Only the edges (``discord_app``, ``terminal``, ``cli``) put it into words, through
``bot.locales``; whatever else reaches an edge is unexpected and gets a reference.
"""

from collections.abc import Mapping
from typing import ClassVar

from bot.locales import N_


class RoundtaleError(Exception):
    """The root of everything that Roundtale raises on purpose.

    Args:
        **data: the values that the message template names.
    """

    code: ClassVar[str] = "error"
    message: ClassVar[str] = N_("Something went wrong.")

    def __init__(self, **data: object) -> None:
        self.data: Mapping[str, object] = data
        super().__init__(self.code, data)

    def __str__(self) -> str:
        return self.message.format_map(self.data)


class UserError(RoundtaleError):
    """What was asked cannot be done; nothing is wrong with the bot."""

    code = "user"


class InvalidInputError(UserError):
    """The words or values that somebody sent cannot be taken."""

    code = "input"
    message = N_("That cannot be used: {reason}")


class UnknownCommandError(InvalidInputError):
    """A command or option that does not exist was typed."""

    code = "input.unknown_command"
    message = N_("There is no {given} here. Did you mean {near}?")


class EmptyTextError(InvalidInputError):
    """Nothing readable is left of the text."""

    code = "input.empty"
    message = N_("There are no words in that. Write at least one.")


class TextTooLongError(InvalidInputError):
    """The text is longer than what is taken at once."""

    code = "input.too_long"
    message = N_(
        "That is {length} characters long; {limit} are taken at once. Split it and send the parts in turn."
    )


class PinnedTooLargeError(InvalidInputError):
    """Concept, memory and note together would crowd out the story."""

    code = "input.pinned_too_large"
    message = N_(
        "The concept and memory would take {tokens} tokens; the model has room for {limit}. Shorten them."
    )


class ScreenedError(UserError):
    """The word list or filter stopped the text."""

    code = "screened"
    message = N_(
        "That contains words that are not allowed here, so nothing was added. Change them and send it again."
    )


class NotAllowedError(UserError):
    """The actor lacks the right to do this here."""

    code = "not_allowed"
    message = N_("You may not do that here: {reason}")


class ChannelOffError(NotAllowedError):
    """Stories are switched off in this channel."""

    code = "not_allowed.channel_off"
    message = N_(
        "Stories are switched off in this channel. A server admin can switch them on with /storyadmin set."
    )


class BudgetSpentError(UserError):
    """A cooldown or budget is used up."""

    code = "budget"
    message = N_("That was a lot at once. Try again in {wait_s} s.")


class NotFoundError(UserError):
    """What was named does not exist (any more)."""

    code = "not_found"
    message = N_("{what} was not found; it may have been deleted.")


class NoStoryError(NotFoundError):
    """The channel has no story open."""

    code = "not_found.story"
    message = N_(
        "There is no story open here. Begin one with /story start, or open an old one with /story open."
    )


class StoryEndedError(UserError):
    """The story has ended and takes no more words."""

    code = "story.ended"
    message = N_("“{title}” has ended. Undo takes the ending back; /story start begins a new one.")


class NothingToUndoError(UserError):
    """The journal has nothing left to revert."""

    code = "story.nothing_to_undo"
    message = N_("There is nothing to undo.")


class NothingToRedoError(UserError):
    """Nothing was undone since the last action."""

    code = "story.nothing_to_redo"
    message = N_("There is nothing to redo.")


class NothingToRetryError(UserError):
    """The story has no passage of the model that could be written anew."""

    code = "story.nothing_to_retry"
    message = N_("The model has not written anything here yet. Continue first.")


class StaleError(UserError):
    """The story moved on since the button or panel was drawn."""

    code = "story.stale"
    message = N_("The story has moved on since then. Use the buttons under the newest passage.")


class BusyError(UserError):
    """A passage is being written; the act must wait."""

    code = "story.busy"
    message = N_("A passage is being written right now. Wait for it, or stop it with Undo.")


class InboxFullError(BusyError):
    """Too many words wait for the passage under way."""

    code = "story.inbox_full"
    message = N_(
        "{waiting} turns wait here already for the passage that is being written. Send yours once it is done."
    )


class ClosingError(UserError):
    """The bot is ending and takes nothing new."""

    code = "closing"
    message = N_("The bot is restarting, so nothing was added. Send it again in a minute.")


class ConflictError(RoundtaleError):
    """Somebody else changed the story between load and commit; the caller retries."""

    code = "conflict"
    message = N_("The story was changed at the same moment. Try again.")


class EngineError(RoundtaleError):
    """The model could not write."""

    code = "engine"
    message = N_("The model could not write this passage: {reason}")


class QueueFullError(EngineError):
    """Too many passages wait for the model."""

    code = "engine.queue_full"
    message = N_(
        "The model is busy with {waiting} other passages. Your words are kept; press Continue in a moment."
    )


class PromptTooLongError(EngineError):
    """Prompt and reply would not fit the model's window."""

    code = "engine.prompt_too_long"
    message = N_("That needs {tokens} tokens, but the model's window has {limit}.")


class EngineStoppedError(EngineError):
    """The engine is closed or its thread has died."""

    code = "engine.stopped"
    message = N_("The model is not running. Your words are kept; the operator has been told.")


class ModelUnavailableError(EngineError):
    """The model is missing, broken or too large for this machine."""

    code = "engine.model_unavailable"
    message = N_("The model {model} cannot be used: {reason}")


class StorageError(RoundtaleError):
    """The database cannot be used."""

    code = "storage"
    message = N_("The database cannot be used: {reason}")


class SchemaTooNewError(StorageError):
    """The database was written by a newer Roundtale."""

    code = "storage.too_new"
    message = N_(
        "The database has schema {found}, which this version of Roundtale does not know. Update Roundtale, or restore a backup."
    )


class ConfigurationError(RoundtaleError):
    """A setting of the operator is missing or wrong."""

    code = "configuration"
    message = N_("{setting}: {reason}")


class ExtraMissingError(RoundtaleError):
    """An optional library is needed and not installed."""

    code = "extra_missing"
    message = N_("{what} needs {library}; install it with: pip install 'roundtale[{extra}]'")
