"""What an upgrade must know of the thing that forwards the packets of a compute's instances."""

from __future__ import annotations

from dataclasses import dataclass

from saltus.plan import Impact


@dataclass(frozen=True)
class Backend:
    """One way of forwarding. Each room beside this one says what it is for one of them."""

    name: str
    agents: tuple[str, ...]
    """Binaries that report to neutron from a compute."""
    restart: tuple[str, ...]
    """Units to restart behind an upgrade of their packages, in order, before nova-compute; `reload:UNIT` reloads."""
    impact: Impact
    """What instances may notice of that restart."""
    because: str
    """Why that is so, for the operator."""
    held: tuple[str, ...] = ()
    """Packages, as globs, that an upgrade of the compute leaves as they are."""
    whole: bool = True
    """Whether the operating system may go with it: not where the data plane is bound to the one it was built for."""
    order: int = 0
    """Of two backends in one wave the lower one first."""
