"""The main job from nothing: a lab, its upgrade, the report."""

from __future__ import annotations

from pathlib import Path

from saltus.commands import lab, reporting, upgrades
from saltus.commands.identity import NotAllowed, who_approves_unseen
from saltus.commands.workplace import Workplace
from saltus.errors import OperatorError
from saltus.journal.approvals import Person
from saltus.journal.fold import RunState
from saltus.report.text import render
from saltus.runner.gates import AutoApprover
from saltus.runner.progress import Progress


def demo(workplace: Workplace, target: str, progress: Progress) -> tuple[str, RunState, str, Path]:
    """Returns the upgrade's run, its state, the report's text and the file it was written to."""
    approver = _approver(workplace)  # before anything is started
    deployed = lab.up(workplace, progress, pristine=True)
    if deployed is not None and deployed.status != "done":
        step, failure = deployed.failures()[0]
        raise OperatorError(what=f"the lab is not up: {step}: {failure.what}", because=failure.because, do=failure.do)
    plan = upgrades.plan_control(workplace, target, expires_after=None)
    run, state = upgrades.run(workplace, plan.fingerprint, AutoApprover(approver), progress)
    text = render(reporting.make_report(workplace, run))
    path = workplace.settings.runs / run / "report.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return run, state, text, path


def _approver(workplace: Workplace) -> Person:
    """`demo`, while the journal has no accounts; then the account that is logged in, if it may approve."""
    who, journal = workplace.who, workplace.journal
    try:
        return who_approves_unseen(journal, who, who.name if journal.accounts.any() else "demo")
    except NotAllowed as exc:
        raise NotAllowed(
            what="the demo cannot approve its own gates",
            because=exc.because,
            do="saltus user login as an approver; or give the demo a journal of its own: saltus --journal"
            f" sqlite:///{workplace.settings.state}/demo.db demo",
        ) from exc
