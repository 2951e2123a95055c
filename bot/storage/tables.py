"""The tables, in one place; ``migrations`` builds the same ones (a test compares them).

Invariants:
    - Words stand in ``texts.body`` (and, until they are appended, in ``inbox.text`` and
      ``drafts.body``); a title is repeated in ``stories`` for the search; names stand in
      ``authors`` only. Forgetting blanks these and nothing else.
    - Rows of ``texts``, ``passages``, ``revisions`` and ``entries`` are never deleted.
    - One current story a place, one open job a story, one entry a key: held by
      unique indexes, not by the good will of the code above.
    - Pointers that would close a circle (a story's title, concept and active branch) have
      no foreign key; ``maintenance.check`` watches them.
"""

from typing import Any

import sqlalchemy as sa

from bot.storage.columns import Flag, Instant, big, real

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _table(name: str, *items: sa.schema.SchemaItem, has_rowid: bool = True) -> sa.Table:
    return sa.Table(name, metadata, *items, sqlite_strict=True, sqlite_with_rowid=has_rowid)


def _column(
    name: str, type_: sa.types.TypeEngine[Any], *args: Any, **options: Any
) -> sa.Column[Any]:
    """Return a column that is NOT NULL unless told otherwise."""
    return sa.Column(name, type_, *args, **{"nullable": False, **options})


def _id(name: str = "id") -> sa.Column[Any]:
    return sa.Column(name, big(), primary_key=True, autoincrement=False)


def _partial(name: str, *columns: str, where: str, is_unique: bool = True) -> sa.Index:
    condition = sa.text(where)
    return sa.Index(
        name, *columns, unique=is_unique, sqlite_where=condition, postgresql_where=condition
    )


authors = _table(
    "authors",
    _id(),
    _column("kind", sa.Text()),
    _column("platform", sa.Text()),
    _column("user_id", big(), nullable=True),
    _column("name", sa.Text()),
    _partial(
        "uq_authors_member", "platform", "user_id", where="kind = 'member' AND user_id IS NOT NULL"
    ),
    _partial("uq_authors_model", "name", where="kind = 'model'"),
)

stories = _table(
    "stories",
    _id(),
    _column("place", sa.Text()),
    _column("guild_id", big(), nullable=True),
    _column("starter_id", big(), sa.ForeignKey("authors.id")),
    _column("created_at", Instant()),
    _column("updated_at", Instant()),
    _column("version", sa.Integer()),
    _column("is_current", Flag()),
    _column("status", sa.Integer()),
    _column("title_id", big(), nullable=True),
    _column("concept_id", big(), nullable=True),
    _column("active_branch_id", big()),
    # What lists show, kept beside the pointers so that a list is one indexed read.
    _column("title", sa.Text()),
    _column("title_key", sa.Text()),
    _column("passage_count", sa.Integer()),
    _partial("uq_stories_current_place", "place", where="is_current = 1"),
    # Newest first is these indexes read backwards; the search runs within them and
    # touches the table for hits only.
    sa.Index("ix_stories_place_recent", "place", "updated_at", "id", "status", "title_key"),
    sa.Index("ix_stories_guild_recent", "guild_id", "updated_at", "id", "status", "title_key"),
)

story_authors = _table(
    "story_authors",
    _column("story_id", big(), sa.ForeignKey("stories.id"), primary_key=True),
    _column("author_id", big(), sa.ForeignKey("authors.id"), primary_key=True),
    sa.Index("ix_story_authors_author_id", "author_id"),
    has_rowid=False,
)

texts = _table(
    "texts",
    _id(),
    _column("story_id", big(), sa.ForeignKey("stories.id"), index=True),
    _column("body", sa.Text()),
    _column("is_blanked", Flag()),
)

passages = _table(
    "passages",
    _id(),
    _column("story_id", big(), sa.ForeignKey("stories.id"), index=True),
    _column("parent_id", big(), sa.ForeignKey("passages.id"), nullable=True),
    _column("kind", sa.Text()),
    _column("author_id", big(), sa.ForeignKey("authors.id")),
    _column("at", Instant()),
    _column("text_id", big(), sa.ForeignKey("texts.id")),
)

revisions = _table(
    "revisions",
    _column("story_id", big(), sa.ForeignKey("stories.id"), primary_key=True),
    _column("passage_id", big(), sa.ForeignKey("passages.id"), primary_key=True),
    _column("number", sa.Integer(), primary_key=True, autoincrement=False),
    _column("text_id", big(), sa.ForeignKey("texts.id")),
    _column("author_id", big(), sa.ForeignKey("authors.id")),
    _column("at", Instant()),
    has_rowid=False,
)

provenances = _table(
    "provenances",
    sa.Column(
        "passage_id", big(), sa.ForeignKey("passages.id"), primary_key=True, autoincrement=False
    ),
    _column("story_id", big(), sa.ForeignKey("stories.id"), index=True),
    _column("model", sa.Text()),
    _column("model_revision", sa.Text()),
    _column("engine_version", sa.Text()),
    _column("precision", sa.Text()),
    _column("seed", big()),
    _column("sampling", sa.Text()),  # JSON
    _column("finish", sa.Text()),
    _column("prompt_tokens", sa.Integer()),
    _column("completion_tokens", sa.Integer()),
    _column("rewinds", sa.Integer()),
    _column("duration_s", real()),
    _column("tokenizer_hash", sa.Text()),
    _column("token_ids", sa.LargeBinary()),  # unsigned 32-bit, little-endian
    _column("form", sa.Text(), server_default=sa.text("''")),
)

