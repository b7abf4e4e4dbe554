"""What every provider of machines promises; each test runs on all of them."""

import threading
from dataclasses import replace

import pytest

from saltus.machines.fake import FakeProvider
from saltus.machines.provider import FileContent, MachineError, MachineSpec, Provider, Volume

SPEC = MachineSpec(
    name="ctl01-b",
    image="bookworm",
    address="10.91.0.12/24",
    hostname="ctl01",
    gateway="10.91.0.1",
    volumes=(Volume("images", "/srv/images"),),
    files={"/etc/salt/pki/minion/minion.pem": FileContent(b"key", mode=0o400)},
)


@pytest.fixture(params=["fake", pytest.param("nspawn", marks=pytest.mark.root)])
def provider(request: pytest.FixtureRequest) -> Provider:
    if request.param == "fake":
        return FakeProvider(images={"bookworm"})
    provider: Provider = request.getfixturevalue("nspawn")
    return provider


def test_a_machine_is_off_when_created_and_keeps_its_specification(provider: Provider) -> None:
    machine = provider.create(SPEC)
    assert not machine.is_running
    assert machine.address == "10.91.0.12"
    assert machine.spec == SPEC
    assert provider.get("ctl01-b") == machine
    assert list(provider.list()) == [machine]


def test_creating_the_same_again_does_nothing_and_another_is_refused(provider: Provider) -> None:
    first = provider.create(SPEC)
    assert provider.create(SPEC) == first
    with pytest.raises(MachineError, match="address, hypervisor"):
        provider.create(replace(SPEC, address="10.91.0.13/24", hypervisor=True))


def test_an_image_that_was_never_built_is_refused(provider: Provider) -> None:
    with pytest.raises(MachineError, match="no image zed"):
        provider.create(replace(SPEC, image="zed"))
    assert provider.get("ctl01-b") is None


def test_power_may_be_switched_twice_either_way(provider: Provider) -> None:
    provider.create(SPEC)
    assert provider.start("ctl01-b").is_running
    assert provider.start("ctl01-b").is_running
    for _ in range(2):
        provider.stop("ctl01-b")
        machine = provider.get("ctl01-b")
        assert machine
        assert not machine.is_running


def test_a_destroyed_machine_is_gone_and_may_be_destroyed_again(provider: Provider) -> None:
    provider.create(SPEC)
    provider.start("ctl01-b")
    provider.destroy("ctl01-b")
    provider.destroy("ctl01-b")
    assert provider.get("ctl01-b") is None
    assert not provider.list()


def test_what_needs_a_machine_names_the_one_that_is_not_there(provider: Provider) -> None:
    for attempt in (provider.start, provider.stop, provider.copies, provider.shell):
        with pytest.raises(MachineError, match="no machine ctl09"):
            attempt("ctl09")


def test_a_command_needs_a_running_machine(provider: Provider) -> None:
    provider.create(SPEC)
    with pytest.raises(MachineError, match="is off"):
        provider.run("ctl01-b", ["true"])
    provider.start("ctl01-b")
    assert provider.run("ctl01-b", ["true"]).returncode == 0
    assert "ctl01-b" in provider.shell("ctl01-b") or "nsenter" in provider.shell("ctl01-b")


def test_disks_are_copied_only_while_the_machine_is_off(provider: Provider) -> None:
    provider.create(SPEC)
    provider.start("ctl01-b")
    for attempt in (provider.save_copy, provider.restore_copy):
        with pytest.raises(MachineError, match="is running"):
            attempt("ctl01-b", "golden")
    provider.stop("ctl01-b")
    with pytest.raises(MachineError, match="no copy 'golden'"):
        provider.restore_copy("ctl01-b", "golden")
    provider.save_copy("ctl01-b", "golden")
    provider.save_copy("ctl01-b", "golden")
    provider.restore_copy("ctl01-b", "golden")
    assert list(provider.copies("ctl01-b")) == ["golden"]


def test_a_volume_stays_until_nobody_names_it(provider: Provider) -> None:
    provider.create(SPEC)
    with pytest.raises(MachineError, match="ctl01-b would lose it"):
        provider.remove_volume("images")
    provider.destroy("ctl01-b")
    provider.remove_volume("images")


def test_machines_are_created_in_parallel(provider: Provider) -> None:
    specs = [replace(SPEC, name=f"n{number}", address=f"10.91.0.{20 + number}/24") for number in range(4)]

    def bring_up(spec: MachineSpec) -> None:
        provider.create(spec)
        provider.start(spec.name)

    threads = [threading.Thread(target=bring_up, args=(spec,)) for spec in specs for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(machine.name, machine.is_running) for machine in provider.list()] == [
        (f"n{number}", True) for number in range(4)
    ]


def test_clean_finds_nothing_on_a_tidy_provider_and_leaves_machines_alone(provider: Provider) -> None:
    provider.create(SPEC)
    provider.start("ctl01-b")
    assert list(provider.clean()) == []
    machine = provider.get("ctl01-b")
    assert machine
    assert machine.is_running
