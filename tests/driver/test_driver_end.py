# SPDX-License-Identifier: GPL-2.0-only
"""How long the end of a run waits, in a guest with simulated time: for whom, and no longer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.engines.uml.session import UmlSession
from testbed.fuzz.machines import Machines
from tests.driver.test_fuzz_executor import FRAGMENT

FIRST_S, MOST_S = 8, 330
# A socket that is closed before its peer, which nobody reaches any more, has had what it sent.
ORPHAN = """
import socket, subprocess
peer = socket.create_connection(("192.0.2.2", 5600))
subprocess.run("ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:99 dev nut0", shell=True)
peer.sendall(bytes(10000))
"""
# A ring that is closed while what it sent lies in a socket, which a program keeps.
SENDER = (
    "connect 0 192.0.2.2 5601 256K", "connect 1 192.0.2.2 5601", "ring 8", "memory 0 128K 7",
    "table 1", "slot 0 0 0 128K", "send 0 user=1 slot=0 len=48K", "submit", "end", "await 1",
)  # fmt: skip
READER = ("listen 192.0.2.2 5601 4K", "accept 0", "accept 1", "await 1")
ASLEEP_S = 60
# Who has called vfork() waits until the child has gone.
PARENT = f"import ctypes, time; ctypes.CDLL(None).vfork(); time.sleep({ASLEEP_S})"


@pytest.fixture
def guest(tmp_path: Path) -> Iterator[UmlSession]:
    machines = Machines(tmp_path, "uml", None, coverage=False, say=lambda _text: None)
    try:
        yield machines.start({}, 1)
    finally:
        machines.close()


def waited(guest: UmlSession) -> tuple[int, str]:
    """Seconds of the guest's, and who was the last that was waited for."""
    words = ["driver_end", guest.dut.netdev, str(FIRST_S), str(MOST_S)]
    said = guest.dut.run(words, timeout_s=2 * MOST_S).error_text
    found = re.fullmatch(r"waited (\d+) s: (.+)", said)
    assert found is not None, said
    return int(found[1]), found[2]


def test_of_nobody_the_first_wait_is_enough(guest: UmlSession) -> None:
    assert waited(guest) == (FIRST_S, "nobody")
    assert (
        guest.dut.run(["cat", f"/sys/class/net/{guest.dut.netdev}/operstate"]).text.strip()
        == "down"
    )


def test_a_page_that_a_fragment_holds_is_waited_for(guest: UmlSession) -> None:
    """The rest of its packet may come for half a minute."""
    act = {"action": "card", "do": "frame", "params": {"data": FRAGMENT}}
    plan = {"version": 1, "fault": [{"id": "fragment", "where": "now", "what": act}]}
    guest.card.faults_disarm(guest.card.faults_arm(plan))
    seconds, who = waited(guest)
    assert who == "a page pool"
    assert 30 <= seconds < MOST_S


def test_a_socket_without_a_program_ends_with_its_next_retransmission(guest: UmlSession) -> None:
    listener = guest.remote.start(["stream_rx", guest.remote.ipv4, "5600"])
    guest.dut.run(["sleep", "1"])
    guest.dut.run(["python3", "-c", ORPHAN])
    guest.dut.run(["sleep", "60"])
    most = guest.dut.run(["cat", "/proc/sys/net/ipv4/tcp_max_orphans"]).text
    assert int(most) > 0
    seconds, who = waited(guest)
    assert who == "a socket"
    assert FIRST_S < seconds < MOST_S
    assert " orphan 0 " in guest.dut.run(["cat", "/proc/net/sockstat"]).text
    assert guest.dut.run(["cat", "/proc/sys/net/ipv4/tcp_max_orphans"]).text == most
    listener.kill()


def test_a_ring_that_is_being_taken_down_is_waited_for(guest: UmlSession) -> None:
    """As long as there may be: the other end never reads."""
    words = ["sendzc_console", "--timeout", "1000"]
    ends = [
        end.start(words, input="\n".join((*steps, "")).encode())
        for end, steps in ((guest.remote, READER), (guest.dut, SENDER))
    ]
    guest.dut.run(["sleep", "5"])
    assert waited(guest) == (MOST_S, "a ring of io_uring")
    assert [one.poll() for one in ends] == [None, None]
    for one in ends:
        one.kill()


def test_a_task_that_waits_uninterruptibly_is_waited_for(guest: UmlSession) -> None:
    waiting = guest.dut.start(["python3", "-c", PARENT])
    guest.dut.run(["sleep", "5"])
    seconds, who = waited(guest)
    assert who == "a task that waits uninterruptibly"
    assert FIRST_S < seconds <= ASLEEP_S
    waiting.kill()
