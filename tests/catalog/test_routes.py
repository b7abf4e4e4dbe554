"""Routes: known ones by name, and what must hold for every pair of releases."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saltus.catalog.releases import load_releases
from saltus.catalog.routes import NoRoute, _Search, find_route, find_routes, needed_releases
from saltus.catalog.services import load_services

RELEASES = [r.name for r in load_releases().releases]
SERVICES = [s.name for s in load_services().services]


@pytest.mark.parametrize(
    ("service", "source", "target", "stops"),
    [
        ("nova", "zed", "epoxy", ["epoxy"]),
        ("nova", "mitaka", "ocata", ["ocata"]),
        ("nova", "victoria", "epoxy", ["antelope", "epoxy"]),
        ("nova", "mitaka", "gazpacho", ["ocata", "train", "antelope", "gazpacho"]),
        ("cinder", "mitaka", "rocky", ["ocata", "rocky"]),
        ("neutron", "mitaka", "gazpacho", ["gazpacho"]),
        ("placement", "mitaka", "gazpacho", ["gazpacho"]),
    ],
)
def test_a_known_route(service, source, target, stops):
    assert list(find_route(service, source, target).releases) == stops


def test_nova_waits_at_newtons_schema_with_ocatas_code():
    """What the ten steps rest on: no stop at Newton is needed."""
    (ocata,) = find_route("nova", "mitaka", "ocata").stops
    assert dict(ocata.sync_to) == {"nova": "334", "nova_api": "20"}


def test_heat_older_than_rocky_is_not_given_to_code_that_would_stamp_it_unseen():
    assert find_route("heat", "queens", "epoxy").releases != ("epoxy",)
    assert find_route("heat", "rocky", "epoxy").releases == ("epoxy",)


def test_services_share_stops_so_that_one_toolbox_serves_them():
    needed = needed_releases(find_routes("mitaka", "gazpacho"))
    assert {"cinder", "keystone", "nova"} <= set(needed["antelope"])


def test_what_the_registry_lacks_is_named_with_the_nearest_release_that_can_be_reached():
    with pytest.raises(NoRoute) as refusal:
        find_route("keystone", "mitaka", "ocata", available=lambda service, release: release != "ocata")
    assert "keystone ocata cannot be had" in str(refusal.value)


def test_every_reason_is_given_not_only_the_first():
    with pytest.raises(NoRoute) as refusal:
        find_routes("mitaka", "ocata", available=lambda service, release: service in ("nova", "cinder", "neutron"))
    assert len(refusal.value.reasons) == 3


def route_or_reasons(service, source, target, missing=frozenset()):
    try:
        return find_route(service, source, target, available=lambda s, r: r not in missing), []
    except NoRoute as refusal:
        return None, refusal.reasons


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SERVICES), st.sampled_from(RELEASES), st.sampled_from(RELEASES), st.sets(st.sampled_from(RELEASES))
)
def test_any_pair_has_a_route_whose_every_stop_is_possible_and_necessary_or_a_reasoned_refusal(
    service, source, target, missing
):
    route, reasons = route_or_reasons(service, source, target, missing)
    if route is None:
        assert reasons
        assert all(reasons)
        return
    assert route.stops[-1].release == target
    assert not missing & set(route.releases)
    order = [RELEASES.index(r) for r in (source, *route.releases)]
    assert order == sorted(set(order))
    if route.stops[0].creates:
        return
    entry = load_services().get(service)
    search = _Search(entry, source, target, frozenset(), lambda s, r: True)
    done, previous = search.satisfied_by_source(), source
    for stop, following in zip(route.stops, [*route.stops[1:], None], strict=True):
        assert not search.obstacles(previous, stop.release, done)
        if following is not None:  # passing the stop by is impossible
            assert search.obstacles(previous, following.release, done)
        done, previous = search.after(stop.release, done), stop.release


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(SERVICES), st.sampled_from(RELEASES), st.sampled_from(RELEASES))
def test_a_route_is_the_same_however_often_it_is_asked_for(service, source, target):
    assert route_or_reasons(service, source, target) == route_or_reasons(service, source, target)
