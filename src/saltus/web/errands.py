"""Tools at the page: building and trying them, and rehearsals of dumps; each in a process of its own."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services
from saltus.commands.errands import Errand, Errands
from saltus.commands.identity import demand
from saltus.web.access import Asking, site_of, who_asks
from saltus.web.actions import Action, Answer, Wish
from saltus.web.rendering import fragment, render
from saltus.web.site import Site

Word: Any = Field(default="", max_length=200)


class BuildWish(Wish):
    release: str = Field(max_length=40)
    services: str = Word
    """By name, with spaces or commas between; all that the registry has when empty."""


class CheckWish(Wish):
    release: str = Word
    """All toolboxes when empty."""


class RehearseWish(Wish):
    origin: str = Field(max_length=200)
    """A name of the administrator's directory: dumps, or the option file of a server."""
    to: str = Field(max_length=40)
    coming_from: str = Word
    """Recognised by the schemas when empty."""
    services: str = Word


def _build(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    errands = _of(site, asking, "no tools were built", "saltus toolbox build")
    return _begun(errands.build_toolbox(asking.who, wish.release, _words(wish.services)))


def _check(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    errands = _of(site, asking, "no tools were tried", "saltus toolbox check")
    return _begun(errands.check_toolboxes(asking.who, wish.release or None))


def _rehearse(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    errands = _of(site, asking, "nothing was rehearsed", "saltus rehearse")
    source = wish.coming_from or None
    return _begun(errands.rehearse(asking.who, wish.origin, wish.to, source=source, services=_words(wish.services)))


def _stop(site: Site, asking: Asking, names: dict[str, str], wish: Any) -> Answer:
    stopped = _of(site, asking, "nothing was stopped", "ctrl-C where it runs").stop(asking.who, names["errand"])
    return Answer(errand=stopped.id, said="It stops.")


def _of(site: Site, asking: Asking, what: str, instead: str) -> Errands:
    demand(site.journal, asking.who, "operator", "use the tools")
    return site.demand_desk(what, instead).errands


def _begun(errand: Errand) -> Answer:
    return Answer(errand=errand.id, said="It is begun.")


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


ACTIONS = (
    Action("/errands/toolbox-build", BuildWish, _build, "Build and try the tools of a release", "/tools/{errand}"),
    Action("/errands/toolbox-check", CheckWish, _check, "Start every tool once", "/tools/{errand}"),
    Action("/errands/rehearse", RehearseWish, _rehearse, "Rehearse on dumps or a clone of a server", "/tools/{errand}"),
    Action("/errands/{errand}/stop", Wish, _stop, "Stop it, as ctrl-C would", "/tools/{errand}"),
)


def tools(request: Request) -> Response:
    asking, site = who_asks(request), site_of(request)
    desk = site.demand_desk("there are no tools here", "saltus toolbox list")
    return render(
        request, "tools.html.j2", asking=asking, errands=desk.errands.all(), origins=desk.errands.origins(),
        toolboxes=desk.toolboxes(), may=asking.may(site, "operator"), said=request.query_params.get("said", ""),
        releases=[release.name for release in load_releases().releases],
        services=[service.name for service in load_services().services],
    )  # fmt: skip


def tool(request: Request) -> Response:
    """One errand with its output; with `?part`, what changes of it."""
    asking, site = who_asks(request), site_of(request)
    errands = site.demand_desk("there are no tools here", "saltus toolbox list").errands
    errand = errands.find(request.path_params["errand"])
    shown = errand, errands.output(errand.id), asking.csrf if asking.may(site, "operator") else ""
    if "part" in request.query_params:
        return HTMLResponse(fragment("errand-parts.html.j2", "errand", *shown))
    return render(request, "errand.html.j2", asking=asking, shown=shown, said=request.query_params.get("said", ""))