branches = _table(
    "branches",
    _column("story_id", big(), sa.ForeignKey("stories.id"), primary_key=True),
    _column("id", big(), primary_key=True, autoincrement=False),
    _column("name", sa.Text()),
    _column("head_id", big(), sa.ForeignKey("passages.id"), nullable=True),
    has_rowid=False,
)

entries = _table(
    "entries",
    _id(),
    _column("story_id", big(), sa.ForeignKey("stories.id")),
    _column("seq", sa.Integer()),
    _column("turn_id", big()),
    _column("kind", sa.Text()),
    _column("author_id", big(), sa.ForeignKey("authors.id")),
    _column("at", Instant()),
    _column("key", sa.Text(), nullable=True, unique=True),
    _column("is_undone", Flag()),
    _column("is_abandoned", Flag()),
    _column("changes", sa.Text()),  # JSON: [[pointer, key, before, after], …]
    sa.UniqueConstraint("story_id", "seq"),
)

jobs = _table(
    "jobs",
    _id(),
    _column("story_id", big(), sa.ForeignKey("stories.id")),
    _column("kind", sa.Text()),
    _column("turn_id", big()),
    _column("parent_id", big(), nullable=True),
    _column("author_id", big(), sa.ForeignKey("authors.id")),
    _column("seed", big()),
    _column("length", sa.Text()),
    _column("status", sa.Text()),
    _column("owner", sa.Text()),
    _column("epoch", big()),
    _column("expires_at", Instant(), nullable=True),
    _column("attempts", sa.Integer()),
    _column("created_at", Instant(), nullable=True),
    _column("locale", sa.Text()),
    _partial("uq_jobs_open_story", "story_id", where="status = 'open'"),
)

inbox = _table(
    "inbox",
    _id(),
    _column("story_id", big(), sa.ForeignKey("stories.id"), index=True),
    _column("author_id", big(), sa.ForeignKey("authors.id")),
    _column("text", sa.Text()),
    _column("key", sa.Text(), unique=True),
    _column("wants_answer", Flag()),
    _column("arrived_at", Instant()),
    _column("origin_channel_id", big(), nullable=True),
    _column("origin_message_id", big(), nullable=True),
)

outbox = _table(
    "outbox",
    _id(),
    _column("story_id", big(), sa.ForeignKey("stories.id")),
    # No foreign key: the first part is sent while the passage is still being written.
    _column("passage_id", big()),
    _column("part", sa.Integer()),
    _column("channel_id", big()),
    _column("nonce", sa.Text()),
    _column("status", sa.Text()),
    _column("message_id", big(), nullable=True, index=True),
    _column("is_own", Flag()),
    _column("created_at", Instant(), nullable=True),
    sa.UniqueConstraint("passage_id", "channel_id", "part"),
    sa.Index("ix_outbox_story_id_id", "story_id", "id"),
    sa.Index("ix_outbox_channel_id", "channel_id"),
    _partial(
        "ix_outbox_unsettled",
        "id",
        where="is_own = 1 AND status IN ('pending', 'sent')",
        is_unique=False,
    ),
)

drafts = _table(
    "drafts",
    _id(),
    _column("place", sa.Text()),
    _column("guild_id", big(), nullable=True),
    _column("user_id", big()),
    _column("body", sa.Text()),
    _column("created_at", Instant(), index=True),
)

settings = _table(
    "settings",
    _column("scope", sa.Text(), primary_key=True),
    _column("scope_id", big(), primary_key=True, autoincrement=False),
    _column("name", sa.Text(), primary_key=True),
    _column("value", sa.Text()),
    _column("changed_by", big()),
    _column("changed_at", Instant()),
    has_rowid=False,
)

audit = _table(
    "audit",
    sa.Column("id", big(), primary_key=True),
    _column("scope", sa.Text()),
    _column("scope_id", big()),
    _column("name", sa.Text()),
    _column("before", sa.Text(), nullable=True),
    _column("after", sa.Text(), nullable=True),
    _column("changed_by", big()),
    _column("changed_at", Instant()),
    sa.Index("ix_audit_scope", "scope", "scope_id", "id"),
)

facts = _table(
    "facts",
    _column("name", sa.Text(), primary_key=True),
    _column("value", sa.Text()),
    has_rowid=False,
)

epochs = _table(
    "epochs",
    _column("owner", sa.Text(), primary_key=True),
    _column("epoch", big()),
    has_rowid=False,
)

# Conditions spelled exactly as in the partial indexes: SQLite uses such an index only
# where the query repeats its condition literally.
IS_CURRENT = sa.text("stories.is_current = 1")
IS_OPEN_JOB = sa.text("jobs.status = 'open'")
IS_UNSETTLED = sa.text("outbox.is_own = 1 AND outbox.status IN ('pending', 'sent')")
