# SPDX-License-Identifier: GPL-2.0-only
"""A queue for zero-copy receive, set aside or bound; the module's ``PORT`` is steered to it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from testbed.dut.defer import Defer
from testbed.dut.nic import ZcrxQueue, dedicate_queue
from testbed.dut.protocols import Dut, Endpoint
from testbed.dut.zcrx_queue import BoundQueue, bound_queue


@pytest.fixture
def where(request: pytest.FixtureRequest, dut: Dut, remote: Endpoint, defer: Defer) -> ZcrxQueue:
    """A queue with header split and nothing bound yet; afterwards nothing is left bound."""
    return dedicate_queue(dut, remote, defer, port=request.module.PORT)


@pytest.fixture
def bound(request: pytest.FixtureRequest, dut: Dut, remote: Endpoint, defer: Defer) -> BoundQueue:
    """A queue bound by a console of the test's own; killed after the test, if the guest is up."""
    stack = ExitStack()
    queue = stack.enter_context(bound_queue(dut, remote, defer, request.module.PORT))
    defer(stack.close)
    return queue
