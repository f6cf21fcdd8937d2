# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.dut.protocols import Completed
from testbed.engines.session import Session
from testbed.errors import LostVM, TestbedError
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.recovery import Recovery
from testbed.fuzz.schedule import Companion, Schedule
from testbed.fuzz.used import MOST_LOST_KIB, UsedGuest, is_clean, renew, why_fresh

PLAIN = Schedule(workload="ping", seed=1)
DONE = Outcome(schedule="s", ended=Ended.DONE)


@pytest.mark.parametrize(
    ("change", "fresh"),
    [
        ({}, False),
        ({"companions": (Companion(kind="signal", what="TERM"),)}, False),
        ({"companions": (Companion(kind="failslab"),)}, True),
        (
            {
                "companions": (
                    Companion(kind="signal", what="TERM"),
                    Companion(kind="fail_page_alloc"),
                )
            },
            True,
        ),
        ({"card": {"max_aggs": 1}}, True),
        ({"workload": "remove"}, True),
        ({"kmemleak": "off"}, False),
        ({"kmemleak": "scan"}, True),
        ({"workload": "of another version"}, False),
    ],
)
def test_some_schedules_need_a_guest_of_their_own(change: dict[str, Any], fresh: bool) -> None:
    assert bool(why_fresh(replace(PLAIN, **change))) is fresh


@pytest.mark.parametrize(
    "change",
    [
        {"silent": "no echo"},
        {"bound": True},
        {"pools": [{"id": 3}]},
        {"resources": {"vnics": 1}},
    ],
)
def test_a_guest_in_which_anything_is_left_is_not_used_again(change: dict[str, Any]) -> None:
    assert is_clean(DONE, Recovery(), [])
    assert not is_clean(DONE, Recovery(**change), [])


def test_nor_is_one_in_which_anything_was_wrong() -> None:
    complaint = Complaint(signature="a", oracle="dma")
    assert not is_clean(replace(DONE, complaints=(complaint,)), Recovery(), [])
    assert not is_clean(replace(DONE, ended=Ended.HUNG), Recovery(), [])
    assert not is_clean(DONE, None, [])


@pytest.mark.parametrize(
    ("line", "clean"),
    [
        ("WARNING: CPU: 0 PID: 1 at net/core/dev.c:1 __dev_close_many+0x1/0x2", False),
        ("bnxt_en 0000:00:00.0 nut0: hwrm req_type 0x51 seq id 0x52 error 0x2", True),
    ],
)
def test_what_a_kernel_says_only_once_it_has_not_said_yet(line: str, clean: bool) -> None:
    log = KernelLogWatcher()
    log.feed(f"[    1.000000] {line}\n".encode())
    assert log.events
    assert is_clean(DONE, Recovery(), log.events) is clean


def session(*answers: tuple[int, str] | TestbedError) -> Session:
    """One whose guest answers so to one command after the other."""
    left = list(answers)

    def run(argv: list[str], **_: object) -> Completed:
        answer = left.pop(0)
        if isinstance(answer, TestbedError):
            raise answer
        return Completed(tuple(argv), answer[0], answer[1].encode(), b"", 0.0)

    dut = SimpleNamespace(
        driver="bnxt_en", pci_address="0000:00:00.0", netdev="nut0", ipv4="a", ipv6="b", run=run
    )
    remote = SimpleNamespace(netns="peer", netdev="peer0")
    return cast(Session, SimpleNamespace(dut=dut, remote=remote))


def test_a_guest_whose_memory_goes_is_given_up() -> None:
    guest = UsedGuest()
    answers = [(0, "400000"), (0, str(400_000 - MOST_LOST_KIB)), (0, "300000")]
    one = session(*answers)
    assert [renew(one, guest) for _ in answers] == [True, True, False]


@pytest.mark.parametrize("answer", [(1, ""), (0, ""), (0, "4e9"), (0, "-1"), LostVM("gone")])
def test_a_guest_that_cannot_be_made_ready_is_given_up(answer: Any) -> None:
    assert not renew(session(answer), UsedGuest())
