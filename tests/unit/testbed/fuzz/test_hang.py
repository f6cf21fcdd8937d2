# SPDX-License-Identifier: GPL-2.0-only
"""Which function hangs: from gdb's frames, and from guesses."""

from __future__ import annotations

import pytest

from testbed.fuzz.hang import hung_in, stuck_in

GDB = """\
#0  0x0000000060068b20 in um_set_signals ()
#1  0x00000000603e2511 in __bnxt_rx_agg_netmems ()
#2  0x00000000603e4d3c in bnxt_rx_pkt ()
"""
GUESSED = """\
in memcpy+0x12
  ? page_pool_put_unrefed_netmem+0x81
  ? bnxt_rx_pkt+0x3
"""


@pytest.mark.parametrize(
    ("text", "function"),
    [
        (GDB, "__bnxt_rx_agg_netmems"),
        (GUESSED, "page_pool_put_unrefed_netmem"),
        ("#0  0x1 in schedule ()\n", ""),
        ("#0  0x1 in schedule ()\n" * 20 + "#1  0x1 in bnxt_open ()\n", ""),
        ("no backtrace: it has gone\n", ""),
        ("", ""),
    ],
)
def test_innermost_function_in_scope(text: str, function: str) -> None:
    assert hung_in(text) == function


@pytest.mark.parametrize(
    ("tasks", "function"),
    [
        ("in napi_disable\n[<0>] napi_disable+0x1/0x2\n[<0>] bnxt_close+0x1/0x2\n", "bnxt_close"),
        ("in msleep\n", "msleep"),
        ("in 0\n", ""),
        ("", ""),
    ],
)
def test_where_tasks_wait(tasks: str, function: str) -> None:
    assert stuck_in(tasks) == function
