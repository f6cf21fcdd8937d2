# SPDX-License-Identifier: GPL-2.0-only
"""What a guest prints of what is left: pools, DMA buffers; how traffic came back. The rest needs a
guest."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from testbed.card.plans import check_plan
from testbed.dut.defer import DeferStack
from testbed.dut.protocols import Capability, Completed
from testbed.errors import GuestCommandFailed
from testbed.findings.kernel_log import KernelEvent, Splat
from testbed.fuzz import recovery
from testbed.fuzz.recovery import (
    BOUND,
    BOUND_AGAIN,
    PORT_BACK,
    Recovery,
    bring_back,
    left_dmabufs,
    make_honest,
    orphans,
)
from testbed.fuzz.result import Run
from testbed.workloads.workload import Work

NONE = '{"orphans":[]}'


def test_detached_pools_are_left_over_whenever_their_interface_went() -> None:
    printed = '{"orphans":[{"id":3,"detached":true}]}'
    assert orphans(printed, printed) == orphans(NONE, printed) == [{"id": 3, "detached": True}]


def test_so_are_those_that_a_driver_forgot_as_it_went() -> None:
    """The remote endpoint's had lost their interface before, when it was moved."""
    before = '{"orphans":[{"id":2,"detached":false}]}'
    behind = '{"orphans":[{"id":2,"detached":false},{"id":4,"detached":false}]}'
    assert orphans(before, behind) == [{"id": 4, "detached": False}]
    assert orphans(before, before) == []


def test_without_what_was_there_before_only_detached_pools_are() -> None:
    behind = '{"orphans":[{"id":3,"detached":true},{"id":4,"detached":false}]}'
    for before in ("", "{}", "not JSON"):
        assert orphans(before, behind) == [{"id": 3, "detached": True}]


def torn_down(printed: str, *, whole: bool = False) -> tuple[Recovery, list[str]]:
    """What was found where driver_end printed that, and how it was called."""
    asked: list[list[str]] = []

    def run(argv: list[str], **_: object) -> Completed:
        asked.append(argv)
        return Completed(tuple(argv), 0, printed.encode(), b"", 0.0)

    session: Any = SimpleNamespace(
        dut=SimpleNamespace(
            run=run, netdev="nut0", driver="bnxt_en", pci_address="0000:00:00.0", offered=set()
        ),
        card=SimpleNamespace(state=lambda: {"card": {"resources": {"ring": 2, "vnic": 0}}}),
    )  # fmt: skip
    found = Recovery()
    recovery.tear_down(session, SimpleNamespace(address=""), found, whole=whole)  # type: ignore[arg-type]
    return found, asked[0]


def test_what_the_driver_left_is_read_line_by_line() -> None:
    found, _ = torn_down(
        f'{NONE}\nbound\n{{"orphans":[{{"id":3,"detached":true}}]}}\nTotal 2 objects, 8 bytes\n'
    )
    assert (found.bound, [one["id"] for one in found.pools], found.dmabufs) == (True, [3], 2)
    assert found.resources == {"ring": 2}


def test_a_guest_that_lists_no_pools_has_let_go_all_the_same() -> None:
    """Its program may lack memory for a socket, and then prints empty lines."""
    found, _ = torn_down("\ngone\n\n")
    assert (found.bound, found.pools, found.dmabufs) == (False, [], 0)


def test_before_a_search_for_leaks_everybody_has_time_to_let_go() -> None:
    """What a timer frees is not leaked."""
    first, most = (torn_down("", whole=whole)[1][2] for whole in (False, True))
    assert int(first) < int(most) == recovery._LET_GO_MOST_S


@pytest.mark.parametrize(
    "printed",
    [
        "",
        "{}",
        "[]",
        '{"orphans":[1]}',
        '{"orphans":[{}]}',
        "[" * 99,
        '{"orphans":1e999}',
    ],
)
def test_a_guest_may_print_anything(printed: str) -> None:
    assert orphans(printed, printed) == orphans(NONE, printed) == orphans(printed, NONE) == []


@pytest.mark.parametrize(
    ("printed", "left"),
    [("Total 2 objects, 8388608 bytes", 2), ("Total 0 objects, 0 bytes", 0), ("", 0),
     ("Total -1 objects", 0), ("Total many objects", 0), ("x Total 3 objects", 0)],
)  # fmt: skip
def test_dmabufs_are_counted_as_the_kernel_prints_them(printed: str, left: int) -> None:
    assert left_dmabufs(printed) == left


