"""Performers of what is done to services: stop, start, prepare, and the switch of the virtual address."""

from __future__ import annotations

from dataclasses import dataclass

from saltus.errors import OperatorError
from saltus.plan.actions import PrepareStart, ReachProxy, StartServices, StopServices, SwitchProxy
from saltus.runner.performer import Outcome, StepContext
from saltus.runner.performers.ground import Ground


@dataclass(frozen=True)
class ServiceStopper:
    ground: Ground

    def perform(self, action: StopServices, context: StepContext) -> Outcome:
        machine = self.ground.provider.get(action.machine)
        if machine is not None and not machine.is_running:
            return Outcome(f"{action.machine} is off: nothing runs there")
        states = self.ground.call(context, action.machine, "saltus_node.stop", list(action.services))
        return Outcome(f"{len(states)} units stopped on {action.machine}", {"units": states})


@dataclass(frozen=True)
class ServiceStarter:
    ground: Ground

    def perform(self, action: StartServices, context: StepContext) -> Outcome:
        call, services = self.ground.call, list(action.services)
        units = call(context, action.machine, "saltus_node.start", services)
        if not action.wait:
            return Outcome(f"{len(units)} units started on {action.machine}", {"units": units})
        context.say(f"waiting until the APIs of {action.machine} answer")
        seconds = call(
            context,
            action.machine,
            "saltus_node.wait_apis",
            services,
            action.timeout_s,
            timeout_s=action.timeout_s + 30,
        )
        answered = ", ".join(f"{api} {after} s" for api, after in seconds.items()) or "no API to wait for"
        return Outcome(f"{len(units)} units started; {answered}", {"answered_after_s": seconds})


@dataclass(frozen=True)
class StartPreparer:
    ground: Ground

    def perform(self, action: PrepareStart, context: StepContext) -> Outcome:
        done = self.ground.call(context, action.machine, "saltus_node.prepare_start")
        waiting = [unit for unit, waits in done["waiting"].items() if waits]
        return Outcome(
            f"{len(waiting)} of {len(done['waiting'])} units wait on {action.machine}, imported", {"prepared": done}
        )


@dataclass(frozen=True)
class ProxyReacher:
    """The proxy has the address where no neighbour sees it, and the machines send their packets for it there."""

    ground: Ground

    def perform(self, action: ReachProxy, context: StepContext) -> Outcome:
        who = ", ".join(action.machines)
        if action.proxy is None:
            for machine in action.machines:
                self.ground.call(context, machine, "saltus_node.reach_vip_directly", timeout_s=60)
            return Outcome(f"{action.address} is where everybody finds it, for {who} too")
        kept = self.ground.call(context, action.proxy, "saltus_node.keep_vip_inside", timeout_s=60)
        _same_address(action.proxy, kept["vip"], action.address)
        by = self.ground.address(action.proxy)
        for machine in action.machines:
            self.ground.call(context, machine, "saltus_node.reach_vip_by", by, timeout_s=60)
        return Outcome(f"{action.address} is at {action.proxy} for {who}, and where it was for everybody else")


@dataclass(frozen=True)
class ProxySwitcher:
    """The address is left first and taken then: two machines that both have it would both answer."""

    ground: Ground

    def perform(self, action: SwitchProxy, context: StepContext) -> Outcome:
        leaving = self.ground.provider.get(action.leave)
        if leaving is not None and leaving.is_running and action.leave != action.take:
            self.ground.call(context, action.leave, "saltus_node.leave_vip", timeout_s=60)
        taken = self.ground.call(context, action.take, "saltus_node.take_vip", timeout_s=60)
        _same_address(action.take, taken["vip"], action.address)
        return Outcome(f"{action.address} is at {action.take}")


def _same_address(machine: str, taken: str, planned: str) -> None:
    if taken != planned:
        raise OperatorError(
            what=f"{machine} took the address {taken}, not {planned}",
            because="the model has changed since the plan was made",
            do="make a new plan, or put the model back",
        )
