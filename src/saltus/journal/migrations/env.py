"""Alembic runs on the connection that `journal/migrate.py` hands over, within its transaction."""

from alembic import context

from saltus.journal.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
