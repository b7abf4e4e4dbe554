"""The model: a reclass tree, read and checked into a typed Cloud; and its secrets, kept outside it."""

from saltus.model.cloud import Cloud, Database, Machine, Node, Volume
from saltus.model.load import read_cloud
from saltus.model.mistakes import ModelRefused
from saltus.model.secrets import SecretStore, required_secrets

__all__ = [
    "Cloud",
    "Database",
    "Machine",
    "ModelRefused",
    "Node",
    "SecretStore",
    "Volume",
    "read_cloud",
    "required_secrets",
]
