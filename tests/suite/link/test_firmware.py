# SPDX-License-Identifier: GPL-2.0-only
"""The board's memory and the firmware on it: read, flash, dump, restart, and the CoS queues."""

from __future__ import annotations

import re
import struct

import pytest

from testbed.dut.defer import Defer
from testbed.dut.driver import await_carrier, reload_driver
from testbed.dut.faults import Faults, refusing
from testbed.dut.flash import damaged, flash, package, versions
from testbed.dut.kmemleak import look_for_leaks
from testbed.dut.nic import ethtool, set_link
from testbed.dut.protocols import Capability, Dut, Endpoint
from testbed.dut.streams import MIB, check_stream
from testbed.dut.unending import ask_in_time

PORT = 5640
STATUS_OFFSET, ILL = 0x520, 0x8001
"""Of the register that has the firmware's status; 0x8000 is healthy."""
HEARTBEAT_OFFSET = 0x528
"""Of the register that counts while the firmware is well."""
CLEARS_FREED = "init_on_free=1"
"""On the kernel's command line."""
NEW = "233.7.8.9"
VPD_TYPE = 5
DIRECTORY_ENTRY = 24
MORE = 1
"""DBG_COREDUMP_LIST_RESP_FLAGS_MORE."""
COREDUMP_RETRIEVE_BUF_LEN = 4096
"""Room for one answer to DBG_COREDUMP_RETRIEVE (bnxt_coredump.h)."""
MAX_APPS = 8
"""IEEE_8021QAZ_MAX_TCS, as many as bnxt_hwrm_set_dcbx_app() has room for."""
PARAMETERS = {
    "enable_sriov", "ignore_ari", "msix_vec_per_pf_max", "msix_vec_per_pf_min", "enable_roce",
    "gre_ver_check", "enable_remote_dev_reset",
}  # fmt: skip
ONLY_EMULATED = pytest.mark.needs(Capability.CHOSEN_CARD)
"""A stranger's card is not flashed, and its settings stay as they are."""


def device(dut: Dut) -> str:
    """How devlink calls the card."""
    path = dut.run(["readlink", "-f", f"/sys/class/net/{dut.netdev}/device"]).text.strip()
    return f"pci/{path.rpartition('/')[2]}"


def devlink(dut: Dut, *words: str, check: bool = True) -> str:
    """Output of devlink."""
    return dut.run(["devlink", *words], check=check).text


def raw(dut: Dut, *words: str) -> bytes:
    """What ethtool writes with ``raw on``."""
    return dut.run(["ethtool", *words, "raw", "on"]).stdout


def go_back(dut: Dut, old: dict[str, str]) -> None:
    """Flash and start the firmware that was there."""
    flash(dut, package(old["stored fw"], old["stored fw.mgmt"]))
    devlink(dut, "dev", "reload", device(dut), "action", "fw_activate")
    assert versions(dut) == old


def test_the_directory_names_the_vital_product_data(dut: Dut) -> None:
    """``ethtool -e``: offset 0 is the directory, the upper byte of others an item from 1 on."""
    directory = raw(dut, "-e", dut.netdev, "offset", "0", "length", "2048")
    count, size = directory[:2]
    assert size == DIRECTORY_ENTRY
    kinds = [directory[2 + i * size] for i in range(count)]
    offset = (kinds.index(VPD_TYPE) + 1) << 24
    vpd = raw(dut, "-e", dut.netdev, "offset", str(offset), "length", "96")
    board = re.search(r"board\.id (\S+)", devlink(dut, "dev", "info", device(dut)))
    assert board is not None
    assert vpd[0] == 0x82
    assert board[1].encode() in vpd


def test_the_flash_selftest_passes(dut: Dut) -> None:
    """``devlink dev selftests run``: the VPD item is read and written back."""
    assert "passed" in devlink(dut, "dev", "selftests", "run", device(dut), "id", "flash")


def test_parameters_are_shown(dut: Dut) -> None:
    """``devlink dev param show``."""
    said = devlink(dut, "dev", "param", "show", device(dut))
    assert set(re.findall(r"name (\S+) type", said)) == PARAMETERS
    assert said.count(" value ") == len(PARAMETERS)


@ONLY_EMULATED
def test_a_parameter_is_kept(dut: Dut, defer: Defer) -> None:
    """``devlink dev param set``, permanent."""

    def choose(value: str) -> str:
        which = [device(dut), "name", "ignore_ari"]
        devlink(dut, "dev", "param", "set", *which, "value", value, "cmode", "permanent")
        return devlink(dut, "dev", "param", "show", *which)

    defer(choose, "false")
    assert "value true" in choose("true")


