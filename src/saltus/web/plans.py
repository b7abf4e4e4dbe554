"""Plans at the page: what was planned, making more, and letting a runner take one up."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from saltus.catalog.releases import load_releases
from saltus.commands.identity import demand
from saltus.commands.planning import KINDS, PlanRequest
from saltus.journal.store import NotReadable
from saltus.plan.text import write_plan
from saltus.web.access import Asking, site_of, who_asks
from saltus.web.actions import Action, Answer, Wish
from saltus.web.rendering import render
from saltus.web.site import Site

SHOWN = 60

Word: Any = Field(default="", max_length=40)
Words: Any = Field(default="", max_length=2000)


class PlanWish(Wish):
    kind: str = Field(max_length=40)
    to: str = Word
    expires: str = Word
    discard_writes: Literal[True, False, "on"] = False
    """`on` is how a form says yes."""
    target: str = Words
    limit: str = Words
    exclude: str = Words
    test: int = Field(default=1, ge=1, le=10_000)
    sample: int = Field(default=1, ge=1, le=10_000)
    batch: str = Word
    max_failures: int = Field(default=0, ge=0, le=10_000)
    pause: str = Word
    window: str = Word
    nodes: str = Words


def _make(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    demand(site.journal, asking.who, "operator", "make plans")
    desk = site.demand_desk("no plan was made", f"saltus plan {wish.kind if wish.kind in KINDS else 'control'}")
    asked: dict[str, Any] = {name: v.strip() if isinstance(v, str) else v for name, v in wish.model_dump().items()}
    request = PlanRequest(**{**asked, "discard_writes": bool(wish.discard_writes)})
    plan = desk.make_plan(asking.who, request)
    return Answer(plan=plan.fingerprint, said=f"The plan {plan.short} is made; nothing was touched.")


def _run(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    plan = site.journal.find_plan(names["plan"])
    demand(site.journal, asking.who, "operator", f"run {plan.short}")
    desk = site.demand_desk(f"{plan.short} was not run", f"saltus run {plan.short}")
    run = desk.start(plan.fingerprint, asking.who)
    return Answer(plan=plan.fingerprint, run=run, said="A runner takes it up.")


ACTIONS = (
    Action("/plans", PlanWish, _make, "Make a plan: nothing is touched", "/plans/{plan}"),
    Action("/plans/{plan}/run", Wish, _run, "Let a runner take the plan up, or its unfinished run", "/runs/{run}"),
)


def plans(request: Request) -> Response:
    asking, site = who_asks(request), site_of(request)
    return render(
        request, "plans.html.j2", asking=asking, plans=site.journal.plans()[:SHOWN], kinds=KINDS,
        releases=[release.name for release in load_releases().releases],
        may_plan=asking.may(site, "operator") and site.desk is not None, said=request.query_params.get("said", ""),
    )  # fmt: skip


def plan(request: Request) -> Response:
    asking, site = who_asks(request), site_of(request)
    found = site.journal.find_plan(request.path_params["plan"])
    runs = [record for record in site.journal.runs() if record.fingerprint == found.fingerprint]
    return render(
        request, "plan.html.j2", asking=asking, plan=found, text=write_plan(found), runs=runs,
        may_run=asking.may(site, "operator") and site.desk is not None, said=request.query_params.get("said", ""),
        over=all(_is_over(site, record.id) for record in runs),
    )  # fmt: skip


def _is_over(site: Site, run: str) -> bool:
    try:
        return site.states.now(run).is_over
    except NotReadable:
        return True
