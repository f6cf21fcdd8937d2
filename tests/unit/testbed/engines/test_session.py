# SPDX-License-Identifier: GPL-2.0-only
"""What a session says of its kernel: from its preparation and from its log."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kernels.version import KernelVersion
from testbed.engines.qemu.session import QemuSession
from testbed.engines.session import Session
from testbed.engines.uml.session import UmlSession
from testbed.findings.kernel_log import KernelLogWatcher

BANNER = b"Linux version 7.3-amd64 (x@y) (gcc) #1 SMP Debian 7.3~rc7-1~exp1 (2026-11-15)\n"


@pytest.mark.parametrize("kind", [QemuSession, UmlSession])
@pytest.mark.parametrize("stock", [True, False])
def test_kernel_is_the_prepared_one_and_its_log_tells_the_candidate(
    kind: type[Session], stock: bool
) -> None:
    session = object.__new__(kind)
    log = KernelLogWatcher()
    log.feed(BANNER)
    kernel = SimpleNamespace(release="7.3-amd64", stock=stock)
    vars(session).update(
        _prepared=SimpleNamespace(kernel=kernel), _machine=SimpleNamespace(kernel_log=log)
    )
    assert session.kernel.version == KernelVersion(7, 3, rc=7)
    assert session.kernel.stock is stock
