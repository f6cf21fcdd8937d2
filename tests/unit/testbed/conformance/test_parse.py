# SPDX-License-Identifier: GPL-2.0-only
"""The output of the script as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.conformance.parse import read_face, sections
from testbed.errors import UsageProblem
from tests.unit.testbed.conformance.sample import FACE

HERE = Path("face")
VALUES = {
    "bar/2": "16777216",
    "channels/Pre-set maximums/Combined": "32",
    "coalesce/Adaptive RX": "off",
    "coalesce/CQE mode TX": "off",
    "coalesce/rx-usecs": "10",
    "driver/firmware-version": "232.0.1.0/pkg 232.1.1.0",
    "driver/expansion-rom-version": "",
    "dump/flag": "0",
    "eee/exit": "1",
    "eee/message": "netlink error: Operation not supported",
    "features/rx-gro-hw": "on",
    "features/tx-checksum-sctp": "off [fixed]",
    "fec/Active FEC encoding": "RS",
    "hash-tcp4/fields": "IP SA, IP DA, L4 bytes 0 & 1 [TCP/UDP src port], "
    "L4 bytes 2 & 3 [TCP/UDP dst port]",
    "health/fw/auto_recover": "true",
    "info/fixed/board.id": "BCM957508-P2100G",
    "info/stored/fw.psid": "0.0.6",
    "ip/maxmtu": "9500",
    "link/Supported ports": "[ FIBRE ]",
    "link/Wake-on": "d",
    "memory/entries": "9",
    "memory/bytes of an entry": "24",
    "parameters/gre_ver_check/permanent": "true",
    "pci/subsystem_device": "0x2100",
    "permanent/Permanent address": "00:10:18:20:aa:01",
    "port/flavour": "physical",
    "registers/bytes": "13128",
    "rings/Pre-set maximums/RX": "2047",
    "rings/Current hardware settings/RX": "511",
    "rss/table": "64",
    "rss/key bytes": "40",
    "rss/RSS hash function/toeplitz": "on",
    "rules/total": "0",
    "selftests/names": "flash",
    "statistics/[ring] rx_ucast_packets": "present",
    "groups/eth-mac-FramesReceivedOK": "present",
    "timestamping/Capabilities": "software-receive, software-system-clock, software-transmit",
    "tunnels/UDP port table 1/Types": "geneve",
}


def test_what_the_tools_say_has_a_path() -> None:
    found = read_face(FACE.read_text("utf-8"), FACE)
    assert {path: found.get(path) for path in VALUES} == VALUES
    modes = found["link/Supported link modes"].split(", ")
    assert len(modes) == 8
    assert modes == sorted(modes)
    assert not any("nut0" in path for path in found), "the interface's name is no value"


def test_a_command_that_is_refused_or_absent() -> None:
    text = "=== made\nformat: 1\n--- 0\n=== module\nnetlink error: no\nmore\n--- 1\n"
    found = read_face(text + "=== info\n--- absent\n", HERE)
    assert (found["module/exit"], found["module/message"]) == ("1", "netlink error: no")
    assert found["info/exit"] == "absent"
    assert "info/message" not in found


def test_a_ring_is_told_once_and_by_any_number() -> None:
    head = "=== made\nformat: 1\n--- 0\n=== statistics\n"
    names = "     [0]: a: 1\n     [1]: a: 2\n     [1]: b: 2\n     c: 3\n NIC statistics:\n"
    found = read_face(f"{head}{names}--- 0\n", HERE)
    told = {path for path in found if path.startswith("statistics")}
    assert told == {"statistics/exit", "statistics/[ring] a", "statistics/c"}


@pytest.mark.parametrize("text", ["", "hello\n", "=== made\nformat: 2\n--- 0\n", "=== made\n"])
def test_something_else_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem, match=r"face: not the output of record\.sh"):
        read_face(text, HERE)


def test_a_section_without_an_end_is_none() -> None:
    assert [one.name for one in sections("=== a\nx\n=== b\ny\n--- 0\n--- 1\n")] == ["b"]
