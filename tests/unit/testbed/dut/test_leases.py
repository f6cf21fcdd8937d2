# SPDX-License-Identifier: GPL-2.0-only
"""A queue leased to a netkit device, against an endpoint that plays the guest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from testbed.dut.leases import DEVICE, Lease, lease
from testbed.dut.protocols import Completed
from testbed.errors import GuestCommandFailed
from tests.unit.testbed.dut.test_streams import completed

QUEUE = 3


class Guest:
    """Has the devices that were made; ``ip`` and the program that leases act on them.

    :param shown: what ``ip -json link show`` prints instead.
    """

    netdev = "nut0"

    def __init__(self, *, left: bool = False, shown: str | None = None, leased: object) -> None:
        self.there = left
        self.shown = shown
        self.leased = leased
        self.ups: list[str] = []

    def run(self, argv: Sequence[str], *, check: bool = True, **_: Any) -> Completed:
        answer = self._run(argv)
        return answer.check() if check else answer

    def _run(self, argv: Sequence[str]) -> Completed:
        match argv:
            case ["ip", "link", "add", name, "numrxqueues", _, "type", "netkit"] if name == DEVICE:
                if self.there:
                    return completed(argv, 2, err="RTNETLINK answers: File exists")
                self.there = True
            case ["ip", "-json", "link", "show", "dev", _]:
                return completed(argv, out=self.shown or [{"ifname": DEVICE, "link": "nk0"}])
            case ["ip", "link", "set", "dev", name, "up"]:
                self.ups.append(name)
            case ["ip", "link", "delete", "dev", _]:
                if not self.there:
                    return completed(argv, 1, err=f'Cannot find device "{DEVICE}"')
                self.there = False
            case ["queue_lease", "nk0", "nut0", _]:
                if isinstance(self.leased, Completed):
                    return self.leased
                return completed(argv, out=self.leased)
        return completed(argv)


def test_lease_of_a_queue() -> None:
    guest = Guest(leased={"queue": 1})
    assert lease(guest, QUEUE) == Lease("nk0", 1)
    assert guest.ups == [DEVICE, "nk0"]


def test_what_a_lost_session_left_is_gone_before() -> None:
    guest = Guest(left=True, leased={"queue": 1})
    assert lease(guest, QUEUE) == Lease("nk0", 1)
    assert guest.there


@pytest.mark.parametrize(
    ("shown", "leased"),
    [
        (None, completed(["queue_lease"], 1, err="in use")),
        (None, "no JSON"),
        (None, {}),
        (None, {"queue": None}),
        ("no JSON", {"queue": 1}),
        ("[]", {"queue": 1}),
        ('[{"ifname": "x"}]', {"queue": 1}),
    ],
)
def test_no_device_stays_behind_a_lease_that_failed(shown: str | None, leased: object) -> None:
    guest = Guest(shown=shown, leased=leased)
    with pytest.raises(GuestCommandFailed):
        lease(guest, QUEUE)
    assert not guest.there
