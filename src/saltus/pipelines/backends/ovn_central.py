"""OVN's central: its two databases, and the daemon that turns one into the other."""

from saltus.pipelines.backends.port import Backend
from saltus.plan import Impact

# Behind the controllers (see `ovn.py`). Each database is converted to its new schema when its server starts (Debian's
# units run `ovn-ctl`, which does it), so that the servers come before northd.
BACKEND = Backend(
    name="ovn-central",
    agents=(),
    restart=("ovn-ovsdb-server-nb.service", "ovn-ovsdb-server-sb.service", "ovn-northd.service"),
    impact=Impact.NONE,
    because="controllers keep their flows while the databases are away; what tenants change meanwhile waits",
)
