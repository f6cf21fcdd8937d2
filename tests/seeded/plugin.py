# SPDX-License-Identifier: GPL-2.0-only
"""pytest plugin: the suite on a kernel with patches (``-p tests.seeded.plugin``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.engines.open import engine_of, prepare_run
from testbed.engines.pool import SessionPool


def pytest_addoption(parser: pytest.Parser) -> None:
    """The patches."""
    parser.addoption(
        "--kernel-patch", dest="kernel_patches", action="append", type=Path, default=[],
        help="a patch or series for the kernel that the tests get; several in their order",
    )  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def patched_kernel(pytestconfig: pytest.Config, session_pool: SessionPool) -> None:
    """Every machine of this run boots the patched kernel."""
    options, prepared = prepare_run(session_pool.options, print)
    patches = pytestconfig.getoption("kernel_patches")
    session_pool.options = options
    session_pool.prepared = engine_of(options).patched(options, prepared, patches)
