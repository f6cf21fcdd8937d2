# SPDX-License-Identifier: GPL-2.0-only
"""A test may be a coroutine, which runs in a loop of its own; signals it sends are its own."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator

import pytest

from testbed.host import interrupt


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A job that ends in this process wants no more signals; pytest does."""
    with interrupt.installed():
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine to its end; other tests are pytest's business."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
