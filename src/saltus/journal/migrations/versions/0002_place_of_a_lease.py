"""Leases say in which boot and pid namespace their process id means something."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    leases = {column["name"] for column in sa.inspect(op.get_bind()).get_columns("leases")}
    if "place" not in leases:  # the very first journals were made with it already
        op.add_column("leases", sa.Column("place", sa.String(128), nullable=False, server_default=""))
