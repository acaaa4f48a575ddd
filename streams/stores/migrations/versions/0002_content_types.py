"""A dataset says what kind of sound it holds, and which thresholds it sets otherwise."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("content_type", sa.String(), nullable=False, server_default="music"))
    op.add_column("datasets", sa.Column("thresholds", sa.JSON(), nullable=False, server_default="{}"))
