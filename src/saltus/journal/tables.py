"""The tables of the journal. Their history is `migrations/`; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

metadata = MetaData()

plans = Table(
    "plans",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("cloud", String(255), nullable=False),
    Column("json", Text, nullable=False),
    Column("saved_at", String(40), nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(128), primary_key=True),
    Column("fingerprint", String(64), ForeignKey("plans.fingerprint"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("cloud", String(255), nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("created_by", String(255), nullable=False),
    Column("undoes", String(128), nullable=True),
)

events = Table(
    "events",
    metadata,
    Column("run", String(128), ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("step", String(255), nullable=True),
    Column("json", Text, nullable=False),
    Index("events_by_kind", "run", "kind"),
)

leases = Table(
    "leases",
    metadata,
    Column("run", String(128), ForeignKey("runs.id"), primary_key=True),
    Column("runner", String(64), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column(
        "place", String(128), nullable=False, server_default=""
    ),  # where that pid means something: this boot, this pid namespace
    Column("by", String(255), nullable=False),
    Column("until", Float, nullable=False),  # seconds since 1970, by the database's clock
)

locks = Table(
    "locks",
    metadata,
    Column("cloud", String(255), primary_key=True),
    Column("part", String(255), primary_key=True),
    Column("run", String(128), ForeignKey("runs.id"), nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("password", Text, nullable=True),  # argon2id; None: logs in by token only
    Column("active", Boolean, nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("created_by", String(255), nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("account", String(255), ForeignKey("accounts.name"), nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 of 256 random bits: nothing to guess, so nothing to slow down
    Column("label", String(255), nullable=False),
    Column("created_at", String(40), nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("once", Boolean, nullable=False),
)