def segments(dump: bytes) -> list[int]:
    """Lengths of what is in a dump (struct bnxt_coredump_segment_hdr)."""
    lengths, at = [], 0
    while dump[at : at + 4] == b"sEgM":
        lengths.append(struct.unpack_from("<I", dump, at + 24)[0])
        at += 64 + lengths[-1]
    assert dump[at : at + 4] == b"cOrE"
    return lengths


def test_a_live_dump_begins_with_the_versions(dut: Dut, defer: Defer) -> None:
    """``ethtool -w``: of the firmware (0, 3), and of the driver alone (2)."""
    defer(ethtool, dut, "-W", dut.netdev, "0")
    sizes = []
    for flag in ("0", "2", "3"):
        ethtool(dut, "-W", dut.netdev, flag)
        ethtool(dut, "-w", dut.netdev, "data", "/tmp/dump")
        dump = dut.get("/tmp/dump")
        assert dump.startswith(b"sEgM")
        assert b"cOrE" in dump
        sizes.append(len(dump))
    assert sizes[0] == sizes[2], "as much as the firmware said"


def test_registers_have_the_status_of_the_firmware(dut: Dut) -> None:
    """``ethtool -d``: 0x8000 is healthy (BNXT_FW_STATUS_HEALTHY)."""
    registers = raw(dut, "-d", dut.netdev)
    assert len(registers) >= 0x3110
    assert struct.unpack_from("<I", registers, 0x520) == (0x8000,)


def test_the_firmware_is_healthy(dut: Dut) -> None:
    """``devlink health diagnose``, and what it dumps."""
    reporter = [device(dut), "reporter", "fw"]
    assert "healthy" in devlink(dut, "health", "diagnose", *reporter)


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("health-diagnose-deadlock")
def test_firmware_that_is_ill_is_diagnosed(dut: Dut, faults: Faults, defer: Defer) -> None:
    """Its status is no longer 0x8000 when it is asked: ``devlink health diagnose`` says so, and
    ends. The interface is down, or the driver might just be asking for the statistics: it gives
    up on a firmware that is ill and late (hwrm_wait_must_abort())."""
    ill = {
        "where": "register.read",
        "when": {"match": {"offset": STATUS_OFFSET}},
        "what": {"action": "set", "fields": {"value": ILL}},
    }
    words = ["devlink", "health", "diagnose", device(dut), "reporter", "fw"]
    set_link(dut, "down")
    defer(set_link, dut, "up")
    with faults.inject(ill):
        said = ask_in_time(dut, words)
    assert said, "devlink health diagnose does not end"
    assert "error" in said
    assert f"Syndrome: {ILL}" in said


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("nvm-directory-unchecked")
def test_a_directory_larger_than_any_flash_is_refused(dut: Dut, faults: Faults) -> None:
    """The firmware says that the flash has 2^32 - 1 entries; asked again, it says how many."""
    answer = {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "NVM_GET_DIR_INFO"}},
        "what": {"action": "set", "fields": {"out.entries": 0xFFFFFFFF}},
    }
    words = ["ethtool", "-e", dut.netdev, "offset", "0", "length", "64"]
    with faults.inject(answer):
        assert dut.run(words, check=False).returncode
    assert not dut.run(words, check=False).returncode


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("nvm-test-unchecked")
def test_an_item_larger_than_any_flash_fails_its_test(dut: Dut, faults: Faults) -> None:
    """The firmware says that the VPD item has 2^32 - 1 bytes; asked again, it says how many."""
    answer = {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "NVM_FIND_DIR_ENTRY"}},
        "what": {"action": "set", "fields": {"out.dir_data_length": 0xFFFFFFFF}},
    }
    words = ("dev", "selftests", "run", device(dut), "id", "flash")
    with faults.inject(answer):
        assert "failed" in devlink(dut, *words)
    assert "passed" in devlink(dut, *words)


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("coredump-record-no-room")
@pytest.mark.expect_complaint("hwrm req_type 0xff(21|17) ", "coredump (segment list|buffer)$")
def test_a_dump_of_unknown_length_fails(dut: Dut, faults: Faults, defer: Defer) -> None:
    """The firmware does not say how long a dump is, nor what belongs to it, or only the third time
    (ethtool asks twice for the length): there is no dump, and no more."""

    words = ["ethtool", "-w", dut.netdev, "data", "/tmp/dump"]
    defer(ethtool, dut, "-W", dut.netdev, "0")
    ethtool(dut, "-W", dut.netdev, "0")
    with faults.inject(refusing("DBG_QCFG", times=0), refusing("DBG_COREDUMP_LIST", times=0)):
        assert dut.run(words, check=False).returncode
    with faults.inject(refusing("DBG_QCFG", times=0), refusing("DBG_COREDUMP_LIST", times=2)):
        done = dut.run(words, check=False)
        assert done.returncode, "a dump is longer than the room that there is for it"
    dut.run(words)


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("coredump-data-length-unchecked")
@pytest.mark.expect_complaint("hwrm req_type 0xff19 ", "Failed to retrieve coredump for seg = ")
def test_a_part_of_a_dump_is_no_longer_than_the_room_for_it(
    dut: Dut, faults: Faults, defer: Defer
) -> None:
    """The firmware says of a segment that it has written 65535 bytes where there is room for 4096,
    and refuses the next: neither is in the dump, the third is."""

    def changed(point: str, nth: int, **fields: int) -> dict[str, object]:
        match = {"match": {"cmd": "DBG_COREDUMP_RETRIEVE"}, "nth": nth}
        return {"where": point, "when": match, "what": {"action": "set", "fields": fields}}

    defer(ethtool, dut, "-W", dut.netdev, "0")
    ethtool(dut, "-W", dut.netdev, "0")
    lies = changed("hwrm.answer", 1, **{"out.data_len": 0xFFFF})
    with faults.inject(lies, changed("hwrm.request", 2, refuse=1)):
        ethtool(dut, "-w", dut.netdev, "data", "/tmp/dump")
    _, first, second, third = segments(dut.get("/tmp/dump"))
    assert not first, f"{first} bytes were taken of a buffer of {COREDUMP_RETRIEVE_BUF_LEN}"
    assert (second, bool(third)) == (0, True)


