# SPDX-License-Identifier: GPL-2.0-only
"""A process knows how long it has been there."""

from __future__ import annotations

import subprocess
import sys
import time

SLEEP_S = 0.3
PROGRAM = f"""
import time
time.sleep({SLEEP_S})
from testbed.host.clock import process_began
print(time.monotonic() - process_began())
"""


def test_age_counts_what_was_before_the_first_import() -> None:
    began = time.monotonic()
    command = [sys.executable, "-c", PROGRAM]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert SLEEP_S <= float(said) <= time.monotonic() - began + 0.02  # two ticks
