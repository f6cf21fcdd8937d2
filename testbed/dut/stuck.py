# SPDX-License-Identifier: GPL-2.0-only
"""Where tasks of a guest wait that nobody can kill."""

from __future__ import annotations

from testbed.dut.protocols import Endpoint
from testbed.errors import TestbedError

_LOOK_S = 100.0
_LOOK = """
sleep "$1"
for task in /proc/[0-9]*; do
    read -r line 2>/dev/null <"$task/stat" || continue
    case $line in *') D '*) ;; *) continue ;; esac
    read -r name <"$task/wchan"
    echo "in $name"
    cat "$task/stack"
done
"""
READS_STACKS = "__get_wchan"
"""Where User Mode Linux looks for that on stacks of other tasks, of which KASAN thinks nothing
(arch/um/kernel/process.c)."""


def stuck_tasks(end: Endpoint, after_s: int = 0) -> str | None:
    """Where tasks still wait in ``after_s`` seconds that cannot be killed, in the guest's words;
    None if it does not answer. The innermost function of each has a line, then all that is known
    of its stack."""
    words = ["sh", "-c", _LOOK, "sh", str(after_s)]
    try:
        return end.run(words, check=False, timeout_s=after_s + _LOOK_S).text
    except TestbedError:
        return None
