# SPDX-License-Identifier: GPL-2.0-only
"""What holds for tests of every level."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Ctrl-C works, also where CI started us as a background job that ignores it.

    Tests send SIGINT to the programs they start; a program inherits "ignore", and Python then
    raises no KeyboardInterrupt.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
