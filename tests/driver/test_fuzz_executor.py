# SPDX-License-Identifier: GPL-2.0-only
"""Schedules run in fresh UML guests: what they show, and that it is the same each time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from testbed.coverage.program import Program
from testbed.engines.uml import machine
from testbed.errors import GuestCommandFailed
from testbed.faults.catalogue import load_catalogue
from testbed.findings.load import FOLDER
from testbed.fuzz import allocating
from testbed.fuzz.execute import Executor
from testbed.fuzz.machines import Machines
from testbed.fuzz.outcome import Ended, Outcome
from testbed.fuzz.parts import RUN_S
from testbed.fuzz.schedule import Companion, Packet, Schedule, read_schedule
from testbed.fuzz.signature import symbols_of
from testbed.workloads.table import WORKLOADS
from testbed.workloads.workload import Workload, WorkloadContext

BROADCAST = "ff" * 6 + "02" * 6 + "0806" + "00" * 46
FRAGMENT = bytes(
    Ether(dst="00:10:18:20:aa:01", src="02:00:00:00:01:02")
    / IP(src="192.0.2.2", dst="192.0.2.1", id=7, flags="MF", proto=17)
    / Raw(bytes(1400))
).hex()


class Patient(Executor):
    """A run may take as long as a busy host makes it: what ends too late is not what is tested."""

    def run(self, schedule: Schedule, most: int = 1, limit_s: float = 10 * RUN_S) -> Outcome:
        return super().run(schedule, most, limit_s)


@pytest.fixture(scope="module")
def executor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    with Patient(tmp_path_factory.mktemp("executor"), "uml") as executor:
        yield executor


@pytest.fixture(scope="module")
def san(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executor]:
    folder = tmp_path_factory.mktemp("san")
    with Patient(folder, "uml-san", coverage=False) as executor:
        yield executor


def of(fault: str) -> Schedule:
    entry = load_catalogue()[fault]
    return Schedule(workload=entry.workload, seed=1, flavour="uml", faults=tuple(entry.plan))


def test_a_finding_is_seen_and_recognised_each_time_alike(executor: Executor) -> None:
    """The machine is lost, and the next run has a new one."""
    schedule = of("tpa-agg-18")
    first, again = executor.run(schedule), executor.run(schedule)
    (complaint,) = first.complaints
    assert (complaint.signature, complaint.finding) == ("BUG: bnxt_tpa_agg", "tpa-agg-bug-on")
    assert first.ended is Ended.CRASHED
    assert first.fired == {"many": 1}
    assert first.log
    assert (first.event_hash, first.edges, first.states, first.complaints) == (
        again.event_hash, again.edges, again.states, again.complaints,
    )  # fmt: skip


def test_a_page_that_the_driver_lost_is_named_by_what_the_card_did_with_it(san: Executor) -> None:
    """The kernel names one of the pages that are left, as memory lies, and the card knows its life;
    the list of all tells which of them the driver had taken."""
    outcome = san.run(read_schedule(FOLDER / "rx-skb-memory-short" / "schedule.json"))
    (complaint,) = outcome.complaints
    assert complaint.finding == "rx-skb-memory-short"
    assert complaint.signature.endswith(": phy: taken in RX_AGG ring")
    *_, last, freed = complaint.text.splitlines()
    assert " in RX_AGG ring " in last
    assert freed.endswith(" freed")


def test_words_reach_the_command_line_of_a_guest_that_is_started_later(tmp_path: Path) -> None:
    machines = Machines(tmp_path, "uml-san", None, coverage=False, say=lambda _text: None)
    try:
        seen = []
        for words in ("", "frob=1", "frob=2"):
            machines.append = words
            session = machines.start({}, 1, "off")
            seen.append(session.dut.run(["cat", "/proc/cmdline"]).text.split())
    finally:
        machines.close()
    assert [[one for one in words if "frob" in one] for words in seen] == [
        [],
        ["frob=1"],
        ["frob=2"],
    ]


def test_a_fault_that_the_driver_survives_is_no_complaint(executor: Executor) -> None:
    outcome = executor.run(of("rx-agg-count-low"))
    assert (outcome.ended, outcome.complaints, outcome.problem) == (Ended.DONE, (), "")
    assert outcome.fired == {"count": 1}
    assert outcome.events["cqe.write"] > 100
    assert "fault:cqe.write/set/RX_L2" in "".join(outcome.states)
    assert outcome.cpu_s > 0
    assert executor.program is not None
    program = Program(Path(executor.program.image))
    assert len(outcome.edges) > 1000
    assert program.unknown(list(outcome.edges)) == []
    assert set(outcome.edges.values()) == set(range(1, 9))


def test_what_the_kernel_copied_is_not_wrong_data(executor: Executor) -> None:
    """A packet that comes by another queue is no part of what lies in the dmabuf."""
    astray = {
        "id": "astray", "where": "rx.steer", "when": {"match": {"protocol": 6}, "nth": 6},
        "what": {"action": "set", "fields": {"queue": 0}},
    }  # fmt: skip
    schedule = Schedule(workload="devmem-held", seed=1, flavour="uml", faults=(astray,))
    outcome = executor.run(schedule)
    assert (outcome.complaints, outcome.fired) == ((), {"astray": 1})
    assert re.search(r"the kernel copied \d+ bytes", "".join(outcome.output))


def test_packets_come_behind_their_frame(executor: Executor) -> None:
    plain = Schedule(workload="ping", seed=1, flavour="uml")
    packets = replace(plain, packets=(Packet(after=3, data=BROADCAST),))
    outcomes = [executor.run(one) for one in (plain, packets)]
    assert [one.complaints for one in outcomes] == [(), ()]
    assert "fault:rx.frame/frame@" in "".join(outcomes[1].states)
    assert "fault:" not in "".join(outcomes[0].states)


@pytest.mark.parametrize("workload", ["ping", "ping-reload"])
def test_a_packet_that_waits_for_its_other_fragments_is_no_leak(
    tmp_path: Path, workload: str
) -> None:
    """Its page is mapped until it has gone, which takes half a minute: at the end of a run it has,
    but not where the workload itself lets the driver go."""
    schedule = Schedule(
        workload=workload, seed=1, flavour="uml-san", packets=(Packet(after=3, data=FRAGMENT),)
    )
    with Patient(tmp_path, "uml-san", coverage=False) as executor:
        outcome = executor.run(schedule)
    assert (outcome.ended, outcome.complaints, outcome.problem) == (Ended.DONE, (), "")


def test_what_a_socket_without_a_program_holds_is_no_leak(san: Executor) -> None:
    """Doorbells come so late that the flows end half done: what came out of order stays with
    sockets that send again for minutes, until they may not."""
    held = {"action": "hold", "after_ns": 20_000_000}
    faults = tuple(
        {
            "id": kind, "where": "doorbell.write", "when": {"match": {"type": kind}},
            "what": held, "times": times,
        }
        for kind, times in (("NQ", 1), ("CQ_ARMALL", 0))
    )  # fmt: skip
    plain = Schedule(workload="split-stream", seed=1, flavour="uml-san", kmemleak="off")
    outcome = san.run(replace(plain, faults=faults))
    assert (outcome.ended, outcome.complaints) == (Ended.DONE, ())


def test_nor_is_it_where_the_driver_is_bound_again(san: Executor) -> None:
    """The card is pulled out beside a stream; traffic flows once the driver is bound again."""
    faults = (
        {
            "id": "twice", "where": "cqe.write", "when": {"match": {"type": "RX_L2"}},
            "what": {"action": "duplicate"}, "times": 0,
        },
        {
            "id": "out", "where": "tx.frame", "when": {"nth": 10},
            "what": {"action": "card", "do": "unplug"},
        },
    )  # fmt: skip
    plain = Schedule(workload="stream", seed=1, flavour="uml-san", kmemleak="off")
    outcome = san.run(replace(plain, faults=faults))
    assert (outcome.ended, outcome.complaints) == (Ended.DONE, ())


def test_an_allocation_fails_below_the_function_that_is_named(tmp_path: Path) -> None:
    """The memory of a ring while the interface is opened, and of nothing else; as often as said."""
    outcomes = []
    with Patient(tmp_path, "uml-san", coverage=False) as executor:
        for function in ("bnxt_alloc_ring", "bnxt_fw_reset_task"):
            companion = Companion(
                kind="fail_page_alloc_sleeping", within=function, every=1, times=1
            )
            plain = Schedule(workload="open-again", seed=1, flavour="uml-san")
            outcomes.append(executor.run(replace(plain, companions=(companion,))))
    assert [one.output for one in outcomes] == [
        ("up: failed", "up: done", "up: done"),
        ("up: done", "up: done", "up: done"),  # nothing resets the firmware
    ]


@pytest.mark.parametrize(
    ("operation", "function"),
    [
        ("open-nth", "bnxt_alloc_mem"), ("bind-nth", "bnxt_init_one"),
        ("reload-nth", "bnxt_alloc_mem"),
        ("zcrx-nth", "io_zcrx_create_area"),
        ("devmem-nth", "net_devmem_bind_dmabuf"),
        ("devmem-queues-nth", "net_devmem_bind_dmabuf"),
        ("devmem-unbind-nth", "__netif_mp_close_rxq"),
        ("devmem-receive-nth", "tcp_recvmsg_dmabuf"),
        ("devmem-send-nth", "net_devmem_bind_dmabuf"), ("settings-nth", "ethnl_default_notify"),
        ("port-nth", "fl_change"),
        ("send-zc-nth", "io_alloc_notif"),
    ],
)  # fmt: skip
def test_each_allocation_of_an_operation_fails_in_its_turn(
    operation: str, function: str, san: Executor
) -> None:
    """Until none is left to fail; without a function that it covers the first attempt is the last.
    The machine works again in the end."""
    attempts = []
    for name, most in ((function, 40), ("bnxt_fw_reset_task", 40), (function, 1)):
        fails = Companion(kind="fail_nth", within=name, every=1, times=most)
        plain = Schedule(workload=operation, seed=1, flavour="uml-san")
        outcome = san.run(replace(plain, companions=(fails,)))
        assert outcome.ended is Ended.DONE, outcome
        (said,) = (one for one in outcome.output if one.endswith(" attempts"))
        attempts.append(int(said.split()[0]))
        assert outcome.output[-1] == said, "nothing else went wrong"
        assert f"operation:{operation}" not in outcome.states, "something went wrong"
    several = {"settings-nth": 10, "port-nth": 9}.get(operation, 1)
    assert attempts[0] > several + 1
    assert attempts[1:] == [several, 1]


def test_a_dmabuf_is_bound_as_often_as_allocations_fail(san: Executor) -> None:
    """The console that binds it knew no more than 64 bindings in its life."""
    fails = Companion(kind="fail_nth", within="__netif_mp_close_rxq", every=1, times=70)
    schedule = Schedule(workload="devmem-unbind-nth", seed=1, flavour="uml-san", kmemleak="off")
    outcome = san.run(replace(schedule, companions=(fails,)))
    went, attempts = outcome.output
    assert (outcome.ended, attempts) == (Ended.DONE, "70 attempts")
    assert int(went.split()[0]) > 0, "fewer channels were refused each time"


@pytest.mark.parametrize("workload", ["udp-segments", "udp-segments-rings"])
def test_pages_that_never_come_back_hang_no_guest(workload: str, san: Executor) -> None:
    """Once its socket had an error the sender asked for them without end, in no time."""
    lost = {
        "id": "lost", "where": "cqe.write", "when": {"match": {"type": "TX_L2"}}, "times": 0,
        "what": {"action": "drop"},
    }  # fmt: skip
    plain = Schedule(workload=workload, seed=1, flavour="uml-san", kmemleak="off")
    assert san.run(replace(plain, faults=(lost,)), limit_s=RUN_S).ended is Ended.DONE


def test_no_allocation_is_passed_over(san: Executor) -> None:
    """Wherever one begins, all that are left fail: pages of slabs, which one attempt needs and the
    next one does not, do not count."""
    ends = []
    for first in range(1, 6):
        fails = Companion(kind="fail_nth", within="io_zcrx_create_area", every=first, times=40)
        plain = Schedule(workload="zcrx-nth", seed=1, flavour="uml-san")
        outcome = san.run(replace(plain, companions=(fails,)))
        (said,) = (one for one in outcome.output if one.endswith(" attempts"))
        ends.append(first + int(said.split()[0]))
    assert len(set(ends)) == 1, ends


def test_what_is_behind_it_may_fail_as_well(san: Executor) -> None:
    """A pool does without one of its pages, and xa_alloc(), which numbers them, tries again: only
    if what is behind fails, too, the interface cannot be opened. Nothing fails elsewhere."""
    rings = []
    pool = "__page_pool_alloc_netmems_slow"
    for function, behind in ((pool, 0), (pool, 5), ("bnxt_fw_reset_task", 5)):
        fails = Companion(kind="fail_nth", within=function, every=2, times=1, behind=behind)
        plain = Schedule(workload="open-nth", seed=1, flavour="uml-san", kmemleak="off")
        outcome = san.run(replace(plain, companions=(fails,)))
        assert (outcome.ended, outcome.complaints) == (Ended.DONE, ()), outcome
        rings.append(outcome.events["hwrm.request:RING_ALLOC"])
    assert rings[0] == rings[2] == 2 * rings[1] > 0


def test_the_agent_of_a_guest_outlives_allocations_that_fail(san: Executor) -> None:
    """Those that what it writes to its port takes: an answer is written again."""
    fails = Companion(kind="failslab_sleeping", within="port_fops_write", every=1, times=5)
    schedule = Schedule(workload="ping", seed=1, flavour="uml-san", companions=(fails,))
    assert san.run(schedule).ended is Ended.DONE


def test_a_program_without_memory_for_its_input_is_not_begun(san: Executor) -> None:
    """A shell without its script would do nothing, and well."""
    fails = Companion(kind="failslab_sleeping", within="sys_memfd_create", every=1)
    schedule = Schedule(workload="up-down", seed=1, flavour="uml-san", companions=(fails,))
    (said,) = san.run(schedule).output
    assert said.endswith("its input: Cannot allocate memory")


def test_what_nothing_points_to_is_found_if_it_is_searched_for(san: Executor) -> None:
    """What has no interrupt gives up its auxiliary devices (finding probe-auxiliary-devices-kept).
    The search changes nothing before it: the same allocations fail without an account of memory,
    and with one that is asked at the end. Where there is one all the time its own do, too."""
    fails = Companion(kind="fail_nth", within="bnxt_init_int_mode", every=1, times=20)
    found, attempts = {}, {}
    for said in ("off", "on", "scan"):
        plain = Schedule(workload="bind-nth", seed=1, flavour="uml-san", kmemleak=said)
        outcome = san.run(replace(plain, companions=(fails,)))
        assert outcome.ended is Ended.DONE, outcome
        found[said] = [(one.signature, one.finding) for one in outcome.complaints]
        attempts[said] = outcome.output
    name = "kmemleak: unreferenced object: bnxt_aux_devices_init"
    assert found == {"off": [], "on": [], "scan": [(name, "probe-auxiliary-devices-kept")]}
    assert attempts["off"] == attempts["scan"] == ("3 attempts",)
    assert attempts["on"] != attempts["off"]


def test_a_kernel_without_kmemleak_is_not_searched_for_leaks(executor: Executor) -> None:
    outcome = executor.run(Schedule(workload="ping", seed=1, flavour="uml", kmemleak="scan"))
    assert outcome.ended is Ended.ILLEGAL
    assert outcome.problem == "kmemleak: a kernel of flavour uml has none"


def test_what_an_operation_covers_is_told_alone(executor: Executor) -> None:
    """Not what every guest does to come up; the feature keeps that run in the corpus."""
    plain = Schedule(workload="zcrx-nth", seed=1, flavour="uml")
    alone, usual = (executor.run(one) for one in (plain, replace(plain, workload="restart")))
    assert "operation:zcrx-nth" in alone.states
    assert executor.program is not None
    symbols = symbols_of(Path(executor.program.image))
    probing = symbols.range("bnxt_init_one")
    assert probing is not None
    first, end = (place - symbols.start for place in probing)
    assert not [place for place in alone.edges if first <= place < end], "it was bound before"
    assert [place for place in usual.edges if first <= place < end]
    assert len(alone.edges) > 500


def test_functions_of_a_kernel_that_allocate(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a flavour without the stack filter, which would have none."""
    assert executor.program is not None
    image = Path(executor.program.image)
    assert allocating.allocating(image) == {}
    monkeypatch.setattr(allocating, "_FILTER", b"")
    found = allocating.allocating(image)
    names = {name.partition(".")[0] for name in found}
    assert {"bnxt_alloc_ring", "bnxt_init_int_mode", "bnxt_alloc_mem"} <= names
    assert 40 < len(found) < 300
    assert all(0 < one.first < one.end < image.stat().st_size for one in found.values())
    helpers = {name for one in found.values() for name in one.helpers}
    assert {"request_threaded_irq", "dma_pool_create_node", "dma_alloc_attrs"} <= helpers


