"""A gateway: Open vSwitch with neutron's own agents for routers, DHCP and metadata."""

from saltus.pipelines.backends.port import Backend
from saltus.plan import Impact

# The node is empty when it is restarted: what its routers forwarded goes through another gateway. Metadata has no place
# of its own: it is asked in the namespace of a router or of a DHCP server, and moves with them. The L3 agent comes
# last: it asks for its routers as soon as it runs.
BACKEND = Backend(
    name="gateway",
    agents=("neutron-openvswitch-agent", "neutron-metadata-agent", "neutron-dhcp-agent", "neutron-l3-agent"),
    restart=(
        "reload:openvswitch-switch.service",
        "neutron-openvswitch-agent.service",
        "neutron-metadata-agent.service",
        "neutron-dhcp-agent.service",
        "neutron-l3-agent.service",
    ),
    impact=Impact.PACKETS,
    because="a router forwards nothing from when it leaves one gateway until it runs on the next",
)
