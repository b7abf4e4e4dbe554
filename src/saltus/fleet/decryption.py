"""What stands encrypted in the model, decrypted where it is used: by Salt's gpg renderer, with the master's key.

The master decrypts a node's pillar with it, and a command what it needs itself. Plaintext is kept in memory alone.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from saltus.errors import OperatorError
from saltus.model.plain import PGP_MESSAGE, pgp_messages


class NotDecrypted(OperatorError):
    """A PGP message could not be decrypted with the keys that are here."""


class Decryption:
    """Decrypts with the secret keys in the GnuPG directory `keys`. Safe between threads."""

    def __init__(self, keys: Path) -> None:
        self.keys = keys
        self._known: dict[str, str] = {}
        self._render: Callable[[str], object] | None = None
        self._lock = threading.Lock()

    def text(self, text: str) -> str:
        """`text` with every PGP message in it decrypted. Raises NotDecrypted, which quotes neither."""
        found = PGP_MESSAGE.findall(text)
        if not found:
            return text
        with self._lock:
            for message in found:
                if message not in self._known:
                    self._known[message] = self._by_salt(message)
        whole = PGP_MESSAGE.sub(lambda match: self._known[match[0]], text)
        return whole.rstrip("\n")  # of the YAML block that the message stood in, as Salt does it

    def data(self, value: Any) -> Any:
        """A copy of `value` with every PGP message at any depth decrypted."""
        if isinstance(value, Mapping):
            return {key: self.data(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.data(inner) for inner in value]
        return self.text(value) if isinstance(value, str) else value

    def values_in(self, value: object) -> frozenset[str]:
        """The plaintext of every PGP message in `value`, for the redactor."""
        return frozenset(self.text(message) for message in pgp_messages(value))

    def _by_salt(self, message: str) -> str:
        from salt.exceptions import SaltRenderError

        self._render = self._render or self._renderer()
        try:
            plain = self._render(message)
        except SaltRenderError as exc:
            # Its text quotes the message and what gpg said, escaped; it is not chained, so that no traceback shows it.
            raise self._refused(str(exc)) from None
        if not isinstance(plain, str):
            raise self._refused("gpg: it decrypts to something that is no text")
        return plain

    def _renderer(self) -> Callable[[str], object]:
        import salt.config
        import salt.loader

        if shutil.which("gpg") is None:
            raise NotDecrypted(
                what="a secret of the model cannot be decrypted",
                because="gpg is not installed here",
                do="apt-get install gpg; then say it again",
            )
        options = {
            **salt.config.DEFAULT_MASTER_OPTS,
            "gpg_keydir": str(self.keys),
            "gpg_decrypt_must_succeed": True,
            "gpg_cache": False,  # Salt's own would be on the disk
        }
        render: Callable[[str], object] = salt.loader.render(options, {})["gpg"]
        return render

    def _refused(self, said: str) -> NotDecrypted:
        reasons = re.findall(r"gpg: (?!encrypted with)(.*?)(?:\\n|\n|$)", said)
        return NotDecrypted(
            what=f"a secret of the model cannot be decrypted with the keys in {self.keys}",
            because=reasons[-1] if reasons else said.partition(":")[0],
            do=f"import the key that the model is encrypted for: gpg --homedir {self.keys} --import KEY; then say it"
            " again",
        )
