"""Performers of what is done on nodes between packages and service: configuration, units, network, manage commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saltus.errors import OperatorError
from saltus.fleet.errors import NoReturn, StateFailed
from saltus.fleet.port import StateReturn
from saltus.plan.actions import RunManage
from saltus.plan.data_plane import CheckNetwork, ConfigureNodes, RestartUnits, SettleNodes
from saltus.runner.performer import Outcome, StepContext, stop_if_cancelled
from saltus.runner.performers.fanout import Tally, fan_out, open_tally
from saltus.runner.performers.ground import Ground

RESTART_S = 900.0
NETWORK_S = 300.0
RUNS = 1000
"""A data migration that asks for more than so many runs does not end."""


@dataclass(frozen=True)
class NodeConfigurer:
    ground: Ground

    def perform(self, action: ConfigureNodes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        for node in nodes:
            self.ground.record_release(node, action.release)
        for _ in range(action.retries + 1):
            waiting = [node for node in nodes if node not in tally.worked]
            if waiting:
                stop_if_cancelled(context)
                self._apply(waiting, action, context, tally)
        return tally.outcome(f"configured as {action.release}")

    def _apply(self, nodes: Sequence[str], action: ConfigureNodes, context: StepContext, tally: Tally) -> None:
        fleet = self.ground.fleet

        def returned(done: StateReturn) -> None:
            if done.worked:
                tally.done(done.minion, len(done.changed))

        for node in nodes:
            tally.failed.pop(node, None)
        try:
            fleet.sync_modules(list(nodes))
            fleet.refresh_pillar(list(nodes))
            fleet.apply(
                list(nodes),
                ("saltus.prepared",),
                timeout_s=action.timeout_s,
                on_job=lambda job: context.note({"jid": job.jid}),
                on_return=returned,
            )
        except StateFailed as error:
            tally.failed |= {node: "; ".join(lines) for node, lines in error.failures.items()}
        except NoReturn as error:
            tally.failed |= {node: f"{why} (job {error.jid})" for node, why in error.missing.items()}
        for node in nodes:
            if node not in tally.worked:
                tally.failed.setdefault(node, "it did not say what came of its states")


@dataclass(frozen=True)
class NodeSettler:
    ground: Ground

    def perform(self, action: SettleNodes, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        for node in nodes:
            self.ground.record_release(node, action.release)
            self.ground.relabel(node, action.release)
            tally.done(node, action.release)
        return tally.outcome(f"serve on {action.release}")


@dataclass(frozen=True)
class UnitRestarter:
    ground: Ground

    def perform(self, action: RestartUnits, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        if nodes:
            self.ground.fleet.sync_modules(nodes)
        fan_out(
            self.ground,
            context,
            tally,
            nodes,
            "saltus_compute.restart",
            list(action.units),
            timeout_s=RESTART_S,
            retries=action.retries,
        )
        return tally.outcome("run with what is installed now")


@dataclass(frozen=True)
class NetworkChecker:
    ground: Ground

    def perform(self, action: CheckNetwork, context: StepContext) -> Outcome:
        tally, nodes = open_tally(context, action.nodes)
        function, distributed = "saltus_compute.check_network", list(action.distributed)
        fan_out(self.ground, context, tally, nodes, function, action.backend, distributed, timeout_s=NETWORK_S)
        return tally.outcome("have their bridges and flows")


@dataclass(frozen=True)
class Manager:
    ground: Ground

    def perform(self, action: RunManage, context: StepContext) -> Outcome:
        argv, command = list(action.command.argv), action.command
        outputs: list[str] = []
        for run in range(1, RUNS + 1):
            stop_if_cancelled(context)
            done = self.ground.call(
                context,
                action.machine,
                "saltus_node.run_command",
                argv,
                command.user,
                action.timeout_s,
                timeout_s=action.timeout_s + 30,
            )
            outputs.append(str(done["output"]))
            if done["exit"] not in action.repeat_on:
                break
            context.say(f"{' '.join(argv[:3])}: run {run}, more to do")
        else:
            raise OperatorError(
                what=f"{' '.join(argv)} does not come to its end",
                because=f"it asked for more than {RUNS} runs",
                do=f"run it by hand on {action.machine} and read what it says",
            )
        if done["exit"] not in command.exit_codes:
            raise OperatorError(
                what=f"{' '.join(argv)} on {action.machine} exited {done['exit']}",
                because=outputs[-1],
                do="mend what it names and `saltus run` again, or skip the step with the reason on record",
            )
        return Outcome(f"exit {done['exit']} after {run} {'run' if run == 1 else 'runs'}", {"output": outputs[-1]})
