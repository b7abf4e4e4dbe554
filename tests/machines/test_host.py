"""What the host lacks is said all at once, before anything is tried."""

from pathlib import Path

import pytest

from saltus.errors import Refused
from saltus.machines import host


def test_a_disk_without_room_is_refused_with_both_figures(tmp_path: Path) -> None:
    lacks = [lack.what for lack in host.missing(tmp_path / "not/yet/there", free_bytes=1024**5)]
    assert any("GiB free of the 1048576 needed" in lack for lack in lacks)
    with pytest.raises(Refused, match="lacks room"):
        host.prepare(tmp_path, free_bytes=1024**5)


def test_programs_that_are_missing_are_named_with_their_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {(lack.what, lack.package) for lack in host.missing(tmp_path, free_bytes=0) if lack.package} == set(
        host.PACKAGES.items()
    )
