"""Who wrote a story.

Invariant: everybody who wrote a passage of the story as it reads, in order of appearance.
"""

from collections.abc import Callable, Mapping

from bot.locales import N_, Words
from bot.story import tree
from bot.story.model import AuthorKind, Story

_SOMEBODY = N_("somebody")


def credits_of(
    story: Story, words: Words, put: Callable[[str], str] = str
) -> Mapping[AuthorKind, tuple[str, ...]]:
    """Return the names of members and of models; ``put`` makes them what the file needs."""
    names: dict[AuthorKind, dict[int, str]] = {kind: {} for kind in AuthorKind}
    for passage in tree.path(story):
        for author_id in dict.fromkeys(
            (passage.author_id, *(revision.author_id for revision in passage.revisions))
        ):
            author = story.authors[author_id]
            name = " ".join(author.name.split()) or words(_SOMEBODY)
            names[author.kind].setdefault(author_id, put(name))
    return {kind: tuple(dict.fromkeys(found.values())) for kind, found in names.items()}