@pytest.mark.needs(Capability.FAULTS, Capability.SANITIZERS)
@pytest.mark.finding("coredump-list-leaked")
@pytest.mark.expect_complaint("hwrm req_type 0xff17 ", "Failed to get coredump segment list$")
def test_a_list_of_segments_that_ends_early_is_let_go(
    dut: Dut, faults: Faults, defer: Defer
) -> None:
    """There is more in the list of what can be dumped than one answer has, and the firmware refuses
    the rest: no memory is left of the list."""
    many = {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "DBG_COREDUMP_LIST"}},
        "what": {"action": "set", "fields": {"out.flags": MORE, "out.total_segments": 1000}},
    }
    refused = refusing("DBG_COREDUMP_LIST", nth=2)
    defer(ethtool, dut, "-W", dut.netdev, "0")
    ethtool(dut, "-W", dut.netdev, "0")
    words = ["ethtool", "-w", dut.netdev, "data", "/tmp/dump"]
    with faults.inject(many, refused):
        assert dut.run(words, check=False).returncode
    look_for_leaks(dut)


@pytest.mark.needs(Capability.FAULTS)
@pytest.mark.finding("coredump-more-endless")
@pytest.mark.expect_complaint("Failed to get coredump segment list$")
def test_more_of_a_list_of_segments_that_does_not_come(
    dut: Dut, faults: Faults, defer: Defer
) -> None:
    """The firmware says that there is more of the list of what can be dumped, and has no more, a
    hundred times: the dump has failed long before."""
    more = {
        "where": "hwrm.answer",
        "when": {"match": {"cmd": "DBG_COREDUMP_LIST"}},
        "what": {"action": "set", "fields": {"out.flags": MORE}},
        "times": 100,
    }
    defer(ethtool, dut, "-W", dut.netdev, "0")
    ethtool(dut, "-W", dut.netdev, "0")
    words = ["ethtool", "-w", dut.netdev, "data", "/tmp/dump"]
    with faults.inject(more):
        done = dut.run(words, check=False)
    assert done.returncode, "the driver asked for more until there was none"


@pytest.mark.needs(Capability.DEVICE_RESET, Capability.LINK_CYCLE)
def test_the_firmware_restarts_below_the_driver(dut: Dut, remote: Endpoint) -> None:
    """``devlink dev reload action fw_activate``: traffic flows again, and the reset is counted."""
    reporter = ["health", "diagnose", device(dut), "reporter", "fw"]
    resets = re.compile(r"Resets: (\d+)")
    before = resets.search(devlink(dut, *reporter))
    devlink(dut, "dev", "reload", device(dut), "action", "fw_activate")
    after = resets.search(devlink(dut, *reporter))
    assert before is not None
    assert after is not None
    assert int(after[1]) == int(before[1]) + 1
    check_stream(dut, remote, port=PORT, total_bytes=4 * MIB, flows=2)


