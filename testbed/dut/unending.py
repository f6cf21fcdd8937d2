# SPDX-License-Identifier: GPL-2.0-only
"""Commands that a kernel with a bug never ends."""

from __future__ import annotations

from collections.abc import Sequence

from testbed.dut.protocols import Endpoint

# $@ what may never end, and be killed as little; what it says, or nothing
_ASK = """
said=$(mktemp)
"$@" >"$said" 2>&1 &
for wait in 0.05 0.1 0.2 0.5 1 2 4 8 16; do
    kill -0 $! 2>/dev/null || { cat "$said"; break; }
    sleep $wait
done
rm "$said"
"""


def ask_in_time(end: Endpoint, words: Sequence[str]) -> str:
    """What the command says; nothing if it has not ended after half a minute. It goes on then."""
    return end.run(["sh", "-c", _ASK, "sh", *words], check=False).text
