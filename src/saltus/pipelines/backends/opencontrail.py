"""OpenContrail, or Tungsten Fabric: the vRouter in the kernel and its agent, from their own package source."""

from saltus.pipelines.backends.port import Backend
from saltus.plan import Impact

# Nova alone is upgraded. The vRouter is a module of the running kernel and speaks one version with its agent: both, the
# kernel and what they bring with them stay as they are, and no unit of theirs is restarted.
BACKEND = Backend(
    name="opencontrail",
    agents=(),
    restart=(),
    impact=Impact.NONE,
    because="the data plane is not touched: its packages are held and its agent goes on",
    held=("contrail-*", "python-contrail*", "python3-contrail*", "tungsten-*", "linux-image-*", "linux-headers-*"),
    whole=False,
    order=2,
)
