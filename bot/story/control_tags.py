"""Control tags: what a model that was trained with them is told of a story by (Keskar et al. 2019, "CTRL").

Invariant: the same format and genre have the same tags, in training and in generation; a tag is
a name here, and only the engine knows its token.
"""

from bot.story.concept_fields import known_genre

_GENRE = "<|genre:"


def format_tag(form: str) -> str:
    """Return the tag of a format."""
    return f"<|format:{form}|>"


def genre_tag(genre: str) -> str:
    """Return the tag of a genre."""
    return f"{_GENRE}{genre}|>"


def is_genre_tag(tag: str) -> bool:
    """Tell whether a tag is of a genre."""
    return tag.startswith(_GENRE)


def tags_for(form: str, genre: str) -> tuple[str, ...]:
    """Return the tags that stand before a story, in order; a genre that is not ours has none."""
    ours = known_genre(genre)
    return (format_tag(form), *((genre_tag(ours),) if ours else ()))