@pytest.mark.needs(Capability.FAULTS, Capability.DEVICE_RESET, Capability.LINK_CYCLE)
@pytest.mark.finding("reload-report-deadlock")
@pytest.mark.new_machine
def test_a_reload_ends_if_the_firmware_dies_of_it(
    dut: Dut, remote: Endpoint, faults: Faults
) -> None:
    """``devlink dev reload action fw_activate``: the firmware is asked to restart, and does nothing
    any more. The reload is given up, and with firmware that is well the interface opens again."""
    unheard = {
        "where": "hwrm.request",
        "when": {"match": {"cmd": "FW_RESET"}},
        "what": {"action": "set", "fields": {"skip": True}},
    }
    dead = {
        "where": "register.read",
        "when": {"match": {"offset": HEARTBEAT_OFFSET}},
        "what": {"action": "set", "fields": {"value": 7}},
        "times": 0,
    }
    words = ["devlink", "dev", "reload", device(dut), "action", "fw_activate"]
    with faults.inject(unheard, dead):
        said = ask_in_time(dut, words)
    assert said, "devlink dev reload does not end"
    set_link(dut, "up")
    await_carrier(dut, up=True)
    check_stream(dut, remote, port=PORT + 4, total_bytes=MIB, flows=1)


@ONLY_EMULATED
@pytest.mark.needs(Capability.DEVICE_RESET, Capability.LINK_CYCLE)
def test_flashed_firmware_is_stored_and_runs_when_it_is_activated(
    dut: Dut, remote: Endpoint, defer: Defer
) -> None:
    """``devlink dev flash``: first it is stored, then it runs."""
    old = versions(dut)
    defer(go_back, dut, old)
    flash(dut, package(NEW, NEW))
    stored = versions(dut)
    assert (stored["stored fw"], stored["stored fw.mgmt"]) == (NEW, NEW)
    assert stored["running fw"] == old["running fw"]
    devlink(dut, "dev", "reload", device(dut), "action", "fw_activate")
    assert versions(dut)["running fw.mgmt"] == NEW
    check_stream(dut, remote, port=PORT + 1, total_bytes=4 * MIB, flows=2)


@ONLY_EMULATED
@pytest.mark.expect_complaint("PKG install error")
def test_a_damaged_package_changes_nothing(dut: Dut) -> None:
    """One byte of it is wrong: it is refused, and the firmware is the old one."""
    before = versions(dut)
    assert "Invalid package" in flash(dut, damaged(package(NEW, NEW)), check=False)
    assert versions(dut) == before


@ONLY_EMULATED
@pytest.mark.finding("flash-result-freed")
@pytest.mark.expect_complaint("PKG install error")
def test_a_damaged_package_is_refused_where_freed_memory_is_cleared(dut: Dut) -> None:
    """A kernel that clears what is freed still says that the package is damaged."""
    if CLEARS_FREED not in dut.run(["cat", "/proc/cmdline"]).text.split():
        pytest.skip(f"needs memory that is cleared when it is freed: {CLEARS_FREED}")
    said = flash(dut, damaged(package(NEW, NEW)), check=False)
    assert "Invalid package" in said, "a damaged package passes for flashed"


@ONLY_EMULATED
@pytest.mark.needs(Capability.FAULTS, Capability.DEVICE_RESET, Capability.LINK_CYCLE)
@pytest.mark.expect_complaint("hwrm req_type 0xfff4 ")
def test_an_interrupted_flash_leaves_the_old_firmware(
    dut: Dut, remote: Endpoint, faults: Faults, defer: Defer
) -> None:
    """The second of three parts fails: the old firmware starts again; then it is flashed whole."""
    old = versions(dut)
    defer(go_back, dut, old)
    lost = refusing("NVM_MODIFY", nth=2)
    with faults.inject(lost):
        flash(dut, package(NEW, NEW, code_bytes=600_000), check=False)
    devlink(dut, "dev", "reload", device(dut), "action", "fw_activate")
    assert versions(dut) == old
    check_stream(dut, remote, port=PORT + 2, total_bytes=MIB, flows=1)
    flash(dut, package(NEW, NEW, code_bytes=600_000))
    assert versions(dut)["stored fw.mgmt"] == NEW


