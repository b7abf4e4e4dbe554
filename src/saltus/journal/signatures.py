"""Signatures under answers: who can write to the database cannot therefore approve."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path

from saltus.journal.events import GateAnswer


class Signer:
    """Signs answers with a key of this installation (HMAC-SHA-256)."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> Signer:
        """The key in `path`, made at random (mode 0600) when there is none yet."""
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return cls(path.read_bytes())
        with os.fdopen(handle, "wb") as file:
            key = secrets.token_bytes(32)
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        return cls(key)

    def sign(self, answer: GateAnswer) -> GateAnswer:
        return answer.model_copy(update={"signature": self._code(answer)})

    def genuine(self, answer: GateAnswer) -> bool:
        return hmac.compare_digest(self._code(answer), answer.signature)

    def _code(self, answer: GateAnswer) -> str:
        # `asking` is unique to one asking in one run: a copy of the answer fits nowhere else.
        said = answer.model_dump(mode="json", exclude={"signature"})
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
