"""Remember how a passage came to have its format's form."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "provenances", sa.Column("form", sa.Text(), nullable=False, server_default=sa.text("''"))
    )