WITH_DCB = pytest.mark.needs(Capability.DCB)


def forget_applications(dut: Dut, *others: str) -> None:
    """The first of the firmware's table first (finding dcb-app-delete-overruns)."""
    for one in (*(f"ethtype-prio 0x8915:{priority}" for priority in range(MAX_APPS)), *others):
        dut.run(["dcb", "app", "del", "dev", dut.netdev, *one.split()], check=False)


def dcb(dut: Dut, *words: str) -> str:
    """``dcb OBJECT COMMAND dev netdev ...``; what it prints."""
    return dut.run(["dcb", *words[:2], "dev", dut.netdev, *words[2:]]).text


@WITH_DCB
@pytest.mark.finding("dcb-without-netdev-lock")
def test_classes_of_service_are_kept(dut: Dut, defer: Defer) -> None:
    """``dcb ets``, ``pfc`` and ``app``: eight classes, two of them lossless."""
    assert "ets-cap 8" in dcb(dut, "ets", "show")
    defer(dcb, dut, "ets", "set", "prio-tc", "1:0", "tc-tsa", "0:strict", "1:strict")
    dcb(dut, "ets", "set", "tc-tsa", "0:ets", "1:ets", "tc-bw", "0:40", "1:60", "prio-tc", "1:1")
    assert "0:40 1:60" in dcb(dut, "ets", "show")
    defer(dcb, dut, "pfc", "set", "prio-pfc", "1:off")
    dcb(dut, "pfc", "set", "prio-pfc", "1:on")
    assert "pfc-cap 2" in dcb(dut, "pfc", "show")
    assert "1:on" in dcb(dut, "pfc", "show")
    defer(dcb, dut, "app", "flush")
    dcb(dut, "app", "add", "dscp-prio", "46:2")
    dcb(dut, "app", "add", "ethtype-prio", "0x8915:3")
    assert "8915:3" in dcb(dut, "app", "show")


@WITH_DCB
def test_there_is_room_for_so_many_applications(dut: Dut, defer: Defer) -> None:
    """One more than the firmware's table has is refused, and the others are kept."""
    defer(forget_applications, dut, "dgram-prio 4791:0")
    for priority in range(MAX_APPS):
        dcb(dut, "app", "add", "ethtype-prio", f"0x8915:{priority}")
    words = ["dcb", "app", "add", "dev", dut.netdev, "dgram-prio", "4791:0"]
    assert dut.run(words, check=False).returncode, "nobody has counted them"
    assert dcb(dut, "app", "show").count("8915:") == MAX_APPS


@WITH_DCB
@pytest.mark.needs(Capability.DRIVER_RELOAD)
@pytest.mark.finding("dcb-app-delete-overruns")
def test_the_last_of_many_applications_can_go(dut: Dut) -> None:
    """The driver keeps to its table, and its requests are free when it goes."""
    for priority in range(MAX_APPS):
        dcb(dut, "app", "add", "ethtype-prio", f"0x8915:{priority}")
    for priority in reversed(range(MAX_APPS)):
        dcb(dut, "app", "del", "ethtype-prio", f"0x8915:{priority}")
    reload_driver(dut)


@WITH_DCB
@pytest.mark.finding("dcb-without-netdev-lock")
@pytest.mark.finding("cos2bw-class-for-queue")
def test_the_first_class_may_be_lossless(dut: Dut, defer: Defer) -> None:
    """Class 0 gets a queue that is not the first: its settings go where that queue's belong."""
    dcb(dut, "ets", "set", "prio-tc", "3:0", "tc-tsa", "0:strict")
    defer(dcb, dut, "pfc", "set", "prio-pfc", "3:off")
    dcb(dut, "pfc", "set", "prio-pfc", "3:on")
    assert "3:on" in dcb(dut, "pfc", "show")


@WITH_DCB
def test_queues_of_the_card_for_two_classes(dut: Dut, remote: Endpoint, defer: Defer) -> None:
    """``tc mqprio hw 1``: traffic flows with a set of transmit rings for each class."""
    defer(dut.run, ["tc", "qdisc", "del", "dev", dut.netdev, "root"])
    words = "root mqprio num_tc 2 map 0 1 0 0 0 0 0 0 queues 1@0 1@1 hw 1"
    dut.run(["tc", "qdisc", "add", "dev", dut.netdev, *words.split()])
    check_stream(dut, remote, port=PORT + 3, total_bytes=MIB, flows=2)
