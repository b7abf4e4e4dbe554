"""Passwords and keys. The model names each by its path; they stand encrypted in the tree's own `secrets`, or in a YAML
file outside it that only its owner reads. What is encrypted is decrypted by whoever holds the key, when it is used.
"""

from __future__ import annotations

import base64
import os
import secrets as random
import stat
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from saltus.errors import OperatorError
from saltus.model.cloud import Cloud
from saltus.model.plain import PGP_MESSAGE

Decrypt = Callable[[str], str]
"""A text with its PGP messages decrypted (`fleet.decryption`). Raises an OperatorError."""

Secret = str | dict[str, str]
"""A password, a set of numbered keys (`{"0": ..., "1": ...}`) or a pair of them."""

KEY_SETS = ("fernet", "credential")
"""Keystone's key repositories. The highest number is the primary key, 0 the staged one (keystone: fernet-token-faq)."""

KEY_PAIRS = ("nova:migration",)
"""Pairs of keys of ssh: `{"private": ..., "public": ...}`, as ssh-keygen writes them."""

HEAT_KEY = "heat_auth_encryption_key"
"""heat's auth_encryption_key; heat refuses to start unless it has exactly 32 characters."""

ALPHABET = string.ascii_letters + string.digits
"""Of passwords. They stand in URLs and INI files, so nothing in them needs quoting."""


class SecretsUnreadable(OperatorError):
    """The store is missing, is open to others, or is not what we wrote."""


def required_secrets(cloud: Cloud) -> list[str]:
    """The paths that the roles of the cloud name: `database:nova`, `service:nova`, `rabbitmq`, `fernet`, ..."""
    return sorted({path for node in cloud.nodes for path in node.secrets})


def _cannot_decrypt(text: str) -> str:
    raise SecretsUnreadable(
        what="a secret is encrypted and was not decrypted",
        because="nothing here was given the key",
        do="this is a bug of Saltus; please report it with the name of the command",
    )


class SecretStore:
    """The secrets of one cloud: those of its model (`Cloud.secrets`), then `<directory>/<cloud>.yml`.

    Nothing here prints a value.
    """

    def __init__(
        self,
        directory: Path,
        cloud: str,
        *,
        of_model: Mapping[str, Any] | None = None,
        decrypt: Decrypt = _cannot_decrypt,
    ) -> None:
        self.path = Path(directory) / f"{cloud}.yml"
        self._of_model, self._decrypt = dict(of_model or {}), decrypt

    def __repr__(self) -> str:
        return f"SecretStore({str(self.path)!r})"

    def generate(self, cloud: Cloud, *, also: Iterable[str] = ()) -> list[str]:
        """Write at random what `cloud` and `also` need and neither model nor file has. Returns the paths written."""
        content = self._load() if self.path.exists() else {}
        written = []
        for path in [*required_secrets(cloud), *also]:
            if _find(self._of_model, path) is None and _find(content, path) is None:
                _put(content, path, _random(path))
                written.append(path)
        if written:
            self._save(content)
        return written

    def missing(self, paths: Iterable[str]) -> list[str]:
        """Those of `paths` that neither model nor file has. Nothing is decrypted."""
        content = self._load() if self.path.exists() else {}
        return [path for path in paths if not _find(self._of_model, path) and not _find(content, path)]

    def plain(self) -> list[str]:
        """The paths of what stands in the file as who opens it can read it."""
        content = self._load() if self.path.exists() else {}
        return sorted(path for path, value in _leaves(content) if PGP_MESSAGE.sub("", value).strip())

    def tree(self, paths: Iterable[str]) -> dict[str, Any]:
        """The secrets at `paths` and no others, nested as in the pillar: `{"database": {"nova": ...}}`."""
        paths, absent = list(paths), []
        content = self._load() if self.path.exists() or not self._of_model else {}
        wanted: dict[str, Any] = {}
        for path in paths:
            value = _find(self._of_model, path) or _find(content, path)
            if value is None:
                absent.append(path)
            else:
                _put(wanted, path, self._decrypted(value))
        if absent:
            raise SecretsUnreadable(
                what=f"neither the model nor the secret store {self.path} has {', '.join(absent)}",
                because="a role of the model needs it",
                do="encrypt it into the model (docs/model.md); for a lab: saltus lab up writes what is missing",
            )
        return wanted

    def get(self, path: str) -> Secret:
        value: Any = self.tree([path])
        for key in path.split(":"):
            value = value[key]
        return value  # type: ignore[no-any-return]

    def values(self) -> frozenset[str]:
        """Every value, decrypted, for the redactor of logs and output."""
        content = self._load() if self.path.exists() else {}
        every = [value for source in (self._of_model, content) for _, value in _leaves(source)]
        return frozenset(self._decrypted(value) for value in every)

    def _decrypted(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._decrypted(inner) for key, inner in value.items()}
        return self._decrypt(value) if isinstance(value, str) and PGP_MESSAGE.search(value) else value

    def _load(self) -> dict[str, Any]:
        try:
            with self.path.open(encoding="utf-8") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                if mode & 0o077:
                    raise SecretsUnreadable(
                        what=f"the secret store {self.path} was not read",
                        because=f"its mode is {mode:04o}: others than its owner can read or change it",
                        do=f"chmod 600 {self.path}; if the machine has other users, change the passwords too",
                    )
                content = yaml.safe_load(file)
        except OSError as exc:
            raise SecretsUnreadable(
                what=f"the secret store {self.path} cannot be read",
                because=str(exc.strerror),
                do="for a lab: saltus lab up writes it; for another cloud: encrypt them into the model (docs/model.md)",
            ) from exc
        except yaml.YAMLError:
            # The parser's own message quotes the line, and with it the secret; so it is not chained either.
            raise SecretsUnreadable(
                what=f"the secret store {self.path} cannot be read",
                because="it is not valid YAML",
                do="open it in an editor, or restore it from where it is kept safe",
            ) from None
        return content if isinstance(content, dict) else {}

    def _save(self, content: Mapping[str, Any]) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            yaml.safe_dump(dict(content), file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self.path)


def _random(path: str) -> Secret:
    if path in KEY_SETS:
        return {number: base64.urlsafe_b64encode(random.token_bytes(32)).decode() for number in ("0", "1")}
    if path in KEY_PAIRS:
        return _key_pair()
    return "".join(random.choice(ALPHABET) for _ in range(32 if path == HEAT_KEY else 24))


def _key_pair() -> Secret:
    # Imported here: it costs more than the rest of a command that makes no key.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    return {
        "private": key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode(),
        "public": key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
    }


def _find(content: Mapping[str, Any], path: str) -> Any:
    at: Any = content
    for key in path.split(":"):
        if not isinstance(at, Mapping):
            return None
        at = at.get(key)
    return at


def _put(content: dict[str, Any], path: str, value: object) -> None:
    *above, last = path.split(":")
    for key in above:
        content = content.setdefault(key, {})
    content[last] = value


def _leaves(value: object, place: str = "") -> Iterator[tuple[str, str]]:
    """(path, value) of every value."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}:{key}" if place else str(key))
    elif value is not None:
        yield place, str(value)
