"""The main job from nothing: a lab, its upgrade, the report."""

from __future__ import annotations

from pathlib import Path

from saltus.commands import lab, reporting, upgrades
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.fold import RunState
from saltus.report.text import render
from saltus.runner.gates import AutoApprover
from saltus.runner.progress import Progress


def demo(workplace: Workplace, target: str, progress: Progress) -> tuple[str, RunState, str, Path]:
    """Returns the upgrade's run, its state, the report's text and the file it was written to."""
    deployed = lab.up(workplace, progress, pristine=True)
    if deployed is not None and deployed.status != "done":
        step, failure = deployed.failures()[0]
        raise OperatorError(what=f"the lab is not up: {step}: {failure.what}", because=failure.because, do=failure.do)
    plan = upgrades.plan_control(workplace, target, expires_after=None)
    run, state = upgrades.run(workplace, plan.fingerprint, AutoApprover("demo"), progress)
    text = render(reporting.make_report(workplace, run))
    path = workplace.settings.runs / run / "report.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return run, state, text, path
