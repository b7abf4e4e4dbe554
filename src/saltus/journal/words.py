"""Events in words: a line each, for the log, the audit and the page."""

from __future__ import annotations

from saltus.journal.events import (
    AbortRequested,
    AnswerRefused,
    DriftAccepted,
    DriftSeen,
    Event,
    FactsHeld,
    GateApproved,
    GateAsked,
    GateExpired,
    GateRejected,
    NotificationFailed,
    OutageSeen,
    Paused,
    PauseRequested,
    ResumeRequested,
    RetryRequested,
    RunCreated,
    RunFinished,
    RunResumed,
    RunStarted,
    StepFailed,
    StepFinished,
    StepNoted,
    StepProgress,
    StepSkipped,
    StepStarted,
    WatchFailed,
    WatchSummary,
    WayBackOffered,
)


def tell(event: Event) -> str:
    """One event as a sentence without who and when, which stand beside it."""
    match event:
        case RunCreated():
            return f"run made of the plan {event.fingerprint[:12]}" + (
                f", undoes {event.undoes}" if event.undoes else ""
            )
        case RunStarted() | RunResumed():
            word = "started" if isinstance(event, RunStarted) else "resumed"
            return f"{word} by process {event.pid} on {event.host}, Saltus {event.saltus}"
        case StepStarted():
            return f"{event.step} started" + (f", attempt {event.attempt}" if event.attempt > 1 else "")
        case StepProgress():
            far = f" {event.fraction:.0%}" if event.fraction is not None else ""
            return f"{event.step}{far}: {event.text}"
        case StepNoted():
            return f"{event.step} noted " + ", ".join(f"{key} {value}" for key, value in event.data.items())
        case StepFinished():
            return f"{event.step} done in {event.seconds:.1f} s: {event.summary}"
        case StepFailed():
            return f"{event.step} failed after {event.seconds:.1f} s: {event.what}; because: {event.because}"
        case StepSkipped():
            return f"{event.step} skipped because: {event.because}"
        case GateAsked():
            until = f", until {event.expires_at:%F %T} UTC" if event.expires_at else ""
            return f"{event.gate} asked{until}"
        case GateApproved() | GateRejected():
            word = "approved" if isinstance(event, GateApproved) else "rejected"
            return f"{event.gate} {word}" + (f": {event.comment}" if event.comment else "")
        case AnswerRefused():
            return f"answer to {event.gate} refused: {event.because}"
        case GateExpired():
            return f"{event.gate} expired without an answer"
        case PauseRequested():
            return "pause asked for" + (f": {event.reason}" if event.reason else "")
        case ResumeRequested():
            return "pause taken back"
        case AbortRequested():
            return "abort asked for" + (f": {event.reason}" if event.reason else "")
        case RetryRequested():
            return (
                f"retry asked for from {event.step}" if event.step else "retry asked for of what failed or is unknown"
            )
        case Paused():
            return f"paused: {event.reason}"
        case DriftSeen():
            return "the cloud is not as it should be by now: " + "; ".join(event.differences)
        case FactsHeld():
            return f"{event.facts} facts hold"
        case DriftAccepted():
            why = f" because: {event.comment}" if event.comment else ""
            return "accepted as it is: " + "; ".join(event.differences) + why
        case OutageSeen():
            lasted = f"{(event.ended - event.started).total_seconds():.1f} s" if event.ended else "not over"
            return f"outage of {event.target} ({event.what}) from {event.started:%T} UTC: {lasted}, {event.lost} lost"
        case WatchSummary():
            return f"{event.target} ({event.what}): {event.asked} asked, {event.lost} lost, {event.outage_s:.1f} s out"
        case WatchFailed():
            return f"outages are not measured: {event.because}"
        case NotificationFailed():
            return f"notification by {event.channel} failed: {event.because}"
        case WayBackOffered():
            return f"way back{f', plan {event.plan[:12]}' if event.plan else ''}: {event.says}"
        case RunFinished():
            return event.status + (f": {event.reason}" if event.reason else "")