THERE = "2: nut0    inet 192.0.2.1/24 scope global nut0"
FLUSH = ["ip", "neigh", "flush", "dev", "peer0"]


def brought_back(
    monkeypatch: pytest.MonkeyPatch, shown: str, silent: int, port: Work | None = None
) -> tuple[Recovery, list[list[str]]]:
    """What was found, and what the remote endpoint was asked, where that many echoes are lost."""
    found, lost = Recovery(), [True] * silent

    def echo(context: object) -> None:
        if lost and lost.pop():
            raise GuestCommandFailed("no echo comes back")

    for name in ("up_down", "rebind", "_let_go"):
        monkeypatch.setattr(recovery, name, lambda *_: None)
    monkeypatch.setattr(recovery, "_echo", echo)
    answer = SimpleNamespace(text=shown)
    dut = SimpleNamespace(netdev="nut0", ipv4="192.0.2.1", run=lambda *_, **__: answer)
    session = SimpleNamespace(dut=dut)
    asked: list[list[str]] = []
    remote = SimpleNamespace(netdev="peer0", run=asked.append)
    context = SimpleNamespace(remote=remote, put_back_port=port)
    bring_back(session, context, DeferStack(), found)  # type: ignore[arg-type]
    return found, asked


@pytest.mark.parametrize(
    ("shown", "said"), [(THERE, BOUND_AGAIN), ("", BOUND)], ids=["there", "none"]
)
def test_a_driver_without_an_interface_is_not_bound_again(
    shown: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its probe failed, or that nobody gave it an address, is not what it did."""
    found, asked = brought_back(monkeypatch, shown, silent=2)
    assert found.tried == ["up and down", said]
    assert not found.silent
    assert asked == [FLUSH, FLUSH], "what was asked while nothing flowed ends the next ping at once"


@pytest.mark.parametrize("offered", [frozenset(), frozenset({Capability.REAL_TIME})])
def test_in_simulated_time_the_kernel_may_tell_of_a_ring_that_never_ends(
    offered: frozenset[Capability],
) -> None:
    """Which io_ring_exit_work() does after five minutes (io_uring/io_uring.c)."""
    asked: list[list[str]] = []
    dut = SimpleNamespace(
        offered=offered, netdev="nut0", run=lambda words, **_: asked.append(words)
    )
    recovery._let_go(SimpleNamespace(dut=dut))  # type: ignore[arg-type]
    ((*_, wait_s),) = asked
    assert int(wait_s) == 0 if offered else int(wait_s) > 5 * 60, "while there is one"


def test_a_port_that_was_set_up_otherwise_is_set_up_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The firmware keeps it for the next driver; the last one was told that it had failed."""
    set_up: list[str] = []
    found, _ = brought_back(monkeypatch, THERE, silent=3, port=lambda _: set_up.append("port"))
    assert (found.tried[-2:], found.silent, set_up) == ([BOUND_AGAIN, PORT_BACK], "", ["port"])
    found, _ = brought_back(monkeypatch, THERE, silent=3)
    assert found.silent, "of work that changes none there is nothing to set up"


@pytest.mark.parametrize("stuck", ["in devl_lock\n", ""])
def test_what_looking_for_stuck_tasks_does_is_not_theirs(stuck: str) -> None:
    lines = ["BUG: KASAN: stack-out-of-bounds in __get_wchan+0x10b/0x130",
             "WARNING: possible recursive locking detected"]  # fmt: skip
    events = [KernelEvent(Splat.LOCKDEP, line, 1.0, number) for number, line in enumerate(lines)]
    session = SimpleNamespace(kernel_log=SimpleNamespace(events=events))
    run = Run(None, session, None, None, stuck=stuck)  # type: ignore[arg-type]  # not asked for
    assert [one.line for one in run.said] == (lines[1:] if stuck else lines)


def test_acts_of_the_card_are_taken_back_if_it_did_them() -> None:
    armed = list[dict[str, Any]]()
    card = SimpleNamespace(
        faults_arm=lambda plan: armed.append(check_plan(plan)), faults_disarm=lambda handle: None
    )
    session: Any = SimpleNamespace(card=card)
    make_honest(session, [{"action": "grant"}, {"action": "partner"}, {"action": "drop"}])
    assert [fault["what"]["do"] for fault in armed[0]["fault"]] == ["grant", "partner"]
    make_honest(session, [{"action": "drop"}])
    assert len(armed) == 1