def test_cards_of_other_personality_take_turns(executor: Executor) -> None:
    """One process is all of them, and none leaves anything to the next."""
    plain = Schedule(workload="ping", seed=1, flavour="uml")
    small = replace(plain, card={"limits": {"rx_rings": 8}, "max_aggs": 1})
    outcomes = [executor.run(one) for one in (plain, small, plain, small)]
    assert {one.ended for one in outcomes} == {Ended.DONE}
    hashes = [one.event_hash for one in outcomes]
    assert hashes[:2] == hashes[2:]
    assert hashes[0] != hashes[1]


def test_a_guest_serves_until_something_is_amiss_in_it(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a run that takes too long ends as such, with where it was."""
    plain, fatal = Schedule(workload="ping", seed=1, flavour="uml"), of("tpa-agg-18")
    fresh = executor.run(plain)
    several = [executor.run(one, most=4) for one in (plain, of("rx-agg-count-low"), fatal, plain)]
    assert [one.served for one in (fresh, *several)] == [0, 1, 2, 3, 0]
    assert len({one.guest for one in (fresh, *several)}) == 2
    assert [one.ended for one in several] == [Ended.DONE, Ended.DONE, Ended.CRASHED, Ended.DONE]
    assert several[2].signatures == {"BUG: bnxt_tpa_agg"}
    again = several[-1]
    assert (again.event_hash, again.edges) == (fresh.event_hash, fresh.edges)
    # the hardware clock stays set over the schedules of a guest
    assert fresh.states - several[0].states == {
        "hwrm-:PORT_MAC_PTP_QCFG>FUNC_PTP_CFG", "hwrm-:FUNC_PTP_CFG>FUNC_DRV_RGTR",
    }  # fmt: skip
    monkeypatch.setattr(machine, "WATCH_INTERVAL_S", 0.02)
    late = executor.run(replace(plain, workload="restart-storm"), limit_s=0.1)
    assert (late.ended, late.complaints) == (Ended.TIMED_OUT, ())
    assert re.match(r"the run takes longer than 0\.(1 s|0333 s of CPU time);", late.problem)
    assert executor.run(plain).event_hash == fresh.event_hash


@pytest.mark.parametrize(("late_ms", "is_in_time"), [(1, True), (20, True), (30, False)])
def test_the_driver_hears_what_is_held_for_less_than_it_waits(
    tmp_path: Path, late_ms: int, is_in_time: bool
) -> None:
    """Which is 25 ms of its own time."""
    late = {
        "id": "late", "where": "hwrm.answer", "when": {"match": {"cmd": "RING_FREE"}, "every": 1},
        "what": {"action": "hold", "after_ns": late_ms * 1_000_000}, "times": 0,
    }  # fmt: skip
    with Patient(tmp_path, "uml", coverage=False) as executor:
        outcome = executor.run(Schedule(workload="up-down", seed=1, flavour="uml", faults=(late,)))
        (log,) = tmp_path.rglob("kernel.log")
        said = log.read_text()
    assert outcome.fired["late"] > 1
    assert "bnxt_en" in said
    assert ("Error (timeout" not in said) is is_in_time


def test_results_that_come_once_more_damage_memory_and_nobody_is_to_blame(san: Executor) -> None:
    """The card reads its flash again, 20 ms later, into a buffer that the driver has freed."""
    again = {
        "id": "again", "where": "hwrm.request", "when": {"match": {"cmd": "NVM_READ"}, "every": 1},
        "what": {"action": "duplicate", "count": 5, "after_ns": 20_000_000}, "times": 0,
    }  # fmt: skip
    dumped = {
        **again,
        "id": "dumped",
        "when": {"match": {"cmd": "DBG_COREDUMP_RETRIEVE"}, "every": 1},
    }
    outcome = san.run(
        Schedule(workload="ask-firmware", seed=1, flavour="uml-san", faults=(again, dumped))
    )
    assert min(outcome.fired.values()) > 1
    assert (outcome.ended, outcome.complaints) == (Ended.CRASHED, ())
    assert "excused" in outcome.problem


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"companions": (Companion(kind="failslab"),)}, "cannot do failslab"),
        ({"flavour": "uml-san"}, "flavour uml-san, this executor runs uml"),
        ({"workload": "dance"}, "no workload 'dance'"),
        ({"card": {"limits": {"rings": 3}}}, "limits.rings"),
        ({"faults": ({"id": "a", "where": "moon", "what": {"action": "drop"}},)}, "moon"),
        ({"workload": "slab-fails"}, "allocations that fail on request"),
    ],
)
def test_a_schedule_that_cannot_be_run_says_why(
    executor: Executor, change: dict[str, object], problem: str
) -> None:
    schedule = replace(Schedule(workload="ping", seed=1, flavour="uml"), **change)  # type: ignore[arg-type]
    outcome = executor.run(schedule)
    assert outcome.ended is Ended.ILLEGAL
    assert problem in outcome.problem
    assert not outcome.complaints


def test_a_kernel_that_fails_before_any_fault_is_told(
    executor: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the usual card that is the kernel's doing; another card may just not be able to."""

    def refused(_context: WorkloadContext) -> None:
        raise GuestCommandFailed("ethtool says no")

    monkeypatch.setitem(
        cast(dict[str, Workload], WORKLOADS), "ping", replace(WORKLOADS["ping"], prepare=refused)
    )
    plain = Schedule(workload="ping", seed=1, flavour="uml")
    (complaint,) = executor.run(plain).complaints
    assert complaint.signature == "trace: ping fails without a fault"
    assert "ping cannot be prepared: ethtool says no" in complaint.text
    other = executor.run(replace(plain, card={"id_policy": "fresh"}))
    assert (other.ended, other.complaints) == (Ended.ILLEGAL, ())
    assert other.problem == "ping cannot be prepared: ethtool says no"
