# SPDX-License-Identifier: GPL-2.0-only
"""Memory for buffers that are larger than a page (hugetlbpage.rst)."""

from __future__ import annotations

from testbed.dut.defer import Defer
from testbed.dut.protocols import Endpoint

HUGE_PAGE_BYTES = 2 << 20


def reserve_huge_pages(end: Endpoint, pages: int, defer: Defer) -> None:
    """As many pages of 2 MiB, until the test ends; nothing on a kernel that has none, such as
    UML's, where the guest's programs take the blocks of a packet socket's ring instead.

    Raises GuestCommandFailed.
    """
    before = end.run(["cat", "/proc/sys/vm/nr_hugepages"], check=False)
    if before.returncode:
        return
    end.run(["sysctl", "-qw", f"vm.nr_hugepages={pages}"])
    defer(end.run, ["sysctl", "-qw", f"vm.nr_hugepages={before.text.strip()}"])
