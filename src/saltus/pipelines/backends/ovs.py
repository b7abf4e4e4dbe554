"""Open vSwitch with neutron's own agent."""

from saltus.pipelines.backends.port import Backend
from saltus.plan import Impact

# The switch is reloaded, not restarted: ovs-ctl then saves the flows, tells the new daemon to wait for them, and puts
# them back (ovs-ctl(8), `restart`; the units' ExecReload). With the kernel's datapath packets are forwarded meanwhile;
# the one in userspace is the daemon itself. The agent comes behind it and leaves the flows that it finds
# (drop_flows_on_start).
BACKEND = Backend(
    name="ovs",
    agents=("neutron-openvswitch-agent",),
    restart=("reload:openvswitch-switch.service", "neutron-openvswitch-agent.service"),
    impact=Impact.PACKETS,
    because="Open vSwitch is reloaded: its flows are saved and put back; in userspace nothing forwards meanwhile",
)
