"""The actions of the data plane: each is done to a whole wave of nodes, named in `nodes`, and told node by node."""

from __future__ import annotations

from typing import Literal

from saltus.plan.action import ActionBase


class ComparePackages(ActionBase):
    """Compute on each node what an upgrade would do to its packages. Nothing on the node is changed for it.

    Nodes with the same difference are told as one.
    """

    kind: Literal["packages.compare"] = "packages.compare"
    nodes: tuple[str, ...]
    suite: str
    release: str
    held: tuple[str, ...] = ()
    """Packages, as globs, that the upgrade leaves as they are."""
    whole: bool = True
    """The whole operating system, or the packages of the node's roles alone."""


class RecordNodes(ActionBase):
    """Keep the packages and the configuration of each node on it as they are: what its way back returns to."""

    kind: Literal["nodes.record"] = "nodes.record"
    nodes: tuple[str, ...]


class RestoreNodes(ActionBase):
    """Put the packages and the configuration of each node back to what was kept, and compare them with it.

    Instances that run there go on running; what they and the tenants wrote is not touched.
    """

    kind: Literal["nodes.restore"] = "nodes.restore"
    nodes: tuple[str, ...]


class DisableComputes(ActionBase):
    """Keep new instances away from these computes. A node that is down is left out of all that follows, and listed."""

    kind: Literal["computes.disable"] = "computes.disable"
    nodes: tuple[str, ...]
    reason: str


class DrainComputes(ActionBase):
    """Move the instances of each compute elsewhere, as the model says; an instance's metadata has the last word."""

    kind: Literal["computes.drain"] = "computes.drain"
    nodes: tuple[str, ...]
    live: tuple[str, ...] = ()
    """Those of the nodes whose instances are moved while they run."""
    cold: tuple[str, ...] = ()
    """Those whose instances are stopped, moved and started."""
    timeout_s: float = 3600


class UpgradePackages(ActionBase):
    """Upgrade the packages of each node, unattended. Configuration files stay ours; no service is restarted by it.

    It goes on when the minion is restarted in its middle, and a second attempt finds it again.
    """

    kind: Literal["packages.upgrade"] = "packages.upgrade"
    nodes: tuple[str, ...]
    suite: str
    release: str
    held: tuple[str, ...] = ()
    whole: bool = True
    retries: int = 1
    """How often a node that failed is tried again before it is given up."""
    timeout_s: float = 5400


class ConfigureNodes(ActionBase):
    """Make each node one of `release` in the pillar, and write the configuration of its roles. Starts nothing."""

    kind: Literal["nodes.configure"] = "nodes.configure"
    nodes: tuple[str, ...]
    release: str
    retries: int = 1
    timeout_s: float = 900


class SettleNodes(ActionBase):
    """Write down that these nodes are of `release`: whoever looks at them from now on finds that."""

    kind: Literal["nodes.settle"] = "nodes.settle"
    nodes: tuple[str, ...]
    release: str


class RestartUnits(ActionBase):
    """Restart units on each node, one after another in this order, each until it runs."""

    kind: Literal["nodes.restart"] = "nodes.restart"
    nodes: tuple[str, ...]
    units: tuple[str, ...]
    """Units, in order. One that a node does not have is passed over; `reload:UNIT` reloads it instead."""
    retries: int = 1


class AwaitAgents(ActionBase):
    """Wait until nova and neutron have heard from every node anew, and call it alive."""

    kind: Literal["computes.await-agents"] = "computes.await-agents"
    nodes: tuple[str, ...]
    agents: tuple[str, ...]
    """Binaries that report: `nova-compute`, `neutron-openvswitch-agent`, ..."""
    timeout_s: float = 180


class CheckNetwork(ActionBase):
    """Look on each node whether its network is whole behind the restart: bridges, flows, default routes."""

    kind: Literal["nodes.check-network"] = "nodes.check-network"
    nodes: tuple[str, ...]
    backend: str
    distributed: tuple[str, ...] = ()
    """Those of the nodes with distributed routers, whose floating addresses need a default route of their own."""


class EmptyGateways(ActionBase):
    """Move the routers and the DHCP servers of each gateway to other gateways that live, and take no new ones.

    Metadata is asked in their namespaces and moves with them. What was carried is written down before the first is
    moved. A node whose routers nobody else takes is left as it is, and fails.
    """

    kind: Literal["gateways.empty"] = "gateways.empty"
    nodes: tuple[str, ...]
    timeout_s: float = 300
    """How long one router may take until its ports are active elsewhere."""


class RefillGateways(ActionBase):
    """Give each gateway back what it carried before it was emptied, and write down that it is of `release`.

    Proved by it: each router's ports are active there, and its namespace has the route to the outside that it should.
    """

    kind: Literal["gateways.refill"] = "gateways.refill"
    nodes: tuple[str, ...]
    release: str
    timeout_s: float = 300


class ProveComputes(ActionBase):
    """Boot an instance on each compute, reach it over the network, and delete it.

    Placement hands out no disabled compute, not even by name (COMPUTE_STATUS_DISABLED, since Train): each is enabled
    for its proof, and disabled again with its error when the proof fails.
    """

    kind: Literal["computes.prove"] = "computes.prove"
    nodes: tuple[str, ...]
    retries: int = 1
    """How often another instance is booted before the compute is given up. That it was needed stands in the report."""


class EnableComputes(ActionBase):
    """Let instances come to these computes again, and write down that they are of `release`."""

    kind: Literal["computes.enable"] = "computes.enable"
    nodes: tuple[str, ...]
    release: str


class CheckAllUpgraded(ActionBase):
    """Look that each of these computes has been upgraded, and have no pillar speak of older ones from now on.

    The run pauses while one was left behind, however often it is taken up: without the workaround, nova of the new
    release does not start beside a compute that is too old, be it down or disabled.
    """

    kind: Literal["computes.all-upgraded"] = "computes.all-upgraded"
    nodes: tuple[str, ...]


class CheckBudget(ActionBase):
    """Pause the run when more nodes have failed than the budget allows.

    Nodes that failed stay disabled, with their error as the reason. Taken up again, the run goes on without them.
    """

    kind: Literal["computes.budget"] = "computes.budget"
    nodes: tuple[str, ...]
    max_failures: int
    again: str
    """The step from which a retry does those nodes again."""
