# SPDX-License-Identifier: GPL-2.0-only
"""What others published of real BCM57508 cards holds here, too: a witness that is not ours.

Each expectation names who printed it. "Grace": kernel log of a machine with one BCM57508 (Linux
6.16-rc5, aarch64), in a public archive. "P2100G": output of devlink in netdev's patches of
March 2020. "Yoo": ethtool output in Taehee Yoo's tcp-data-split series. "README": that of
Broadcom's out-of-tree driver 1.10.3-230.
"""

from __future__ import annotations

import re

import pytest

from testbed.dut.nic import ethtool, ethtool_json
from testbed.dut.protocols import Capability, Dut

KIB = 1 << 10
BARS = {0: 64 * KIB, 2: 16 << 20, 4: 32 * KIB}
BOARD = "Broadcom BCM57508 NetXtreme-E 10Gb/25Gb/50Gb/100Gb/200Gb Ethernet found at mem "
RING_COUNTERS = [
    "rx_ucast_packets", "rx_mcast_packets", "rx_bcast_packets", "rx_discards", "rx_errors",
    "rx_ucast_bytes", "rx_mcast_bytes", "rx_bcast_bytes", "tx_ucast_packets", "tx_mcast_packets",
    "tx_bcast_packets", "tx_errors", "tx_discards", "tx_ucast_bytes", "tx_mcast_bytes",
    "tx_bcast_bytes", "rx_tpa_eligible_pkt", "rx_tpa_eligible_bytes", "rx_tpa_pkt",
    "rx_tpa_bytes", "rx_tpa_errors", "rx_l4_csum_errors", "rx_resets", "rx_buf_errors",
    "missed_irqs",
]  # fmt: skip


def of_device(dut: Dut, command: str) -> str:
    """Run ``command`` in the PCI device's folder of sysfs."""
    folder = f"/sys/class/net/{dut.netdev}/device/"
    return dut.run(["sh", "-ec", f"cd {folder}; {command}"]).text


def test_pci_identity(dut: Dut) -> None:
    """pci.ids and lspci lists: 14e4:1750 "(rev 12)"; Grace: "type 00 class 0x020000"."""
    said = of_device(dut, "cat vendor device revision class").split()
    assert said == ["0x14e4", "0x1750", "0x12", "0x020000"]


def test_sizes_of_the_bars(dut: Dut) -> None:
    """Grace: BAR0 64 KiB, BAR2 16 MiB, BAR4 32 KiB, all 64 bits wide and prefetchable."""
    lines = of_device(dut, "head -n 6 resource").splitlines()
    bars = [tuple(int(word, 16) for word in line.split()) for line in lines]
    assert {n: end - start + 1 for n, (start, end, _) in enumerate(bars) if end} == BARS
    io_resource_mem_64, io_resource_prefetch = 0x00100000, 0x00002000  # include/linux/ioport.h
    for number in BARS:
        assert bars[number][2] & io_resource_mem_64
        assert bars[number][2] & io_resource_prefetch


def test_what_the_driver_logs_at_probe(dut: Dut) -> None:
    """Grace: board, address of BAR0 and MAC, then the bandwidth of the link, in this order."""
    log = dut.run(["dmesg"]).text
    start = of_device(dut, "head -n 1 resource").split()[0]
    found = log.find(f"{BOARD}{int(start, 16):x}, node addr ")
    assert found >= 0
    bandwidth = r"\d+\.\d{3} Gb/s available PCIe bandwidth \(16\.0 GT/s PCIe x\d+ link\)"
    assert re.search(bandwidth, log[found:])


def test_ring_sizes(dut: Dut) -> None:
    """Yoo, and README: maxima 2047, 8191, 2047, and 1023 of the HDS threshold."""
    rings = ethtool_json(dut, "-g")
    assert [rings[f"{name}-max"] for name in ("rx", "rx-jumbo", "tx")] == [2047, 8191, 2047]
    assert rings["hds-thresh-max"] == 1023


def test_rss_table_and_key(dut: Dut) -> None:
    """README: 64 entries up to 64 rings on 5750X; 40 bytes of key."""
    spread = ethtool_json(dut, "-x")
    assert len(spread["rss-indirection-table"]) == 64
    assert len(spread["rss-hash-key"]) == 40


def test_counters_of_a_ring(dut: Dut) -> None:
    """README names them in this order; the TPA counters are those of P5 without events."""
    names = re.findall(r"^\s*\[0\]: (\w+): ", ethtool(dut, "-S", dut.netdev), re.MULTILINE)
    assert names == RING_COUNTERS


@pytest.mark.needs(Capability.CARD_STATE)  # another board says otherwise
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("board.id", "BCM957508-P2100G"), ("asic.id", "1750"), ("asic.rev", "B1"),
        ("fw.psid", "0.0.6"),
    ],
)  # fmt: skip
def test_versions_of_devlink(dut: Dut, name: str, value: str) -> None:
    """P2100G: these versions (its firmware was another one); the form of asic.rev is later's."""
    said = dut.run(["devlink", "dev", "info"]).text
    assert re.search(rf"^\s+{re.escape(name)} {re.escape(value)}$", said, re.MULTILINE)
