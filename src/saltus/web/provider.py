"""The identity provider of `saltus web`, as its options name it."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from saltus.errors import OperatorError

_PACKAGES = ("authlib", "httpx2", "itsdangerous")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Provider:
    """An identity provider, and what it calls this page."""

    issuer: str
    """Its address, under which `/.well-known/openid-configuration` stands."""
    client_id: str
    client_secret: str = field(repr=False)
    claim: str = "preferred_username"
    """What of the ID token, or else of the userinfo endpoint, is the name of the account."""

    @property
    def host(self) -> str:
        return urlsplit(self.issuer).netloc


def read_provider(issuer: str | None, client_id: str | None, secret: Path | None, claim: str) -> Provider | None:
    """As the options of `saltus web` say it; None when they say nothing. Raises OperatorError, with all reasons."""
    given = {"--oidc-issuer": issuer, "--oidc-client": client_id, "--oidc-secret": secret}
    if not any(given.values()):
        return None
    wrong = [f"{option} is not given" for option, value in given.items() if not value]
    address = urlsplit(issuer or "")
    if issuer and not (address.scheme == "https" or (address.scheme == "http" and address.hostname in _LOOPBACK)):
        wrong.append(f"{issuer} is no address with https")
    word = ""
    if secret:
        try:
            word = secret.read_text().strip()
        except (OSError, ValueError) as exc:
            wrong.append(f"{secret} cannot be read: {exc.strerror if isinstance(exc, OSError) else 'it is no text'}")
        else:
            wrong += [] if word else [f"{secret} is empty"]
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        wrong.append(f"{' and '.join(missing)} not installed: pip install 'saltus[oidc]'")
    if wrong:
        raise OperatorError(
            what="nobody can sign on at an identity provider",
            because="; ".join(wrong),
            do="register the page there as a confidential client, its way back https://THIS-PAGE/login/oidc/back,"
            " and give --oidc-issuer, --oidc-client and --oidc-secret FILE",
        )
    return Provider(str(issuer), str(client_id), word, claim)
