"""What is known, at the page: releases, what changes between two, routes of databases; the model."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from saltus.catalog.releases import load_releases
from saltus.catalog.services import load_services
from saltus.commands import catalog as verbs
from saltus.errors import OperatorError
from saltus.web.access import site_of, who_asks
from saltus.web.rendering import render


def catalog(request: Request) -> Response:
    """The releases; with `?older&newer` what changes between two, with `?service` a route."""
    asking = who_asks(request)
    asked = {name: request.query_params.get(name, "") for name in ("service", "older", "newer")}
    found, refused = None, None
    if asked["older"] and asked["newer"]:
        try:
            found = (
                verbs.route_table(verbs.route(asked["service"], asked["older"], asked["newer"]))
                if asked["service"]
                else verbs.diff_releases(asked["older"], asked["newer"])
            )
        except OperatorError as error:
            refused = error
    return render(
        request, "catalog.html.j2", asking=asking, table=verbs.list_releases(), asked=asked, found=found,
        refused=refused, releases=[release.name for release in load_releases().releases],
        services=[service.name for service in load_services().services],
    )  # fmt: skip


def release(request: Request) -> Response:
    asking, name = who_asks(request), load_releases().get(request.path_params["release"]).name
    return render(request, "release.html.j2", asking=asking, name=name, table=verbs.show_release(name))


def model(request: Request) -> Response:
    """The model as it is now: every mistake, or what it describes."""
    asking, site = who_asks(request), site_of(request)
    desk = site.demand_desk("the model cannot be shown", "saltus model check")
    return render(request, "model.html.j2", asking=asking, cloud=desk.model())
