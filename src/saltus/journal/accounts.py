"""Who may look, operate and approve: accounts with a role, passwords as argon2id, tokens that expire.

There is no default account and no default password. Accounts are in force as soon as there is one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import delete, func, insert, select, update

from saltus.errors import OperatorError
from saltus.journal import tables
from saltus.journal.connection import Database

Role = Literal["viewer", "operator", "approver"]
ROLES: tuple[Role, ...] = ("viewer", "operator", "approver")
"""Each may do what those before it may: look; run, pause and skip; answer gates and keep accounts."""

FIRST_ACCOUNT = "admin"
_MIN_PASSWORD = 12
_NAME = re.compile(r"[a-z_][a-z0-9._@-]{0,63}", re.IGNORECASE)


@dataclass(frozen=True)
class Account:
    name: str
    role: Role
    active: bool
    has_password: bool
    created_at: datetime
    created_by: str


@dataclass(frozen=True)
class Token:
    id: str
    account: str
    label: str
    created_at: datetime
    expires_at: datetime
    once: bool


class AccountRefused(OperatorError):
    """The account cannot be made, changed or used so."""


class Accounts:
    def __init__(self, db: Database) -> None:
        self._db = db

    def any(self) -> bool:
        with self._db.read() as connection:
            return connection.execute(select(func.count()).select_from(tables.accounts)).scalar_one() > 0

    def all(self) -> list[Account]:
        with self._db.read() as connection:
            rows = connection.execute(select(tables.accounts).order_by(tables.accounts.c.name)).all()
        return [_account(row) for row in rows]

    def find(self, name: str) -> Account:
        with self._db.read() as connection:
            row = connection.execute(select(tables.accounts).filter_by(name=name)).first()
        if row is None:
            raise AccountRefused(
                what=f"there is no account {name}", because="nobody has made it", do="saltus user list"
            )
        return _account(row)

    def create(self, name: str, role: Role, *, by: str) -> Account:
        if not _NAME.fullmatch(name):
            raise AccountRefused(
                what=f"{name!r} is no name for an account",
                because="a name is a letter, then letters, digits and . _ @ -",
                do="choose another name",
            )
        now = datetime.now(UTC)
        with self._db.write() as connection:
            if connection.execute(select(tables.accounts.c.name).filter_by(name=name)).first():
                raise AccountRefused(
                    what=f"the account {name} was not made",
                    because="there is one already",
                    do=f"saltus user set {name}",
                )
            connection.execute(
                insert(tables.accounts).values(
                    name=name, role=role, password=None, active=True, created_at=now.isoformat(), created_by=by
                )
            )
        return Account(name, role, True, False, now, by)

    def change(self, name: str, *, role: Role | None = None, active: bool | None = None) -> Account:
        """Give another role, or close and open the account; closing revokes its tokens."""
        self.find(name)
        values: dict[str, Any] = {}
        if role is not None:
            values["role"] = role
        if active is not None:
            values["active"] = active
        with self._db.write() as connection:
            if values:
                connection.execute(update(tables.accounts).where(tables.accounts.c.name == name).values(values))
            if active is False:
                connection.execute(delete(tables.tokens).filter_by(account=name))
        return self.find(name)

    # -- passwords

    def set_password(self, name: str, password: str) -> None:
        from argon2 import PasswordHasher

        self.find(name)
        if len(password) < _MIN_PASSWORD:
            raise AccountRefused(
                what=f"the password of {name} was not set",
                because=f"it has fewer than {_MIN_PASSWORD} characters",
                do="choose a longer one; length is worth more than odd characters",
            )
        hashed = PasswordHasher().hash(password)
        with self._db.write() as connection:
            connection.execute(update(tables.accounts).where(tables.accounts.c.name == name).values(password=hashed))

    def check_password(self, name: str, password: str) -> Account | None:
        """The account, when it is open and the password is its own. Takes as long for a name that is not there."""
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        with self._db.read() as connection:
            row = connection.execute(select(tables.accounts).filter_by(name=name)).first()
        hasher = PasswordHasher()
        stored = row.password if row and row.password else hasher.hash(secrets.token_hex(16))
        try:
            hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return None
        return _account(row) if row and row.active else None

    # -- tokens

    def new_token(self, name: str, *, lifetime: timedelta, label: str = "", once: bool = False) -> str:
        """A token for `name`, shown this once and kept only as a hash: `saltus_<id>_<secret>`."""
        account = self.find(name)
        if not account.active:
            raise AccountRefused(
                what=f"{name} gets no token", because="the account is closed", do=f"saltus user set {name} --open"
            )
        ident, secret = secrets.token_hex(4), secrets.token_hex(32)
        now = datetime.now(UTC)
        with self._db.write() as connection:
            connection.execute(
                insert(tables.tokens).values(
                    id=ident,
                    account=name,
                    hash=_hash(secret),
                    label=label,
                    created_at=now.isoformat(),
                    expires_at=(now + lifetime).timestamp(),
                    once=once,
                )
            )
        return f"saltus_{ident}_{secret}"

    def check_token(self, token: str) -> Account | None:
        """The account behind `token`, when it has not expired; a one-time token is used up by this."""
        parts = token.strip().split("_")
        if len(parts) != 3 or parts[0] != "saltus":
            return None
        with self._db.write() as connection:
            row = connection.execute(select(tables.tokens).filter_by(id=parts[1])).first()
            if row is None or not hmac.compare_digest(row.hash, _hash(parts[2])):
                return None
            expired = row.expires_at <= self._db.now(connection)
            if row.once or expired:
                connection.execute(delete(tables.tokens).filter_by(id=row.id))
            if expired:
                return None
            account = connection.execute(select(tables.accounts).filter_by(name=row.account)).first()
        return _account(account) if account and account.active else None

    def tokens(self, name: str | None = None) -> list[Token]:
        query = select(tables.tokens).order_by(tables.tokens.c.account, tables.tokens.c.created_at)
        if name:
            query = query.filter_by(account=name)
        with self._db.read() as connection:
            rows = connection.execute(query).all()
        return [
            Token(
                row.id,
                row.account,
                row.label,
                datetime.fromisoformat(row.created_at),
                datetime.fromtimestamp(row.expires_at, UTC),
                row.once,
            )
            for row in rows
        ]

    def revoke_token(self, ident: str) -> None:
        with self._db.write() as connection:
            gone = connection.execute(delete(tables.tokens).filter_by(id=ident)).rowcount
        if not gone:
            raise AccountRefused(
                what=f"there is no token {ident}",
                because="it has expired, was used up, or never was",
                do="saltus user tokens",
            )

    def first_token(self, *, by: str) -> str | None:
        """On the first start, when there are no accounts: the account `admin` and a token that lets in once, for a day.

        None when there are accounts already.
        """
        if self.any():
            return None
        self.create(FIRST_ACCOUNT, "approver", by=by)
        return self.new_token(FIRST_ACCOUNT, lifetime=timedelta(days=1), label="first start", once=True)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _account(row: Any) -> Account:
    return Account(
        name=row.name,
        role=cast(Role, row.role),
        active=bool(row.active),
        has_password=row.password is not None,
        created_at=datetime.fromisoformat(row.created_at),
        created_by=row.created_by,
    )
