"""Open vSwitch programmed by OVN."""

from saltus.pipelines.backends.port import Backend
from saltus.plan import Impact

# Controllers come before the central: an older northd writes nothing that a newer ovn-controller does not understand,
# the other way round it may (OVN, Documentation/intro/install/ovn-upgrades.rst). So the central's own packages are held
# here, for a node that is both; they are upgraded when the last compute is done.
BACKEND = Backend(
    name="ovn",
    agents=("ovn-controller", "neutron-ovn-metadata-agent"),
    restart=("reload:openvswitch-switch.service", "ovn-controller.service", "neutron-ovn-metadata-agent.service"),
    impact=Impact.PACKETS,
    because="Open vSwitch is reloaded with its flows; ovn-controller leaves them in place while it is restarted",
    held=("ovn-central", "ovn-ic", "ovn-ic-db"),
    order=1,
)
