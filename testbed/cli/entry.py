# SPDX-License-Identifier: GPL-2.0-only
"""Where the ``testbed`` program begins: signals are taken before anything large is imported."""

from __future__ import annotations

import sys

from testbed.host import interrupt


def main() -> int:
    """Run the command line and return its exit code; an early Ctrl-C is one line, too."""
    try:
        interrupt.install()  # one may be waiting: ./tb has blocked them
        from testbed.cli.main import run_app

        code = run_app(sys.argv[1:])
        interrupt.over()
    except BaseException:
        number = interrupt.received()
        if number is None:
            raise
        interrupt.over()
        print(interrupt.Interrupted(number), file=sys.stderr)
        return 128 + number
    return code
