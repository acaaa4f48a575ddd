"""The first tables. From the first release on, a change is a new file here, never an edit of `tables.py` alone."""

from alembic import op

from streams.stores.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    metadata.drop_all(op.get_bind())
