"""What forwards the packets of a compute's instances: a port, and a room for each that is known."""

from saltus.pipelines.backends import opencontrail, ovn, ovs
from saltus.pipelines.backends.port import Backend

BACKENDS = {room.BACKEND.name: room.BACKEND for room in (ovs, ovn, opencontrail)}

__all__ = ["BACKENDS", "Backend"]
