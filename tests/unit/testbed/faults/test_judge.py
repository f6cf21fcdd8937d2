# SPDX-License-Identifier: GPL-2.0-only
"""Verdicts of trials, from made-up evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from testbed.faults.catalogue import load_catalogue
from testbed.faults.entry import SURVIVES, Expect, Fault, FaultClass, Reaction, Repair, Work
from testbed.faults.evidence import Evidence
from testbed.faults.judge import Judgement, TrialVerdict, judge, panicked_of
from testbed.faults.record import TrialRecord
from testbed.faults.replay import entry_of
from testbed.findings.judge import Findings
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.findings.load import load_findings

CATALOGUE = load_catalogue()
KERNEL = GuestKernel.of("7.2.12-testbed-uml")
FIRED = ({"id": "a", "where": "irq.raise", "considered": 3, "matched": 1, "fired": 1,
          "missing_fields": []},)  # fmt: skip
INJECTED = {"k": "fault", "injection": 1, "id": "a", "action": "drop", "point": "irq.raise",
            "changed": {}}  # fmt: skip


def entry(**expect: Any) -> Fault:
    return Fault(
        name="a-fault",
        fault_class=FaultClass.INTERRUPT,
        title="t",
        plan=({"id": "a", "where": "irq.raise", "what": {"action": "drop"}},),
        workload="stream",
        expect=Expect(**{"reaction": Reaction.UNAFFECTED, **expect}),
        source="bnxt.c:1",
    )


def verdict(
    fault: Fault, record: TrialRecord, *, log: str = "", evidence: Evidence | None = None,
    kernel: GuestKernel = KERNEL,
) -> Judgement:  # fmt: skip
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    found = evidence or Evidence(trace=[INJECTED])
    found.log = log.splitlines()
    return judge(fault, record, found, watcher.events, Findings(load_findings()), kernel)


def test_nothing_wrong_passes() -> None:
    assert verdict(entry(), TrialRecord(FIRED)).verdict is TrialVerdict.PASS


def test_a_fault_that_never_fired_is_no_pass() -> None:
    silent = ({**FIRED[0], "fired": 0},)
    result = verdict(entry(), TrialRecord(silent))
    assert result.verdict is TrialVerdict.NEVER_FIRED
    assert "3 events at irq.raise, 1 of them fit" in result.reasons[0]
    optional = replace(entry(), optional=("a",))
    assert verdict(optional, TrialRecord(silent)).verdict is TrialVerdict.PASS
    assert verdict(entry(), TrialRecord(())).verdict is TrialVerdict.NEVER_FIRED


def test_a_field_that_is_not_there_is_no_pass() -> None:
    status = ({**FIRED[0], "missing_fields": ["colour"]},)
    assert verdict(entry(), TrialRecord(status)).verdict is TrialVerdict.NEVER_FIRED


@pytest.mark.parametrize(
    ("expect", "record", "reason"),
    [
        ({}, TrialRecord(FIRED, failure="boom"), "the work failed: boom"),
        ({"work": Work.FAILS}, TrialRecord(FIRED), "the work was to fail"),
        ({"work": Work.FAILS}, TrialRecord(FIRED, failure="data differs: x"), "data corruption"),
        ({"corrupts": True}, TrialRecord(FIRED), "the data was to differ"),
        ({}, TrialRecord(FIRED, lost="panic"), "the machine was lost: panic"),
        ({}, TrialRecord(FIRED, no_traffic="x"), "no traffic afterwards: x"),
        ({}, TrialRecord(FIRED, undo="x"), "settings cannot be taken back: x"),
        ({"output": "1 of"}, TrialRecord(FIRED, output=["2 of 3"]), "the workload says '2 of 3'"),
        ({"ethtool": {"n": (1, 2)}}, TrialRecord(FIRED), "ethtool counter n is 0; expected 1 to 2"),
        ({"card": {"n": (1, None)}}, TrialRecord(FIRED), "card counter n is 0; expected 1 to any"),
        (
            {"nstat": {"remote TcpRetransSegs": (1, None)}},
            TrialRecord(FIRED, nstat={"dut TcpRetransSegs": 1}),
            "counter of remote TcpRetransSegs is 0; expected 1 to any",
        ),
        ({"fired": {"a": (2, None)}}, TrialRecord(FIRED), "firings of a is 1; expected 2 to any"),
        ({"hwrm": {"X": (1, 1)}}, TrialRecord(FIRED), "number of X is 0; expected 1 to 1"),
        ({"kernel_log": ("moo",)}, TrialRecord(FIRED), "no line of the kernel log matches 'moo'"),
        ({"reaction": Reaction.RESETS_RING}, TrialRecord(FIRED), "the driver allocated no ring"),
    ],
)
def test_reasons(expect: dict[str, Any], record: TrialRecord, reason: str) -> None:
    result = verdict(entry(**expect), record)
    assert result.verdict is TrialVerdict.FAIL
    assert reason in result.reasons[0]


def test_a_reset_nobody_expects_fails() -> None:
    trace = [INJECTED, {"k": "hwrm", "cmd": "RING_ALLOC"}]
    result = verdict(entry(), TrialRecord(FIRED), evidence=Evidence(trace=trace))
    assert result.reasons == ["the driver allocated 1 rings: it did reset"]
    resets = entry(reaction=Reaction.RESETS_RING)
    assert (
        verdict(resets, TrialRecord(FIRED), evidence=Evidence(trace=trace)).verdict
        is TrialVerdict.PASS
    )
    later = [INJECTED, {"k": "faults_disarmed"}, trace[1]]
    assert (
        verdict(entry(), TrialRecord(FIRED), evidence=Evidence(trace=later)).verdict
        is TrialVerdict.PASS
    )


def test_leaks_and_violations_fail() -> None:
    evidence = Evidence(
        trace=[INJECTED],
        violations={"doorbell_index": 2},
        resources_before={"vnics": 1},
        resources_after={"vnics": 2},
    )
    result = verdict(entry(), TrialRecord(FIRED), evidence=evidence)
    assert result.reasons == [
        "vnics in the firmware: 1 before, 2 after",
        "violation doorbell_index (x2)",
    ]
    allowed = entry(violations=("doorbell_index",))
    evidence.resources_after = {"vnics": 1}
    assert verdict(allowed, TrialRecord(FIRED), evidence=evidence).verdict is TrialVerdict.PASS


LOG = "[    1.0] bnxt_en 0000:00:00.0 nut0: RX cons 5 != expected cons 4\n"


def test_the_oracle_must_blame_the_fault() -> None:
    blamed = {"k": "violation", "rule": "write_outside_buffer", "caused_by": "a"}
    fault = entry(verdicts=("write_outside_buffer",))
    found = Evidence(trace=[INJECTED, blamed])
    assert verdict(fault, TrialRecord(FIRED), evidence=found).verdict is TrialVerdict.PASS
    for other in ({**blamed, "rule": "posted_twice"}, {"k": "violation", "rule": blamed["rule"]}):
        result = verdict(fault, TrialRecord(FIRED), evidence=Evidence(trace=[INJECTED, other]))
        assert result.verdict is TrialVerdict.FAIL
        assert "does not blame the fault for write_outside_buffer" in result.reasons[0]


def test_complaints_must_be_expected() -> None:
    result = verdict(entry(), TrialRecord(FIRED), log=LOG)
    assert "the kernel complains: driver error" in result.reasons[0]
    for expect in ({"kernel_log": ("RX cons",)}, {"complaints": ("RX cons",)}):
        assert verdict(entry(**expect), TrialRecord(FIRED), log=LOG).verdict is TrialVerdict.PASS


KASAN = """[    1.0] BUG: KASAN: slab-use-after-free in __hwrm_send+0x12/0x34
[    1.0] Read of size 8 at addr 0000000060000000 by task ip/52
[    1.0] bnxt_en hwrm req_type 0x51 NETDEV WATCHDOG
"""
WARN = """[    1.0] WARNING: drivers/net/bnxt_hwrm.c:418 at hwrm_update_token+0x7e8/0xd20
[    1.0] Modules linked in: hwrm
"""
LOCKDEP = "[    1.0] WARNING: suspicious RCU usage\n[    1.0] drivers/net/bnxt_hwrm.c:418\n"
HWRM = "[    1.0] bnxt_en 0000:00:00.0 nut0: hwrm req_type 0x51 seq id 0x1 error 0x2\n"
TIMEOUT = (
    "[    1.0] bnxt_en 0000:00:00.0 nut0: NETDEV WATCHDOG: CPU: 0: transmit queue 0 timed out\n"
)


@pytest.mark.parametrize("excuse", ["kernel_log", "complaints"])
@pytest.mark.parametrize("log", [KASAN, WARN, LOCKDEP, "[    1.0] Oops: hwrm NETDEV WATCHDOG\n"])
def test_no_pattern_excuses_a_mistake_of_the_kernel(excuse: str, log: str) -> None:
    fault = entry(**{excuse: ("hwrm", "suspicious", "NETDEV WATCHDOG")})
    assert verdict(fault, TrialRecord(FIRED), log=log).verdict is TrialVerdict.FAIL


@pytest.mark.parametrize("fault", CATALOGUE.values(), ids=CATALOGUE)
def test_no_entry_excuses_a_use_after_free(fault: Fault) -> None:
    fired = [{**FIRED[0], "id": one["id"]} for one in fault.plan]
    result = verdict(fault, TrialRecord(fired), log=KASAN)
    if fault.expect.finding == "hwrm-response-length-unchecked":  # it is this one
        assert result.findings == (fault.expect.finding,)
    else:
        assert result.verdict is TrialVerdict.FAIL
        reason = "the kernel complains: KASAN: slab-use-after-free read: __hwrm_send"
        assert reason in result.reasons


def test_a_plan_alone_permits_what_belongs_to_its_workload() -> None:
    log = "[    1.0] bnxt_en 0000:00:00.0 nut0: PKG install error : Invalid package\n"
    plan = entry().document()
    for workload, ends in {"flash": TrialVerdict.PASS, "ping": TrialVerdict.FAIL}.items():
        fault = entry_of("of-a-file", workload, plan)
        assert verdict(fault, TrialRecord(FIRED), log=log).verdict is ends
    assert verdict(fault, TrialRecord(FIRED), log=KASAN).verdict is TrialVerdict.FAIL


@pytest.mark.parametrize("log", [HWRM, TIMEOUT, LOG])
def test_complaints_of_driver_and_firmware_can_be_excused(log: str) -> None:
    fault = entry(complaints=("hwrm req_type 0x51", "NETDEV WATCHDOG", "RX cons"))
    assert verdict(fault, TrialRecord(FIRED), log=log).verdict is TrialVerdict.PASS


def test_what_the_stack_says_of_the_driver_is_expected_only_where_it_must_come() -> None:
    log = "[    1.0] TCP: nut0: Driver has suspect GRO implementation, TCP performance may be"
    demanded = entry(kernel_log=("suspect GRO",))
    assert verdict(demanded, TrialRecord(FIRED), log=f"{log}\n").verdict is TrialVerdict.PASS
    assert verdict(demanded, TrialRecord(FIRED)).verdict is TrialVerdict.FAIL
    excused = verdict(entry(complaints=("suspect GRO",)), TrialRecord(FIRED), log=f"{log}\n")
    assert excused.reasons[0].startswith("the kernel complains: network stack")


def test_a_warning_is_expected_by_its_function_and_has_to_come() -> None:
    fault = entry(warns=("hwrm_update_token",))
    assert verdict(fault, TrialRecord(FIRED), log=WARN).verdict is TrialVerdict.PASS
    silent = verdict(fault, TrialRecord(FIRED))
    assert silent.reasons == ["there is no WARN in hwrm_update_token"]
    other = verdict(entry(warns=("hwrm_send",)), TrialRecord(FIRED), log=WARN)
    assert other.reasons[0] == "the kernel complains: WARNING: WARN: hwrm_update_token"


PANIC = """[    1.0] Kernel panic - not syncing: Kernel tried to access user memory at addr 0x1210
[    1.0] Call Trace:
[    1.0]  [<60000001>] ? netdev_rx_queue_reconfig+0x1/0x2
"""


OOPS = """[    7.8] BUG: unable to handle page fault for address: 0000000000001210
[    7.8] Oops: Oops: 0002 [#1] SMP NOPTI
[    7.8] RIP: 0010:bnxt_queue_start+0x42/0x730 [bnxt_en]
"""


def test_a_finding_must_show_and_explain_everything() -> None:
    fault = entry(finding="queue-start-refused")
    lost = TrialRecord(FIRED, lost="panic")
    shown = verdict(fault, lost, log=PANIC)
    assert (shown.verdict, shown.findings) == (TrialVerdict.FINDING, ("queue-start-refused",))
    assert verdict(fault, lost, log=LOG + PANIC).verdict is TrialVerdict.FAIL
    elsewhere = PANIC.replace("netdev_rx_queue_reconfig", "netdev_rx_queue_reconfigured")
    assert verdict(fault, lost, log=elsewhere).verdict is TrialVerdict.FAIL
    gone = verdict(fault, TrialRecord(FIRED))
    assert gone.verdict is TrialVerdict.FAIL
    # x86 calls no address beyond the first page a NULL pointer
    assert verdict(fault, lost, log=OOPS).findings == ("queue-start-refused",)
    assert "does not show" in gone.reasons[-1]


NOT_RESET = "[    4.1] bnxt_en 0000:00:00.0 nut0: RESET_DONE not set during FW reset.\n"
OF_ANYBODY = """\
[    4.4] ------------[ cut here ]------------
[    4.4] WARNING: lib/list_debug.c:62 at __list_del_entry_valid_or_report+0x264/0x330
[    4.4] list_del corruption. prev->next should be 1, but was 3. (prev=2)
[    4.4] Call Trace:
[    4.4]  [<60850ab8>] __remove_object+0x18/0x20
[    4.4]  [<6101aae8>] __sys_sendto+0x2a8/0x550
[    4.4] ---[ end trace 0000000000000000 ]---
"""


def test_damage_is_put_down_to_the_finding_that_said_so() -> None:
    fault = entry(finding="reset-not-done-rings-kept", complaints=("RESET_DONE not set",))
    lost = TrialRecord(FIRED, lost="panic")
    shown = verdict(fault, lost, log=NOT_RESET + OF_ANYBODY)
    assert (shown.verdict, shown.findings) == (TrialVerdict.FINDING, ("reset-not-done-rings-kept",))
    for log in (
        OF_ANYBODY, OF_ANYBODY + NOT_RESET,
        NOT_RESET + OF_ANYBODY.replace("__sys_sendto", "bnxt_poll"),
        NOT_RESET + OF_ANYBODY.replace("__sys_sendto", "page_pool_destroy"),
    ):  # fmt: skip
        assert verdict(fault, lost, log=log).verdict is TrialVerdict.FAIL


def test_damage_that_nobody_complains_of_is_no_finding_gone() -> None:
    """Whose memory it is differs with each build of the guest's programs."""
    fault = entry(finding="reset-not-done-rings-kept", complaints=("RESET_DONE not set",))
    kernel = GuestKernel.of("7.2.12-testbed-uml-san")
    found = [verdict(fault, TrialRecord(FIRED), log=log, kernel=kernel) for log in (NOT_RESET, "")]
    assert [one.verdict for one in found] == [TrialVerdict.GONE, TrialVerdict.FAIL]
    assert found[0].reasons == []
    assert "finding gone" in found[1].reasons[-1]


NEXT = GuestKernel.of("7.4.1-testbed-uml")


@pytest.mark.parametrize(
    ("log", "verdict", "reason"),
    [
        (LOG, TrialVerdict.GONE, ""),
        ("", TrialVerdict.FAIL, "no line of the kernel log matches 'RX cons'"),
        (LOG + HWRM, TrialVerdict.FAIL, "the kernel complains: failed HWRM command"),
    ],
)
def test_a_driver_without_the_bug_is_judged_by_what_a_fixed_one_must_do(
    log: str, verdict: TrialVerdict, reason: str
) -> None:
    fixed = Expect(Reaction.UNAFFECTED, kernel_log=("RX cons",))
    fault = entry(finding="queue-start-refused", work=Work.FAILS, fixed=fixed)
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    evidence = Evidence(trace=[INJECTED], log=log.splitlines())
    findings = Findings(load_findings())
    result = judge(fault, TrialRecord(FIRED), evidence, watcher.events, findings, NEXT)
    assert result.verdict is verdict
    assert reason in "\n".join(result.reasons)


@pytest.mark.parametrize(
    ("record", "log", "passes"),
    [
        (TrialRecord(FIRED), LOG, True),
        (TrialRecord(FIRED, failure="boom"), "", True),
        (TrialRecord(FIRED), WARN, False),
        (TrialRecord(FIRED, no_traffic="x"), "", False),
        (TrialRecord(FIRED, failure="data differs: x"), "", False),
    ],
)
def test_to_survive_is_traffic_afterwards_and_no_complaint_but_the_drivers(
    record: TrialRecord, log: str, passes: bool
) -> None:
    fault = entry(finding="queue-start-refused", fixed=SURVIVES)
    watcher = KernelLogWatcher()
    watcher.feed(log.encode())
    evidence = Evidence(trace=[INJECTED, {"k": "hwrm", "cmd": "RING_ALLOC"}])
    findings = Findings(load_findings())
    result = judge(fault, record, evidence, watcher.events, findings, NEXT)
    assert (result.verdict is TrialVerdict.GONE) is passes


def test_a_driver_with_the_bug_is_not_judged_as_a_fixed_one_where_it_does_not_show() -> None:
    fault = entry(finding="queue-start-refused", work=Work.FAILS, fixed=SURVIVES)
    kernel = GuestKernel.of("7.2.12-testbed-x86")  # its findings show elsewhere
    findings, evidence = Findings(load_findings()), Evidence(trace=[INJECTED])
    done = judge(fault, TrialRecord(FIRED), evidence, [], findings, kernel)
    assert (done.verdict, done.reasons) == (
        TrialVerdict.FAIL, ["the work was to fail, and did not"]
    )  # fmt: skip
    failed = judge(fault, TrialRecord(FIRED, failure="x"), evidence, [], findings, kernel)
    assert failed.verdict is TrialVerdict.PASS


@pytest.mark.parametrize(
    "kernel",
    [GuestKernel.of("7.3.1-testbed-uml"), GuestKernel.of("7.2.12-testbed-uml", stock=False)],
    ids=["newer", "patched"],
)
def test_a_finding_that_does_not_show_elsewhere_is_gone(kernel: GuestKernel) -> None:
    fault = entry(finding="queue-start-refused")

    def tried(fault: Fault, kernel: GuestKernel, record: TrialRecord) -> Judgement:
        evidence = Evidence(trace=[INJECTED])
        return judge(fault, record, evidence, [], Findings(load_findings()), kernel)

    result = tried(fault, kernel, TrialRecord(FIRED))
    assert (result.verdict, result.gone) == (TrialVerdict.GONE, ("queue-start-refused",))
    assert result.reasons == []
    failed = tried(fault, kernel, TrialRecord(FIRED, lost="it hangs"))
    assert (failed.verdict, failed.gone) == (TrialVerdict.FAIL, ())
    other = replace(kernel, flavour="x86")  # which does not show it
    assert tried(fault, other, TrialRecord(FIRED)).verdict is TrialVerdict.PASS


DMA_SEGMENT = """[    1.0] ------------[ cut here ]------------
[    1.0] WARNING: kernel/dma/debug.c:1231 at debug_dma_map_sg+0x7e8/0xd20, CPU#0: zcrx_rx/45
[    1.0] DMA-API: bnxt_en 0000:00:00.0: mapping sg segment longer than device claims to support
[    1.0] Call Trace:
[    1.0]  [<60000001>] io_zcrx_create_area+0x7e8/0xd20
[    1.0] ---[ end trace 0000000000000000 ]---
"""
SANITIZED = GuestKernel.of("7.2.12-testbed-uml-san")


def test_a_trial_that_meets_another_finding_is_no_plain_pass() -> None:
    watcher = KernelLogWatcher()
    watcher.feed(DMA_SEGMENT.encode())
    evidence = Evidence(trace=[INJECTED])
    findings = Findings(load_findings())
    result = judge(entry(), TrialRecord(FIRED), evidence, watcher.events, findings, SANITIZED)
    assert (result.verdict, result.findings) == (TrialVerdict.FINDING, ("zcrx-dma-segment",))
    patched = replace(SANITIZED, stock=False)
    fault = entry(finding="queue-start-refused")
    result = judge(fault, TrialRecord(FIRED), evidence, watcher.events, findings, patched)
    assert (result.verdict, result.findings) == (TrialVerdict.FINDING, ("zcrx-dma-segment",))
    assert result.gone == ("queue-start-refused",)


@pytest.mark.parametrize(
    ("record", "evidence", "expect"),
    [
        (TrialRecord(FIRED), Evidence(trace=[INJECTED], violations={"rule": 1}), {}),
        (TrialRecord(FIRED), Evidence(trace=[INJECTED]), {"verdicts": ("write_unmapped",)}),
        (TrialRecord(FIRED, failure="data differs: x"), Evidence(trace=[INJECTED]), {}),
        (TrialRecord(FIRED), Evidence(trace=[INJECTED]), {"ethtool": {"n": (1, 1)}}),
    ],
)
def test_a_finding_excuses_nothing_else(
    record: TrialRecord, evidence: Evidence, expect: dict[str, Any]
) -> None:
    fault = entry(finding="queue-start-refused", **expect)
    result = verdict(fault, record, log=PANIC, evidence=evidence)
    assert (result.verdict, result.findings) == (TrialVerdict.FAIL, ("queue-start-refused",))


# as CI has met it; what is behind RIP is made up
POLLED_TOO_LONG = """\
[    8.342211] BUG: kernel NULL pointer dereference, address: 0000000000000032
[    8.350667] Oops: Oops: 0000 [#1] SMP NOPTI
[    8.358470] RIP: 0010:bnxt_poll_p5+0x1f0/0x3b0 [bnxt_en]
[    8.363164] Call Trace:
[    8.363165]  <TASK>
[    8.363166]  __napi_poll+0x2e/0x1e0
[    8.363167]  net_rx_action+0x1af/0x2e0
[    8.363168]  </TASK>
[    8.363169] ---[ end trace 0000000000000000 ]---
[    8.363170] Kernel panic - not syncing: Fatal exception in interrupt
"""


def test_a_guest_may_end_of_a_bug_that_the_entry_is_not_about() -> None:
    findings = Findings(load_findings())
    kernel = GuestKernel.of("7.2.12+deb13-amd64")

    def ended_by(log: str, fault: Fault, kernel: GuestKernel = kernel) -> tuple[str, ...]:
        watcher = KernelLogWatcher()
        watcher.feed(log.encode())
        return panicked_of(fault, watcher.events, findings, kernel)

    assert ended_by(POLLED_TOO_LONG, entry()) == ("napi-poll-after-complete",)
    assert ended_by(POLLED_TOO_LONG, entry(finding="napi-poll-after-complete")) == ()
    assert ended_by(POLLED_TOO_LONG.replace("bnxt_poll_p5", "bnxt_tx_int"), entry()) == ()
    oops, _, _ = POLLED_TOO_LONG.partition("[    8.363170]")
    assert ended_by(oops, entry()) == ()  # the guest goes on
    # what looks like both is what the entry is about
    assert ended_by(POLLED_TOO_LONG, entry(finding="nqe-handle-unchecked")) == ()
    assert ended_by(PANIC, entry(finding="queue-start-refused"), KERNEL) == ()
    assert ended_by(PANIC, entry(), KERNEL) == ()  # only a firmware that refuses shows it


@pytest.mark.parametrize(
    ("kernel", "log", "passes"),
    [
        (KERNEL, LOG, True),
        (KERNEL, "mended\n", False),  # that kernel has the bug
        (GuestKernel.of("7.2.12-testbed-uml", stock=False), LOG, True),  # it may have it
        (GuestKernel.of("7.2.12-testbed-uml", stock=False), "mended\n", True),
        (GuestKernel.of("7.2.12-testbed-uml", stock=False), "", False),
    ],
)
def test_where_a_finding_is_mended_something_else_may_be_seen(
    kernel: GuestKernel, log: str, passes: bool
) -> None:
    mended = ("queue-start-refused", Expect(Reaction.UNAFFECTED, kernel_log=("^mended",)))
    fault = entry(kernel_log=("RX cons",), mended=mended)
    result = verdict(fault, TrialRecord(FIRED), log=log, kernel=kernel)
    assert (result.verdict is TrialVerdict.PASS) is passes


def test_entries_are_checked() -> None:
    with pytest.raises(ValueError, match="lower case with dashes"):
        replace(entry(), name="A_fault")
    with pytest.raises(ValueError, match="'TcpRetransSegs' is of neither end"):
        entry(nstat={"TcpRetransSegs": (1, None)})
    with pytest.raises(ValueError, match="a fault that the plan does not have"):
        entry(fired={"b": (1, 1)})
    for wrong in (
        {"fixed": Expect(Reaction.REFUSES)},
        {"finding": "x", "fixed": Expect(Reaction.REFUSES, finding="x")},
        {"finding": "x", "fixed": Expect(Reaction.REFUSES, repair=Repair.RELOAD)},
    ):
        with pytest.raises(ValueError, match="'fixed' is for one with a finding"):
            entry(**wrong)
    with pytest.raises(ValueError, match="'mended' is for one without"):
        entry(finding="x", mended=("y", Expect(Reaction.REFUSES)))
    with pytest.raises(ValueError, match="plan or source"):
        replace(entry(), source="")


def test_the_last_request_has_the_fields_that_are_expected() -> None:
    """A field that is 0 is not in the trace; what came before the fault, or after it, is not it."""

    def sent(**fields: int) -> dict[str, Any]:
        return {"k": "hwrm", "cmd": "VNIC_CFG", "req": fields}

    def reasons(*trace: dict[str, Any]) -> list[str]:
        return verdict(expected, TrialRecord(FIRED), evidence=Evidence(trace=list(trace))).reasons

    expected = entry(requests={"VNIC_CFG": {"flags": 2, "mru": 0}})
    assert reasons(INJECTED, sent(flags=3), sent(flags=2)) == []
    assert reasons(INJECTED, sent(flags=2), sent(flags=3, mru=9)) == [
        "flags of the last VNIC_CFG is 3; expected 2",
        "mru of the last VNIC_CFG is 9; expected 0",
    ]
    disarmed = {"k": "faults_disarmed"}
    assert reasons(sent(flags=2), INJECTED, disarmed, sent(flags=2)) == ["no VNIC_CFG was sent"]
