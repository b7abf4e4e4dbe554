"""Whether a model holds: the tree against the catalogue, and its secrets where others could read them."""

from __future__ import annotations

from saltus.commands.settings import Settings
from saltus.commands.workplace import Workplace
from saltus.model import Cloud, ModelRefused


def check_model(settings: Settings) -> Cloud:
    """The cloud of the model. Raises ModelRefused with every mistake; no secret is decrypted for it."""
    workplace = Workplace(settings)
    cloud, store = workplace.cloud, workplace.secrets
    if not cloud.lab and (plain := store.plain()):
        mistakes = [f"{store.path}: {path} is a plain secret: encrypt it (docs/model.md)" for path in plain]
        raise ModelRefused(str(settings.model), mistakes)
    return cloud
