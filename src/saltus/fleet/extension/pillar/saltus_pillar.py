"""Salt's door to our pillar: loaded by salt-master through `module_dirs`, configured by `ext_pillar`.

An error raised here ends up in the minion's pillar as `_errors`, and `fleet.live` refuses such a pillar.
"""

from typing import Any

from saltus.fleet.pillar import pillar_for


def ext_pillar(minion_id: str, pillar: dict[str, Any], **settings: str) -> dict[str, Any]:
    return pillar_for(minion_id, **settings)
