# SPDX-License-Identifier: GPL-2.0-only
"""Capabilities are read out of what the guest says, whatever it says."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.dut.probing import lacking_in_kernel
from testbed.dut.protocols import Capability, Completed

ZCRX_PROBE = (
    '{"recv_zc":true,"control":true,"no_device":true,"events":true,"buffer_length":true,'
    '"mixed_completions":true}'
)
WITHOUT_ZCRX = {
    Capability.ZCRX, Capability.ZCRX_CONTROL, Capability.ZCRX_NODEV, Capability.ZCRX_EVENTS,
    Capability.ZCRX_BUFFER_LENGTH, Capability.MIXED_COMPLETIONS, Capability.QUEUE_RESTART,
}  # fmt: skip
FAILING = {Capability.FAILING_ALLOCATIONS, Capability.FAILING_FUNCTIONS, Capability.SANITIZERS}
DEVMEM = {Capability.DEVMEM, Capability.DEVMEM_TX}
DEVMEM_PROBE = '{"udmabuf":true,"bind_rx":true,"bind_tx":true}'
PROVIDED = Capability.REGISTERED_PROVIDED_BUFFERS


class End:
    """Prints one text, another for debugfs and clock, a third for device memory."""

    netdev, ipv4, ipv6 = "nut0", "192.0.2.1", "2001:db8::1"

    def __init__(
        self, text: str, debugfs: str = "", devmem: str = DEVMEM_PROBE,
        sendzc: str = '{"provided_registered":true}',
        contexts: str = "netlink error: No such file or directory",
        clocks: str = "/sys/class/net/nut0/device/ptp:\nptp0\n", flower: int = 0, dcb: int = 0,
        functions: str = "/sys/class/net/nut0/device/sriov_totalvfs\n",
        netkit: str = "Error: Invalid number of receive queues.",
        lease: str = '{"queue_create":true}',
    ) -> None:  # fmt: skip
        self.text = text
        self.refused = {"ethtool": contexts, "ip": netkit}
        self.statuses = {"grep": flower, "dcb": dcb}
        self.others = {
            "ls": f"/sys/kernel/debug:\n{debugfs}\n{clocks}\n{functions}",
            "devmem_console": devmem,
            "sendzc_console": sendzc,
            "queue_lease": lease,
        }

    def run(self, argv: Any, **_: Any) -> Completed:
        if argv[0] in self.refused:
            return Completed(tuple(argv), 1, b"", self.refused[argv[0]].encode(), 0.1)
        text = self.others.get(argv[0].rpartition("/")[2], self.text)
        command = argv[2].partition(" ")[0] if argv[0] == "sh" else argv[0]
        status = self.statuses.get(command, 0)
        return Completed(tuple(argv), status, text.encode(), b"", 0.1)


@pytest.mark.parametrize(
    ("output", "lacking"),
    [
        (ZCRX_PROBE + '\n[{"rx": 511, "hds-thresh": 256}]', set()),
        (ZCRX_PROBE + '\n[{"rx": 511, "hds-thresh": 0}]', set()),
        ('{"recv_zc":false}\n[{"rx": 511, "hds-thresh": 0}]', WITHOUT_ZCRX),
        (
            ZCRX_PROBE.replace('"events":true', '"events":false') + '\n[{"hds-thresh": 0}]',
            {Capability.ZCRX_EVENTS},
        ),
        (
            '{"recv_zc":true}\n[{"hds-thresh": 0}]',
            WITHOUT_ZCRX - {Capability.ZCRX, Capability.QUEUE_RESTART},
        ),
        (ZCRX_PROBE + '\n[{"rx": 511}]', {Capability.HEADER_SPLIT}),
        (ZCRX_PROBE + '\n[{"hds-thresh": "n/a"}]', {Capability.HEADER_SPLIT}),
        ("", {*WITHOUT_ZCRX, Capability.HEADER_SPLIT}),
        ("[]\nnull", {*WITHOUT_ZCRX, Capability.HEADER_SPLIT}),
    ],
)
def test_lacking(output: str, lacking: set[Capability]) -> None:
    assert lacking_in_kernel(End(output)) == lacking | FAILING  # type: ignore[arg-type]  # only run()


@pytest.mark.parametrize(
    ("debugfs", "lacking"),
    [
        ("bdi\nfailslab\nkmemleak\nsched\n", {Capability.FAILING_FUNCTIONS}),
        ("fail_function\nfailslab\nkmemleak\n", set()),
        ("not_failslab\n", FAILING),
    ],
)
def test_what_fails_on_request(debugfs: str, lacking: set[Capability]) -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', debugfs)
    assert lacking_in_kernel(end) == lacking  # type: ignore[arg-type]  # only run() is used


@pytest.mark.parametrize(
    ("output", "lacking"),
    [
        (DEVMEM_PROBE, set()),
        ('{"udmabuf":true,"bind_rx":true,"bind_tx":false}', {Capability.DEVMEM_TX}),
        ('{"udmabuf":true,"bind_rx":false,"bind_tx":true}', {Capability.DEVMEM}),
        ('{"udmabuf":false,"bind_rx":true,"bind_tx":true}', DEVMEM),
        ("devmem_console: not found", DEVMEM),
    ],
)
def test_device_memory(output: str, lacking: set[Capability]) -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', "fail_function\nfailslab\nkmemleak\n", output)
    assert lacking_in_kernel(end) == lacking  # type: ignore[arg-type]  # only run() is used


@pytest.mark.parametrize("nonsense", ["[" * 100_000, "5", "[[]]", '{"recv_zc": []}', "null\nnull"])
def test_nonsense_offers_nothing(nonsense: str) -> None:
    lacking = lacking_in_kernel(End(nonsense, "", nonsense, sendzc=nonsense))  # type: ignore[arg-type]
    assert WITHOUT_ZCRX | DEVMEM | {PROVIDED, Capability.HEADER_SPLIT} <= lacking


@pytest.mark.parametrize("output", ['{"provided_registered":false}', "", "[]", "null"])
def test_send_from_provided_registered_buffers(output: str) -> None:
    end = End(
        ZCRX_PROBE + '\n[{"hds-thresh": 0}]', "fail_function\nfailslab\nkmemleak\n", sendzc=output
    )
    assert lacking_in_kernel(end) == {PROVIDED}  # type: ignore[arg-type]  # only run() is used


@pytest.mark.parametrize("said", ["netlink error: Operation not supported", ""])
def test_rss_contexts(said: str) -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', contexts=said)
    assert lacking_in_kernel(end) == FAILING | {Capability.RSS_CONTEXTS}  # type: ignore[arg-type]


def test_hardware_clock() -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', clocks="")
    assert lacking_in_kernel(end) == FAILING | {Capability.HARDWARE_CLOCK}  # type: ignore[arg-type]


def test_virtual_functions() -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', functions="")
    assert lacking_in_kernel(end) == FAILING | {Capability.SRIOV}  # type: ignore[arg-type]


def test_flower() -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', flower=1)
    assert lacking_in_kernel(end) == FAILING | {Capability.FLOWER}  # type: ignore[arg-type]


def test_classes_of_service() -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', dcb=2)
    assert lacking_in_kernel(end) == FAILING | {Capability.DCB}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "lacks",
    [
        {"netkit": "Error: Unknown device type."},
        {"lease": '{"queue_create":false}'},
        {"lease": "queue_lease: not found"},
        {"lease": "null"},
    ],
)
def test_leases(lacks: dict[str, str]) -> None:
    end = End(ZCRX_PROBE + '\n[{"hds-thresh": 0}]', **lacks)
    assert lacking_in_kernel(end) == FAILING | {Capability.QUEUE_LEASE}  # type: ignore[arg-type]
