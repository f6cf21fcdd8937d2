# SPDX-License-Identifier: GPL-2.0-only
"""What a guest prints of what is left: pools, DMA buffers; how traffic came back. The rest needs a
guest."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from testbed.dut.defer import DeferStack
from testbed.errors import GuestCommandFailed
from testbed.fuzz import recovery
from testbed.fuzz.recovery import BOUND, BOUND_AGAIN, Recovery, bring_back, left_dmabufs, orphans


def test_only_detached_pools_are_left_over() -> None:
    printed = '{"orphans":[{"id":3,"detached":true},{"id":4,"detached":false}]}'
    assert orphans(printed) == [{"id": 3, "detached": True}]


@pytest.mark.parametrize(
    "printed", ["", "{}", "[]", '{"orphans":[1]}', '{"orphans":[{}]}', "[" * 99]
)
def test_a_guest_may_print_anything(printed: str) -> None:
    assert orphans(printed) == []


@pytest.mark.parametrize(
    ("printed", "left"),
    [("Total 2 objects, 8388608 bytes", 2), ("Total 0 objects, 0 bytes", 0), ("", 0),
     ("Total -1 objects", 0), ("Total many objects", 0), ("x Total 3 objects", 0)],
)  # fmt: skip
def test_dmabufs_are_counted_as_the_kernel_prints_them(printed: str, left: int) -> None:
    assert left_dmabufs(printed) == left


@pytest.mark.parametrize(("absent", "said"), [(0, BOUND_AGAIN), (1, BOUND)])
def test_a_driver_without_an_interface_is_not_bound_again(
    absent: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That its probe failed is what was done to it, not what it did."""
    found, silent = Recovery(), [True, True, False]

    def echo(context: object) -> None:
        if silent.pop(0):
            raise GuestCommandFailed("no echo comes back")

    for name in ("up_down", "rebind", "_let_go"):
        monkeypatch.setattr(recovery, name, lambda *_: None)
    monkeypatch.setattr(recovery, "_echo", echo)
    dut = SimpleNamespace(netdev="nut0", run=lambda *_, **__: SimpleNamespace(returncode=absent))
    session = SimpleNamespace(dut=dut)
    bring_back(session, SimpleNamespace(), DeferStack(), found)  # type: ignore[arg-type]
    assert found.tried == ["up and down", said]
    assert not found.silent
