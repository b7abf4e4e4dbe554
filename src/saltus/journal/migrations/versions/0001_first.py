"""Plans, runs, events, leases, locks, accounts, tokens."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "plans",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("cloud", sa.String(255), nullable=False),
        sa.Column("json", sa.Text, nullable=False),
        sa.Column("saved_at", sa.String(40), nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("fingerprint", sa.String(64), sa.ForeignKey("plans.fingerprint"), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("cloud", sa.String(255), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
        sa.Column("undoes", sa.String(128), nullable=True),
    )
    op.create_table(
        "events",
        sa.Column("run", sa.String(128), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("step", sa.String(255), nullable=True),
        sa.Column("json", sa.Text, nullable=False),
    )
    op.create_index("events_by_kind", "events", ["run", "kind"])
    op.create_table(
        "leases",
        sa.Column("run", sa.String(128), sa.ForeignKey("runs.id"), primary_key=True),
        sa.Column("runner", sa.String(64), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("by", sa.String(255), nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )
    op.create_table(
        "locks",
        sa.Column("cloud", sa.String(255), primary_key=True),
        sa.Column("part", sa.String(255), primary_key=True),
        sa.Column("run", sa.String(128), sa.ForeignKey("runs.id"), nullable=False),
    )
    op.create_table(
        "accounts",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("password", sa.Text, nullable=True),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("created_by", sa.String(255), nullable=False),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("account", sa.String(255), sa.ForeignKey("accounts.name"), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("created_at", sa.String(40), nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("once", sa.Boolean, nullable=False),
    )
