"""The manage commands of a hop, as they run on a node or with a configuration of one's own."""

import pytest

from saltus.catalog.services import UnknownService, load_services


def test_services_stand_after_those_they_depend_on():
    names = [s.name for s in load_services().services]
    assert sorted(names) == ["cinder", "glance", "heat", "keystone", "neutron", "nova", "placement"]
    assert names.index("placement") < names.index("nova")


def test_on_a_node_tools_find_their_own_configuration_and_neutron_is_told():
    services = load_services()
    assert [c.argv for c in services.db_sync("nova", "zed", "epoxy")] == [
        ("nova-manage", "api_db", "sync"),
        ("nova-manage", "db", "sync"),
    ]
    (neutron,) = services.db_sync("neutron", "zed", "epoxy")
    assert neutron.argv[:3] == ("neutron-db-manage", "--config-file", "/etc/neutron/neutron.conf")
    assert neutron.user == "neutron"


def test_a_rehearsal_names_its_own_configuration():
    (command,) = load_services().db_sync("keystone", "zed", "epoxy", config=["/tmp/k.conf"])
    assert command.argv == ("keystone-manage", "--config-file", "/tmp/k.conf", "db_sync")


def test_cell0_is_a_database_from_ocata_on():
    services = load_services()
    assert set(services.heads("nova", "mitaka")) == {"nova_api", "nova"}
    assert services.heads("nova", "epoxy")["nova_cell0"] == services.heads("nova", "epoxy")["nova"]


def test_every_release_of_every_service_has_commands_and_heads_where_it_has_packages():
    from saltus.catalog.releases import load_releases

    services = load_services()
    for service in services.services:
        for release in load_releases().releases:
            if service.exists_in(release.name):
                assert services.db_sync(service.name, "mitaka", release.name)
                assert set(services.heads(service.name, release.name)) == set(service.databases_in(release.name))


def test_an_unknown_service_is_refused_with_the_known_ones():
    with pytest.raises(UnknownService, match="keystone"):
        load_services().get("keyston")
