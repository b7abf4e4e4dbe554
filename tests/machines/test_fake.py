"""The failures that the fake provider can be told to have."""

import subprocess
from dataclasses import replace

import pytest

from saltus.machines.fake import FakeProvider
from saltus.machines.provider import MachineError, MachineSpec

SPEC = MachineSpec(name="cmp01", image="bookworm", address="10.77.0.31/24", hostname="cmp01")


def test_a_machine_told_not_to_boot_shows_its_console() -> None:
    provider = FakeProvider(cannot_boot={"cmp01": "Kernel panic"})
    provider.create(SPEC)
    with pytest.raises(MachineError, match="Kernel panic"):
        provider.start("cmp01")
    assert provider.calls == [("create", "cmp01")]


def test_a_disk_goes_back_to_its_copy() -> None:
    provider = FakeProvider()
    provider.create(SPEC)
    provider.save_copy("cmp01", "golden")
    provider.disk("cmp01")["/root/new"] = "x"
    provider.restore_copy("cmp01", "golden")
    assert provider.disk("cmp01") == {}


def test_commands_answer_as_told() -> None:
    provider = FakeProvider(answer=lambda name, argv, stdin: subprocess.CompletedProcess(list(argv), 3, name, ""))
    provider.create(replace(SPEC))
    provider.start("cmp01")
    assert provider.run("cmp01", ["false"]).returncode == 3


def test_a_machine_that_ignores_its_power_button_is_cut_off() -> None:
    provider = FakeProvider(ignores_power_button={"cmp01"})
    provider.create(SPEC)
    provider.start("cmp01")
    provider.stop("cmp01")
    assert provider.power_cut == ["cmp01"]
