"""Alembic runs inside the connection that `Database.migrate` holds, so that two processes cannot migrate at once."""

from alembic import context

from streams.stores.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=False)
context.run_migrations()
