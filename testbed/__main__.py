# SPDX-License-Identifier: GPL-2.0-only
"""``python -m testbed``."""

from __future__ import annotations

import sys

from testbed.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
