"""What the watcher is told to watch: one cloud, and the instances in it. Holds no password."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["read", "write", "ping"]


class Targets(BaseModel):
    """The cloud as its users reach it, and how often it is asked.

    While an API answers it is asked every `read_s` and `write_s`; while it does not, every `down_s`, when asking is
    cheap for it. An outage is measured too long by at most one period before it and `down_s` after it, never too short.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    auth_url: str
    """Keystone's public endpoint with `/v3`."""
    username: str
    project: str
    domain: str = "Default"
    region: str = "RegionOne"
    horizon_url: str | None = None
    """The login page: on Debian `http://VIP/horizon/auth/login/`."""
    instances: dict[str, str] = {}
    """{name: address} to ping."""
    writes: bool = True
    read_s: float = 0.5
    write_s: float = 1.0
    down_s: float = 0.25
    ping_s: float = 0.25
    connect_timeout_s: float = 1.0
    answer_timeout_s: float = 8.0
    """A starting API takes the request and answers when it can: waiting for that is kinder to it than asking anew."""
    ping_timeout_s: float = 3.0
