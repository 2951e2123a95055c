"""Who may do what, and where.

Invariant: ``may`` is asked by every use case before it acts, with who asks and where
taken from the platform at that moment; what a command's visibility hides is checked
here again. It returns nothing or raises.
"""

from dataclasses import dataclass
from enum import StrEnum

from bot.errors import ChannelOffError, NotAllowedError
from bot.locales import N_
from bot.policy.settings import Settings
from bot.story.concept_fields import known_genre


class Right(StrEnum):
    """What can be asked for."""

    READ = "read"  # show, list, context, map
    START = "start"
    WRITE = "write"  # continue, add, write: words, the model's turn, or both
    STEER = "steer"  # retry, pick, rename, concept, memory
    UNDO = "undo"  # undo, redo, stop
    EDIT = "edit"
    END = "end"
    OPEN = "open"
    DELETE = "delete"
    CONFIGURE = "configure"
    EXPORT = "export"
    IMPORT = "import"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who asks.

    Attributes:
        user_id: on the platform.
        name: as others see it now.
        is_admin: holds Manage Server.
        is_moderator: holds Manage Messages; an admin counts as one.
        locale: such as "de" or "en-GB".
        platform: "discord" or "terminal".
    """

    user_id: int
    name: str
    is_admin: bool = False
    is_moderator: bool = False
    locale: str = "en"
    platform: str = "discord"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it is asked: a channel, thread, forum post, direct message or terminal session.

    Attributes:
        platform: "discord" or "terminal".
        guild_id: None in a direct message and in the terminal.
        channel_id: of the channel or thread itself.
        parent_id: of the channel that a thread or post belongs to; None otherwise.
        is_age_restricted: as the channel (of a thread, its parent) is marked.
        is_direct: one member alone with the bot.
        name: for people.
    """

    platform: str
    guild_id: int | None
    channel_id: int
    parent_id: int | None = None
    is_age_restricted: bool = False
    is_direct: bool = False
    name: str = ""


class NotAdminError(NotAllowedError):
    """Only those who manage the server may."""

    code = "not_allowed.admin"
    message = N_("Only members who may manage the server can do that.")


class NotOwnerError(NotAllowedError):
    """Only the story's starter or a moderator may."""

    code = "not_allowed.owner"
    message = N_("Only the member who started this story, or a moderator, can delete it.")


class NotAuthorError(NotAllowedError):
    """Only the passage's author or a moderator may."""

    code = "not_allowed.author"
    message = N_("Only the member who wrote this passage, or a moderator, can edit it.")


class FormatOffError(NotAllowedError):
    """Stories of this format cannot be started here."""

    code = "not_allowed.format"
    message = N_("The format {given} cannot be started here. These can: {allowed}.")


class GenreOffError(NotAllowedError):
    """Stories of this genre cannot be started here."""

    code = "not_allowed.genre"
    message = N_("The genre {given} cannot be started here. These can: {allowed}.")


# What goes on working where stories are switched off.
_WITHOUT_STORIES = frozenset({Right.READ, Right.EXPORT, Right.CONFIGURE})


def may(
    actor: Actor,
    right: Right,
    place: Place,
    settings: Settings,
    *,
    owner_id: int | None = None,
    author_id: int | None = None,
) -> None:
    """Return where the actor may; raise where not.

    Args:
        actor: who asks.
        right: for what.
        place: where.
        settings: the place's effective ones.
        owner_id: for DELETE: who started the story; None where that was forgotten.
        author_id: for EDIT: who wrote the passage; None for the model, whose passages
            everybody may edit. For a forgotten member pass 0.

    Raises:
        ChannelOffError: stories are switched off here.
        NotAllowedError: the actor lacks the right; its subclass says why.
    """
    # Alone with the bot, everything is one's own.
    is_sovereign = place.is_direct or place.platform == "terminal"
    if not settings.is_enabled and right not in _WITHOUT_STORIES:
        raise ChannelOffError
    moderates = actor.is_moderator or actor.is_admin or is_sovereign
    if right is Right.CONFIGURE and not (actor.is_admin or is_sovereign):
        raise NotAdminError
    if right is Right.DELETE and not (moderates or actor.user_id == owner_id):
        raise NotOwnerError
    if right is Right.EDIT and not (moderates or author_id in {None, actor.user_id}):
        raise NotAuthorError


def may_tell(story_format: str, genre: str, settings: Settings) -> None:
    """Return where a story of that format and genre can be started; raise where not.

    Raises:
        FormatOffError: the format is switched off.
        GenreOffError: the genre is.
    """
    if story_format not in settings.formats:
        raise FormatOffError(given=story_format, allowed=", ".join(settings.formats))
    if genre and not is_genre_on(genre, settings):
        raise GenreOffError(given=genre, allowed=", ".join(settings.genres))


def is_genre_on(genre: str, settings: Settings) -> bool:
    """Tell whether stories of a genre can be started, by whatever of its names."""
    return not settings.genres or _folded(genre) in map(_folded, settings.genres)


def _folded(genre: str) -> str:
    return known_genre(genre) or " ".join(genre.casefold().split())
