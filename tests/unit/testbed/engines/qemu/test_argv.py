# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line from data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from testbed.engines.qemu.argv import (
    Descriptors,
    MachineSpec,
    PeerNic,
    Plugin,
    QemuNic,
    VfioUserNic,
    build_argv,
    kernel_command_line,
    plugging,
)

PLAIN = Descriptors(qmp=1, serial=2, keys=8, agent=3, console=4, kernel=5, initrd=6, memory=7)
FDS = replace(PLAIN, disks=[16, 17])


def values(argv: list[str], option: str) -> list[str]:
    return [argv[at + 1] for at, word in enumerate(argv) if word == option]


def netdevs(argv: list[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in values(argv, "-netdev")]


def devices(argv: list[str]) -> dict[str, dict[str, Any]]:
    return {device["driver"]: device for device in map(json.loads, values(argv, "-device"))}


def spec(**more: Any) -> MachineSpec:
    return MachineSpec(**{"accel": "tcg", "cpus": 2, "memory_mib": 512, **more})


def test_card_sits_behind_its_own_root_port() -> None:
    argv = build_argv(["qemu"], spec(nut=VfioUserNic(socket=Path("/x/v.sock"))), FDS)
    card = devices(argv)["vfio-user-pci"]
    assert card["socket"] == {"type": "unix", "path": "/x/v.sock"}
    assert card["bus"] == devices(argv)["pcie-root-port"]["id"]


def test_memory_is_shared_with_the_card() -> None:
    (memory,) = map(json.loads, values(build_argv(["qemu"], spec(), FDS), "-object"))
    assert memory["mem-path"] == f"/proc/self/fd/{FDS.memory}"
    assert memory["share"] is True
    assert memory["size"] == 512 << 20


def test_serial_line_is_the_descriptors_it_was_given() -> None:
    argv = build_argv(["qemu"], spec(), FDS)
    sets = dict(text.split(",")[::-1] for text in values(argv, "-add-fd"))
    (line,) = (text for text in values(argv, "-chardev") if text.startswith("file,id=serial,"))
    paths = dict(word.split("=") for word in line.split(",")[2:])
    assert sets[f"set={paths['path'].rpartition('/')[2]}"] == f"fd={FDS.serial}"
    assert sets[f"set={paths['input-path'].rpartition('/')[2]}"] == f"fd={FDS.keys}"
    assert {FDS.serial, FDS.keys} <= set(FDS.numbers())


def test_containment_is_never_left_out() -> None:
    argv = build_argv(["qemu"], spec(), FDS)
    (sandbox,) = values(argv, "-sandbox")
    for rule in ("obsolete", "elevateprivileges", "spawn", "resourcecontrol"):
        assert f"{rule}=deny" in sandbox
    assert "-nodefaults" in argv
    assert not any("user," in word or "tap," in word for word in values(argv, "-netdev"))


def test_disks_are_read_only_descriptors() -> None:
    argv = build_argv(["qemu"], spec(), FDS)
    assert values(argv, "-add-fd")[-2:] == ["fd=16,set=1", "fd=17,set=2"]
    disks = [json.loads(text) for text in values(argv, "-blockdev")]
    assert [disk["file"]["filename"] for disk in disks] == ["/dev/fdset/1", "/dev/fdset/2"]
    assert all(disk["read-only"] and disk["file"]["read-only"] for disk in disks)


def test_iommu_is_strict_and_splits_the_irqchip() -> None:
    wanted = spec(iommu=True, nut=VfioUserNic(socket=Path("/x/v.sock")))
    argv = build_argv(["qemu"], wanted, FDS)
    order = [json.loads(text)["driver"] for text in values(argv, "-device")]
    assert order.index("intel-iommu") < order.index("vfio-user-pci")
    assert devices(argv)["intel-iommu"]["caching-mode"] is True
    assert "kernel-irqchip=split" in values(argv, "-machine")[0]
    line = kernel_command_line(wanted).split()
    assert {"intel_iommu=on", "iommu.strict=1", "iommu.passthrough=0"} <= set(line)
    assert "intel_iommu=on" not in kernel_command_line(spec())


def test_dma_bounces_where_it_is_asked_for() -> None:
    assert "swiotlb=force" in kernel_command_line(spec(swiotlb=True)).split()
    assert "swiotlb" not in kernel_command_line(spec())


def test_words_of_the_user_come_last() -> None:
    appended = kernel_command_line(spec(append=["panic=5", 'dyndbg="file rx.c +p"']))
    assert appended == f'{kernel_command_line(spec())} panic=5 dyndbg="file rx.c +p"'


def test_the_tsc_frequency_is_told_where_it_is_known() -> None:
    assert "tsc_early_khz=2596118" in kernel_command_line(spec(tsc_khz=2596118)).split()
    assert "tsc_early_khz" not in kernel_command_line(spec())


def test_wire_is_a_stream_socket_shared_memory_or_a_hub() -> None:
    wired = build_argv(["qemu"], spec(peer=PeerNic(wire=Path("/x/w.sock"))), FDS)
    (netdev,) = netdevs(wired)
    assert (netdev["type"], netdev["addr"]) == ("stream", {"type": "unix", "path": "/x/w.sock"})
    shared = build_argv(["qemu"], spec(peer=PeerNic(wire=Path("/x/w.sock"), by_vhost=True)), FDS)
    assert netdevs(shared) == [{"id": "peernet", "type": "vhost-user", "chardev": "peerwire"}]
    assert "socket,id=peerwire,path=/x/w.sock" in values(shared, "-chardev")
    joined = build_argv(["qemu"], spec(nut=QemuNic(model="igb"), peer=PeerNic(wire=None)), FDS)
    assert [netdev["type"] for netdev in netdevs(joined)] == ["hubport", "hubport"]
    assert devices(joined)["igb"]["netdev"] == "nutnet"


def test_what_is_plugged_later_has_its_port_and_no_place_on_the_command_line() -> None:
    nics = {
        "nut": VfioUserNic(socket=Path("/x/v.sock")),
        "peer": PeerNic(wire=Path("/x/w.sock"), by_vhost=True),
    }
    later = spec(plugged_later=True, **nics)
    argv = build_argv(["qemu"], later, replace(PLAIN, state=9))
    assert argv == build_argv(["qemu"], spec(plugged_later=True), replace(PLAIN, state=9))
    ports = [
        device["id"]
        for device in map(json.loads, values(argv, "-device"))
        if device["driver"] == "pcie-root-port"
    ]
    commands = plugging(later)
    assert [name for name, _ in commands] == [
        "device_add", "chardev-add", "netdev_add", "device_add",
    ]  # fmt: skip
    plugged = [arguments["bus"] for name, arguments in commands if name == "device_add"]
    assert plugged == ports


def test_a_restored_machine_waits_for_the_state_it_is_given() -> None:
    kept = build_argv(["qemu"], spec(plugged_later=True), replace(PLAIN, state=9))
    woken = build_argv(["qemu"], spec(plugged_later=True), replace(PLAIN, state=9, restored=True))
    assert "fd=9,set=100" in values(kept, "-add-fd")
    assert values(kept, "-incoming") == []
    assert values(woken, "-incoming") == ["defer"]


def test_share_reaches_device_and_kernel_line() -> None:
    fds = replace(PLAIN, share=9)
    argv = build_argv(["qemu"], spec(), fds)
    assert devices(argv)["vhost-user-fs-pci"]["tag"] == "share"
    assert "virtiofs=share" in values(argv, "-append")[0]
    assert sorted(fds.numbers()) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_icount_runs_on_one_thread() -> None:
    argv = build_argv(["qemu"], spec(icount=True), FDS)
    assert values(argv, "-icount") == ["shift=1,sleep=off"]
    assert values(argv, "-accel") == ["tcg"]
    assert values(build_argv(["qemu"], spec(), FDS), "-accel") == ["tcg,thread=multi"]


def test_a_plugin_is_told_the_memory_it_shares() -> None:
    fds = replace(PLAIN, plugin=9)
    plugin = Plugin(file=Path("/cache/a,b/count.so"), memory=9)
    argv = build_argv(["qemu"], spec(plugin=plugin), fds)
    assert argv[argv.index("-plugin") + 1] == "/cache/a,,b/count.so,memory=9"
    assert 9 in fds.numbers()


def test_register_writes_are_posted_unless_asked_otherwise() -> None:
    for posted in (True, False):
        nic = VfioUserNic(socket=Path("/run/s"), posted_writes=posted)
        argv = build_argv(["qemu"], spec(nut=nic), FDS)
        assert ('"x-no-posted-writes": true' in " ".join(argv)) is not posted
