"""What every action of a plan has."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

AfterACrash = Literal["repeat", "verify", "ask"]


class ActionBase(BaseModel):
    """What every action has: a `kind` that names it in plans, and what a crash in its middle means."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after_a_crash: ClassVar[AfterACrash] = "repeat"
    """repeat: safe to do again; verify: the performer looks at the world first; ask: a person decides."""
