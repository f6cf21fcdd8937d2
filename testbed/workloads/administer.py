# SPDX-License-Identifier: GPL-2.0-only
"""What an administrator asks a NIC and sets there, most of which ends in the firmware.

Each may be refused: a card need not offer it. What the driver then does is looked at elsewhere.
"""

from __future__ import annotations

import re

from testbed.dut.counters import NapiSettings, ask_netdev_argv
from testbed.dut.driver import await_carrier
from testbed.dut.flash import damaged, flash, package, versions
from testbed.dut.nic import ethtool, ethtool_json, link
from testbed.dut.pause import pause
from testbed.dut.protocols import Dut
from testbed.workloads.traffic import require_echo
from testbed.workloads.workload import WorkloadContext

QUERIES = (
    "-i", "-S", "-k", "-l", "-g", "-c", "-a", "-x", "-m", "-T", "-P", "-n", "-e",
    "-d", "--show-fec", "--show-eee", "--show-priv-flags", "--phy-statistics", "--show-module",
)  # fmt: skip
_SETTINGS = (
    ("-A", "rx", "on", "tx", "on"), ("-A", "autoneg", "off", "rx", "off", "tx", "off"),
    ("-C", "rx-usecs", "50", "rx-frames", "20"), ("-C", "adaptive-rx", "on"),
    ("-C", "adaptive-rx", "off", "rx-usecs", "10"), ("-r",), ("--set-fec", "encoding", "off"),
    ("-K", "rxvlan", "off"), ("-K", "rxvlan", "on"), ("-K", "gro", "off"), ("-K", "gro", "on"),
    ("-K", "lro", "on"), ("-K", "lro", "off"), ("-K", "rxhash", "off"), ("-K", "rxhash", "on"),
    ("-s", "speed", "25000"), ("-s", "autoneg", "on"), ("-s", "wol", "g"), ("-s", "wol", "d"),
    ("-N", "rx-flow-hash", "udp4", "sdfn"), ("-N", "rx-flow-hash", "udp4", "sd"),
    ("--set-eee", "eee", "on"), ("--set-eee", "eee", "off"),
)  # fmt: skip
_LINK = (
    ("promisc", "on"), ("promisc", "off"), ("allmulticast", "on"), ("allmulticast", "off"),
    ("mtu", "9000"), ("mtu", "1500"),
)  # fmt: skip
_FIRMWARE = (
    "ethtool -e $1 offset 0 length 2048", "ethtool -e $1 offset 0x1000000 length 96",
    "ethtool -e $1 offset 0x3000000 length 4096", "ethtool -d $1", "ethtool -W $1 2",
    "ethtool -w $1 data /tmp/dump", "ethtool -W $1 3", "ethtool -w $1 data /tmp/dump",
    "ethtool -W $1 0", "ethtool -w $1 data /tmp/dump", "ethtool -t $1 offline",
    "devlink dev info pci/$2", "devlink dev param show pci/$2",
    "devlink dev param set pci/$2 name ignore_ari value true cmode permanent",
    "devlink dev param set pci/$2 name ignore_ari value false cmode permanent",
    "devlink dev selftests run pci/$2 id flash", "devlink health show pci/$2",
    "devlink health diagnose pci/$2 reporter fw", "devlink health dump show pci/$2 reporter fw",
    "devlink port show", "ethtool -p $1 1",
)  # fmt: skip
"""Of an interface and its PCI address."""
_FLASHED = "233.7.8.9"
_CODE_BYTES = (20_000, 300_000)
"""In one piece, and in several."""
_NAPI = NapiSettings(defer=2, flush_ns=20_000, suspend_ns=20_000_000, threaded=True)
_GROUPS = 20
_TRIES, _TRY_AGAIN_S = 10, 1.0


def prepare(context: WorkloadContext) -> None:
    """What is set back at the end, asked while it can be: an ethtool that lacks memory would say
    nothing, and what it was asked for would stay set."""
    dut = context.dut
    before, address = ethtool_json(dut, "-c"), str(link(dut)["address"])
    context.defer(ethtool, dut, "-C", dut.netdev, "rx-usecs", str(before["rx-usecs"]))
    _take_back_port(context)
    context.defer(dut.run, ask_netdev_argv(dut, NapiSettings()))
    for words in (("promisc", "off"), ("allmulticast", "off"), ("mtu", "1500"),
                  ("address", address)):  # fmt: skip
        context.defer(dut.run, ["ip", "link", "set", "dev", dut.netdev, *words])


