"""Build the first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _big() -> sa.BigInteger:
    """Return 64 bits: ids, and moments as microseconds since 1970."""
    return sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


def _real() -> sa.Double[float]:
    return sa.Double().with_variant(sa.REAL(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", _big(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", _big(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("changed_by", _big(), nullable=False),
        sa.Column("changed_at", _big(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_strict=True,
    )
    op.create_index("ix_audit_scope", "audit", ["scope", "scope_id", "id"], unique=False)
    op.create_table(
        "authors",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("user_id", _big(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_authors")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_authors_member",
        "authors",
        ["platform", "user_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'member' AND user_id IS NOT NULL"),
        postgresql_where=sa.text("kind = 'member' AND user_id IS NOT NULL"),
    )
    op.create_index(
        "uq_authors_model",
        "authors",
        ["name"],
        unique=True,
        sqlite_where=sa.text("kind = 'model'"),
        postgresql_where=sa.text("kind = 'model'"),
    )
    op.create_table(
        "drafts",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("guild_id", _big(), nullable=True),
        sa.Column("user_id", _big(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", _big(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_drafts_created_at"), "drafts", ["created_at"], unique=False)
    op.create_table(
        "epochs",
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", _big(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_epochs")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_facts")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "settings",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", _big(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("changed_by", _big(), nullable=False),
        sa.Column("changed_at", _big(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "scope_id", "name", name=op.f("pk_settings")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "stories",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("guild_id", _big(), nullable=True),
        sa.Column("starter_id", _big(), nullable=False),
        sa.Column("created_at", _big(), nullable=False),
        sa.Column("updated_at", _big(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("title_id", _big(), nullable=True),
        sa.Column("concept_id", _big(), nullable=True),
        sa.Column("active_branch_id", _big(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_key", sa.Text(), nullable=False),
        sa.Column("passage_count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["starter_id"], ["authors.id"], name=op.f("fk_stories_starter_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stories")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_stories_guild_recent",
        "stories",
        ["guild_id", "updated_at", "id", "status", "title_key"],
        unique=False,
    )
    op.create_index(
        "ix_stories_place_recent",
        "stories",
        ["place", "updated_at", "id", "status", "title_key"],
        unique=False,
    )
    op.create_index(
        "uq_stories_current_place",
        "stories",
        ["place"],
        unique=True,
        sqlite_where=sa.text("is_current = 1"),
        postgresql_where=sa.text("is_current = 1"),
    )
    op.create_table(
        "entries",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("turn_id", _big(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author_id", _big(), nullable=False),
        sa.Column("at", _big(), nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("is_undone", sa.Integer(), nullable=False),
        sa.Column("is_abandoned", sa.Integer(), nullable=False),
        sa.Column("changes", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["authors.id"], name=op.f("fk_entries_author_id")),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_entries_story_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("key", name=op.f("uq_entries_key")),
        sa.UniqueConstraint("story_id", "seq", name=op.f("uq_entries_story_id_seq")),
        sqlite_strict=True,
    )
    op.create_table(
        "inbox",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("author_id", _big(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("wants_answer", sa.Integer(), nullable=False),
        sa.Column("arrived_at", _big(), nullable=False),
        sa.Column("origin_channel_id", _big(), nullable=True),
        sa.Column("origin_message_id", _big(), nullable=True),
        sa.ForeignKeyConstraint(["author_id"], ["authors.id"], name=op.f("fk_inbox_author_id")),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_inbox_story_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("key", name=op.f("uq_inbox_key")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_inbox_story_id"), "inbox", ["story_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("turn_id", _big(), nullable=False),
        sa.Column("parent_id", _big(), nullable=True),
        sa.Column("author_id", _big(), nullable=False),
        sa.Column("seed", _big(), nullable=False),
        sa.Column("length", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("epoch", _big(), nullable=False),
        sa.Column("expires_at", _big(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", _big(), nullable=True),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["authors.id"], name=op.f("fk_jobs_author_id")),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_jobs_story_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_jobs_open_story",
        "jobs",
        ["story_id"],
        unique=True,
        sqlite_where=sa.text("status = 'open'"),
        postgresql_where=sa.text("status = 'open'"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("passage_id", _big(), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("channel_id", _big(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("message_id", _big(), nullable=True),
        sa.Column("is_own", sa.Integer(), nullable=False),
        sa.Column("created_at", _big(), nullable=True),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_outbox_story_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint(
            "passage_id", "channel_id", "part", name=op.f("uq_outbox_passage_id_channel_id_part")
        ),
        sqlite_strict=True,
    )
    op.create_index("ix_outbox_channel_id", "outbox", ["channel_id"], unique=False)
    op.create_index(op.f("ix_outbox_message_id"), "outbox", ["message_id"], unique=False)
    op.create_index("ix_outbox_story_id_id", "outbox", ["story_id", "id"], unique=False)
    op.create_index(
        "ix_outbox_unsettled",
        "outbox",
        ["id"],
        unique=False,
        sqlite_where=sa.text("is_own = 1 AND status IN ('pending', 'sent')"),
        postgresql_where=sa.text("is_own = 1 AND status IN ('pending', 'sent')"),
    )
    op.create_table(
        "story_authors",
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("author_id", _big(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["authors.id"], name=op.f("fk_story_authors_author_id")
        ),
        sa.ForeignKeyConstraint(
            ["story_id"], ["stories.id"], name=op.f("fk_story_authors_story_id")
        ),
        sa.PrimaryKeyConstraint("story_id", "author_id", name=op.f("pk_story_authors")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index("ix_story_authors_author_id", "story_authors", ["author_id"], unique=False)
    op.create_table(
        "texts",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("is_blanked", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_texts_story_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_texts")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_texts_story_id"), "texts", ["story_id"], unique=False)
    op.create_table(
        "passages",
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("parent_id", _big(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("author_id", _big(), nullable=False),
        sa.Column("at", _big(), nullable=False),
        sa.Column("text_id", _big(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["authors.id"], name=op.f("fk_passages_author_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["passages.id"], name=op.f("fk_passages_parent_id")),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_passages_story_id")),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name=op.f("fk_passages_text_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passages")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_passages_story_id"), "passages", ["story_id"], unique=False)
    op.create_table(
        "branches",
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("id", _big(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("head_id", _big(), nullable=True),
        sa.ForeignKeyConstraint(["head_id"], ["passages.id"], name=op.f("fk_branches_head_id")),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_branches_story_id")),
        sa.PrimaryKeyConstraint("story_id", "id", name=op.f("pk_branches")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "provenances",
        sa.Column("passage_id", _big(), autoincrement=False, nullable=False),
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("model_revision", sa.Text(), nullable=False),
        sa.Column("engine_version", sa.Text(), nullable=False),
        sa.Column("precision", sa.Text(), nullable=False),
        sa.Column("seed", _big(), nullable=False),
        sa.Column("sampling", sa.Text(), nullable=False),
        sa.Column("finish", sa.Text(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("rewinds", sa.Integer(), nullable=False),
        sa.Column("duration_s", _real(), nullable=False),
        sa.Column("tokenizer_hash", sa.Text(), nullable=False),
        sa.Column("token_ids", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["passage_id"], ["passages.id"], name=op.f("fk_provenances_passage_id")
        ),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_provenances_story_id")),
        sa.PrimaryKeyConstraint("passage_id", name=op.f("pk_provenances")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_provenances_story_id"), "provenances", ["story_id"], unique=False)
    op.create_table(
        "revisions",
        sa.Column("story_id", _big(), nullable=False),
        sa.Column("passage_id", _big(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("text_id", _big(), nullable=False),
        sa.Column("author_id", _big(), nullable=False),
        sa.Column("at", _big(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["authors.id"], name=op.f("fk_revisions_author_id")),
        sa.ForeignKeyConstraint(
            ["passage_id"], ["passages.id"], name=op.f("fk_revisions_passage_id")
        ),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name=op.f("fk_revisions_story_id")),
        sa.ForeignKeyConstraint(["text_id"], ["texts.id"], name=op.f("fk_revisions_text_id")),
        sa.PrimaryKeyConstraint("story_id", "passage_id", "number", name=op.f("pk_revisions")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
