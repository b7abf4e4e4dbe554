"""Secrets that stand in a tree as anybody can read them: where they are, never what they are.

What is encrypted (`-----BEGIN PGP MESSAGE-----`) and what is a reference to another parameter is no plain secret.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from saltus.model.files import REFERENCE, TreeFiles
from saltus.model.mistakes import Mistakes

PGP_MESSAGE = re.compile(r"-----BEGIN PGP MESSAGE-----.*?-----END PGP MESSAGE-----", re.DOTALL)
_BEGINS_PGP = "-----BEGIN PGP MESSAGE-----"

_NAMES_ONE = re.compile(
    r"(?:password|passwd|passphrase|secret|(?:^|_)(?:pass|pwd|pw|token|credentials?)|"
    r"(?:^|_)(?:api|private|secret|encryption|access|auth|shared|signing|hmac|fernet|session)_?key)$"
)
"""How the key of a secret ends: `admin_password`, `metadata_proxy_shared_secret`, `auth_encryption_key`."""
_NAMES_MANY = re.compile(r"(?:^|_)(?:passwords|passphrases|secrets|(?:private|api|fernet)_?keys)$")
"""A mapping or list of secrets, whatever the keys in it are called."""

_LOOKS_LIKE = (
    ("a private key", re.compile(r"(-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*)", re.DOTALL)),
    ("a password in a URL", re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s:/@]*:([^\s/@]+)@", re.IGNORECASE)),
    (
        "a password among options",
        re.compile(r"(?:\b|_)(?:password|passwd|pwd|secret|token|api_?key)=([^\s,;&]+)", re.IGNORECASE),
    ),
    ("a token", re.compile(r"\b(gAAAA[\w-]{40,}|eyJ[\w-]{8,}\.[\w-]{8,}\.|saltus_[0-9a-f]{8}_\w+)")),
)


def check_plain_secrets(files: TreeFiles, mistakes: Mistakes) -> None:
    """Every plain secret of every file is a mistake, told by file and parameter."""
    every = [*files.nodes.values(), *files.classes.values()]
    paths = {path for file in every for path in _named_paths(file.parameters)}
    for file in every:
        for place, what, _ in plain_secrets(file.parameters, paths):
            mistakes.add(file.shown, f"{place} is {what}, which anybody can read: encrypt it (docs/model.md)")


Found = tuple[str, str, str]
"""Where (`nova:controller:password`), what it is, and the secret itself: that for the redactor alone."""


def plain_secrets(parameters: Mapping[str, object], paths: Collection[str] = ()) -> Iterator[Found]:
    """Each plain secret. `paths` are names of secrets, not secrets."""
    yield from _within(parameters, (), paths, secret=False)


def _within(value: object, place: tuple[str, ...], paths: Collection[str], *, secret: bool) -> Iterator[Found]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key == "secrets" and isinstance(inner, list):  # paths, not secrets
                continue
            if key == "secret" and inner in paths:
                continue
            word = _plainly(str(key))
            nested = isinstance(inner, Mapping | list)
            names = _NAMES_MANY if nested else _NAMES_ONE
            yield from _within(inner, (*place, str(key)), paths, secret=secret or bool(names.search(word)))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _within(inner, (*place, str(number)), paths, secret=secret)
    elif found := _what(value, secret=secret):
        yield ":".join(place), *found


def _plainly(key: str) -> str:
    """`~adminPassword` as `admin_password`; `~` and `=` before a key tell reclass how to merge."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|-", "_", key.lstrip("~=")).lower()


def _what(value: object, *, secret: bool) -> tuple[str, str] | None:
    if value is None or isinstance(value, bool) or value == "":
        return None
    text = PGP_MESSAGE.sub("", str(value))
    if _BEGINS_PGP in text:
        return "a PGP message that is cut off", text
    left = REFERENCE.sub("", text).strip()
    if secret and left:
        return "a plain secret", left
    for what, pattern in _LOOKS_LIKE:
        if found := pattern.search(left):
            return what, found[1]
    return None


def _named_paths(parameters: object) -> Iterator[str]:
    """What lists called `secrets` name: paths in the store, `database:nova`."""
    if isinstance(parameters, Mapping):
        for key, inner in parameters.items():
            if key == "secrets" and isinstance(inner, list):
                yield from (str(path) for path in inner)
            else:
                yield from _named_paths(inner)


def pgp_messages(value: object) -> Iterator[str]:
    """Every PGP message that stands in `value`, at any depth."""
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from pgp_messages(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pgp_messages(inner)
    elif isinstance(value, str):
        yield from PGP_MESSAGE.findall(value)
