"""Authors: one surrogate row for each member and each model.

Invariant: a member is known by platform and user id, a model by its name; the row's id
never changes, so that blanking the row anonymises everything it wrote.
"""

import sqlalchemy as sa

from bot.storage import tables as t
from bot.storage.rows import author_from, author_row
from bot.storage.session import Session
from bot.story.model import Author, AuthorKind

AUTHOR_COLUMNS = (
    t.authors.c.id,
    t.authors.c.kind,
    t.authors.c.platform,
    t.authors.c.user_id,
    t.authors.c.name,
)


async def stored_author(session: Session, author: Author) -> Author:
    """Return the stored author, inserting ``author`` or updating the name.

    An author without an identity (a member who was forgotten) is found by id.
    """
    columns = t.authors.c
    if author.kind is AuthorKind.MODEL:
        known = sa.and_(sa.text("authors.kind = 'model'"), columns.name == author.name)
    elif author.user_id is None:
        known = columns.id == author.id
    else:
        # The first two conditions repeat the partial index's own.
        known = sa.and_(
            sa.text("authors.kind = 'member' AND authors.user_id IS NOT NULL"),
            columns.platform == author.platform,
            columns.user_id == author.user_id,
        )
    row = await session.row(sa.select(*AUTHOR_COLUMNS).where(known))
    if row is None:
        await session.insert(t.authors, [author_row(author)])
        return author
    stored = author_from(row)
    if author.name and author.name != stored.name:
        await session.execute(
            sa.update(t.authors).where(columns.id == stored.id).values(name=author.name)
        )
        return Author(stored.id, stored.kind, author.name, stored.platform, stored.user_id)
    return stored