def administer(context: WorkloadContext) -> None:
    """Everything asked, everything set and set back; then an echo has to come."""
    dut = context.dut
    refused = asked = 0

    def do(*argv: str) -> None:
        nonlocal refused, asked
        asked += 1
        refused += dut.run(argv, check=False).returncode != 0

    own = str(link(dut)["address"])
    for option in QUERIES:
        do("ethtool", option, dut.netdev)
    for option, *words in _SETTINGS:
        do("ethtool", option, dut.netdev, *words)
    for setting in _LINK:
        do("ip", "link", "set", "dev", dut.netdev, *setting)
    do("ip", "link", "set", "dev", dut.netdev, "address", "02:00:00:00:01:09")
    do("ip", "link", "set", "dev", dut.netdev, "address", own)
    for napi in (_NAPI, NapiSettings()):
        do(*ask_netdev_argv(dut, napi))
    for number in range(_GROUPS):  # more than the card takes one by one
        do("ip", "maddress", "add", f"33:33:00:00:01:{number:02x}", "dev", dut.netdev)
    for number in range(_GROUPS):
        do("ip", "maddress", "del", f"33:33:00:00:01:{number:02x}", "dev", dut.netdev)
    require_echo(context, after="all that was set")
    context.output.append(f"{refused} of {asked} refused")


def ask_firmware(context: WorkloadContext) -> None:
    """What the firmware keeps for its administrators: flash, dumps, parameters, tests of its own;
    then an echo has to come."""
    dut = context.dut
    asked = (["sh", "-c", line, "sh", dut.netdev, context.address] for line in _FIRMWARE)
    refused = sum(dut.run(argv, check=False).returncode != 0 for argv in asked)
    await_carrier(dut, up=True)
    require_echo(context, after="all that was asked")
    context.output.append(f"{refused} of {len(_FIRMWARE)} refused")


def flash_firmware(context: WorkloadContext) -> None:
    """A damaged package, one that is not, and what there was before: each may be refused, and is
    flashed once more at the end. An echo has to come meanwhile."""
    dut = context.dut
    before = versions(dut)
    old = package(before.get("stored fw", _FLASHED), before.get("stored fw.mgmt", _FLASHED))
    context.defer(flash, dut, old, check=False)
    new = package(_FLASHED, _FLASHED, context.random.choice(_CODE_BYTES))
    stored = []
    for data in (damaged(new), new, old):
        flash(dut, data, check=False)
        stored.append(versions(dut).get("stored fw", ""))
    require_echo(context, after="flashing")
    context.output.append(f"stored: {' '.join(stored)}")


def _take_back_port(context: WorkloadContext) -> None:
    """Speed and FEC as they are now, and a link again."""
    dut = context.dut
    said = ethtool(dut, dut.netdev)
    speed = re.search(r"Speed: (\d+)Mb/s", said)
    fixed = speed is not None and "Auto-negotiation: off" in said
    words = ["speed", speed[1], "autoneg", "off"] if speed and fixed else ["autoneg", "on"]
    asked = dut.run(["ethtool", "--show-fec", dut.netdev], check=False).text
    fec = re.search(r"Configured FEC encodings: (\w+)", asked)

    def put_back(_context: WorkloadContext) -> None:
        _insist(dut, "-s", dut.netdev, *words)
        if fec is not None:
            _insist(dut, "--set-fec", dut.netdev, "encoding", fec[1].lower())

    context.put_back_port = put_back
    context.defer(await_carrier, dut, up=True)
    context.defer(put_back, context)


def _insist(dut: Dut, *words: str) -> None:
    """``ethtool``, again while it is refused: a driver has no device while it resets the firmware,
    and knows no FEC if it was told so before its link went down. A speed without its FEC may be no
    link for ever."""
    for _ in range(_TRIES):
        if not dut.run(["ethtool", *words], check=False).returncode:
            return
        pause(dut, _TRY_AGAIN_S)
