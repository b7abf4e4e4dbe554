"""The mark on everything that the outage watcher writes through an API, so that nobody takes it for a tenant's."""

MARK = "saltus-watch"
"""The name, or part of it, of each object that the watcher makes and removes."""

TRAIT = "CUSTOM_SALTUS_WATCH"
"""The mark in the only spelling that placement accepts."""

TOUCHED = {
    ("keystone", "project_tag"): "name = 'saltus-watch'",
    ("glance", "metadef_namespaces"): "namespace = 'saltus-watch'",
    ("placement", "traits"): "name = 'CUSTOM_SALTUS_WATCH'",
    ("nova_api", "key_pairs"): "name = 'saltus-watch'",
    ("neutron", "address_scopes"): "name = 'saltus-watch'",
    ("neutron", "standardattributes"): "resource_type = 'address_scopes'",
    ("cinder", "volume_types"): "name = 'saltus-watch'",
    ("heat", "software_config"): "name = 'saltus-watch'",
}
"""{(database, table): the rows there that are the watcher's}: what does not count as written by tenants."""
