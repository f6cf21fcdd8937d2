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

_WAITS = """\
in lock_release
[<0>] __switch_to+0xb6/0x160
[<0>] schedule+0x156/0x560
"""
RTNL = f"""{_WAITS}\
[<0>] __mutex_lock+0x1076/0x3790
[<0>] rtnl_lock+0x1c/0x20
[<0>] linkwatch_event+0x6a/0xe0
"""
REPORTS = f"""{_WAITS}\
[<0>] __mutex_lock+0x1076/0x3790
[<0>] devl_lock+0x19/0x20
[<0>] devlink_health_report+0x1/0x2
[<0>] bnxt_sp_task+0x1/0x2
"""
CLOSES = f"""{_WAITS}\
[<0>] schedule_timeout+0x140/0x360
[<0>] msleep+0xee/0x1e0
[<0>] __bnxt_close_nic.isra.0+0x3e7/0x770
[<0>] bnxt_close_nic+0x110/0x3a0
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
        (RTNL, "rtnl_lock"),
        (RTNL * 3 + REPORTS, "bnxt_sp_task"),
        (RTNL * 3 + REPORTS + CLOSES, "__bnxt_close_nic"),
        ("in 0\n", ""),
        ("", ""),
    ],
)
def test_where_tasks_wait(tasks: str, function: str) -> None:
    assert stuck_in(tasks) == function
