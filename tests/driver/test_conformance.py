# SPDX-License-Identifier: GPL-2.0-only
"""A card with planted differences: a recording finds each, and as a personality has none left."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from testbed.card.personality import check_card_options, default_card
from testbed.conformance.diff import Difference, compare
from testbed.conformance.keys import keys_of
from testbed.conformance.personality import make_personality
from testbed.conformance.record import record_session
from testbed.conformance.recording import Recording
from testbed.engines.uml.engine import ENGINE as UML
from testbed.engines.uml.session import UmlSession
from testbed.faults.plans import fault
from testbed.options import RunOptions
from testbed.workloads.judge import CardAccount

PLANTED: dict[str, Any] = {
    "pci_device_id": 0x1751, "chip_num": 0x1752, "chip_rev": 2, "chip_metal": 3,
    "pci_revision": 0x11, "subsystem_id": 0x5046, "register_bar_kib": 128,
    "doorbell_bar_mib": 32, "msix_bar_kib": 64, "mac": "00101820bb02",
    "board": "BCM957504-N250G", "serial": "N250P0000000009", "firmware": [231, 2, 3, 4],
    "management_firmware": [231, 5, 6, 7], "package": "231.9.8.7", "hwrm_interface": [1, 9, 2],
    "nvm_config": [1, 2, 9], "max_mtu": 9000, "max_mru": 9100, "max_tso_segs": 32,
    "max_aggs": 128, "max_flows": 512, "module": "sr4", "dev_caps": 0x1004,
    "func_flags": 0x81C00020, "func_flags_ext": 0x8, "func_flags_ext2": 0x40,
    "vnic_flags": 0x40000000, "adv_flow": 0x100000, "has_backing_store": False,
    "max_req_win_len": 256, "max_resp_len": 2048, "max_ext_req_len": 384,
    "max_req_timeout_s": 60, "doorbell_bar_kib": 512,
    "limits": {
        "msix": 24, "tx_rings": 20, "rx_rings": 40, "cmpl_rings": 60, "stat_ctx": 30, "vnics": 9,
        "rsscos_ctx": 70, "l2_ctxs": 5, "hw_ring_grps": 22,
    },
}  # fmt: skip
OPTIONS = {*PLANTED, *(f"limits.{name}" for name in PLANTED["limits"])} - {"limits"}


def record(
    folder: Path, *, scrub: bool = False, plan: Sequence[object] = (), **more: Any
) -> Recording:
    """The default card with ``more`` options and the faults of a plan."""
    check_card_options(more)
    options = RunOptions(engine="uml", cpus=1, seed=3, memory_mib=512, card_options=more)
    options, prepared = UML.prepare(options, lambda _text: None)
    folder.mkdir()
    with UmlSession(options, folder, prepared) as session:
        if plan:
            session.card.faults_arm({"version": 1, "fault": list(plan)})
        recording = record_session(session, scrub=scrub)
        account = CardAccount.of(session.card.state())
        assert not account.unknown_hwrm
        assert account.require_no_violation()
        return recording


def differences(one: Recording, other: Recording) -> list[Difference]:
    comparison = compare(one, other)
    assert comparison.one_sided == {}
    return comparison.differences


def test_planted_differences_are_found_and_a_personality_has_none_left(tmp_path: Path) -> None:
    """Each planted option shows, each value that differs is of a planted one, and back again."""
    assert len(OPTIONS) >= 30
    plain, planted = record(tmp_path / "plain"), record(tmp_path / "planted", **PLANTED)
    found = differences(plain, planted)
    named = {one.path: set(keys_of(one.path)) for one in found}
    assert {path for path, keys in named.items() if not keys & OPTIONS} == set()
    shown = set().union(*named.values())
    assert OPTIONS - shown == set()
    made = make_personality(planted)
    assert made.refused == {}
    assert made.options["limits"] == PLANTED["limits"]
    assert {**default_card(), **made.options} == {**default_card(), **PLANTED}
    assert differences(planted, record(tmp_path / "again", **made.options)) == []


def test_a_scrubbed_recording_tells_no_address_and_no_serial_number(tmp_path: Path) -> None:
    card = {"mac": "00101820bb02", "serial": "N250P0000000009"}
    text = record(tmp_path / "scrubbed", scrub=True, **card).text().lower()
    assert "00:10:18:xx:xx:xx" in text
    for told in ("20:bb:02", "20bb02", "20-bb-02", "02bb20", "n250p0000000009", "emulated0001"):
        assert told not in text


def test_commands_that_a_fault_refuses_are_found(tmp_path: Path) -> None:
    """Module and directory of the memory are refused; nothing else differs."""
    plain = record(tmp_path / "plain")
    commands = ("PORT_PHY_I2C_READ", "NVM_GET_DIR_INFO")
    plan = [
        fault(name, "hwrm.request", "set", match={"cmd": name}, fields={"refuse": 0x2})
        for name in commands
    ]
    found = {one.path for one in differences(plain, record(tmp_path / "faults", plan=plan))}
    assert {path.partition("/")[0] for path in found} == {"module", "memory", "hwrm"}
    assert {"module/exit", "memory/exit"} <= found
    told = {path.split("/")[1] for path in found if path.startswith("hwrm/")}
    assert told == set(commands)
