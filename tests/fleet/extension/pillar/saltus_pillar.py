"""Stands in for the pillar of ours in tests of Salt itself: what a file says, or its error."""

from pathlib import Path

import yaml


def ext_pillar(minion_id, pillar, file, **settings):
    pillars = yaml.safe_load(Path(file).read_text())
    if "broken" in pillars:
        raise RuntimeError(pillars["broken"])
    return pillars.get(minion_id, {})
