# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from testbed.compare import page, plot, tables
from testbed.compare.counts import CounterMemory, Window
from testbed.compare.groups import (
    COPY,
    DRIVER,
    GROUPS,
    OTHER,
    POOL,
    SOCKET,
    STACK,
    USER_SPACE,
    group_of,
)
from testbed.compare.results import Count, Measurement, PoolPaths, Run, Summary, functions_of
from testbed.compare.symbols import UNKNOWN, USER, Symbol, Symbols

KALLSYMS = """\
ffffffff81000000 T _stext
ffffffff81000010 t __pfx_tcp_ack
ffffffff81000020 t tcp_ack.constprop.0
ffffffff81000080 T _copy_to_iter
ffffffff81000090 D some_data
ffffffffc0000000 t bnxt_poll\t[bnxt_en]
"""


def u64(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    return np.array(values, dtype=np.uint64)


def run_of(**counts: Count) -> Run:
    functions = {Symbol(name): count for name, count in counts.items()}
    return Run(4096, 2, 1, 0, 1e-6, 0.5, functions)


def test_an_address_is_that_of_the_function_around_it() -> None:
    symbols = Symbols(KALLSYMS)
    found = symbols.lookup(
        u64(0xFFFFFFFF81000021, 0xFFFFFFFF81000095, 0xFFFFFFFFC0000004, 0x401000, 1 << 63)
    )
    assert found == [
        Symbol("tcp_ack"),
        Symbol("_copy_to_iter"),
        Symbol("bnxt_poll", "bnxt_en"),
        Symbol(USER),
        Symbol(UNKNOWN),
    ]


@pytest.mark.parametrize(
    ("name", "module", "group"),
    [
        ("bnxt_rx_pkt", "bnxt_en", DRIVER), ("dma_map_page_attrs", "", DRIVER),
        ("_copy_to_iter", "", COPY), ("rep_movs_alternative", "", COPY), ("__pi_memset", "", COPY),
        ("page_pool_put_unrefed_netmem", "", POOL), ("io_pp_zc_alloc_netmems", "", POOL),
        ("dev_gro_receive", "", STACK), ("tcp_rcv_established", "", STACK),
        ("skb_release_data", "", STACK), ("io_zcrx_recv_skb", "", SOCKET), ("ep_poll", "", SOCKET),
        ("tcp_recvmsg_locked", "", SOCKET), ("__schedule", "", OTHER), (USER, "", USER_SPACE),
        (UNKNOWN, "", OTHER),
    ],
)  # fmt: skip
def test_functions_are_grouped(name: str, module: str, group: str) -> None:
    assert group_of(Symbol(name, module)) == group


def test_a_window_becomes_counts_by_function() -> None:
    window = Window(
        address=u64(0xFFFFFFFF81000020, 0xFFFFFFFF81000030, 0xFFFFFFFF81000084, 0x1000),
        insns=u64(5, 3, 1, 7), locked=u64(1, 2, 0, 0), barriers=u64(0, 1, 0, 0),
        string_bytes=u64(0, 0, 1, 0), executed=u64(10, 2, 1000, 1),
    )  # fmt: skip
    assert functions_of(window, Symbols(KALLSYMS)) == {
        Symbol("tcp_ack"): Count(instructions=56, atomics=12, barriers=2, calls=10),
        Symbol("_copy_to_iter"): Count(instructions=1000, repeats=1000),
        Symbol(USER): Count(instructions=7),
    }


def test_what_is_counted_is_found_in_its_window_and_forgotten_by_clear() -> None:
    memory = CounterMemory()
    memory._blocks["address"][77] = 0x401000
    memory._blocks["insns"][77] = 4
    memory._blocks["executed"][77, 1] = 9
    assert memory.window(0).address.size == 0
    window = memory.window(1)
    assert (window.insns * window.executed).tolist() == [36]
    del window
    memory.clear()
    assert memory.window(1).address.size == 0
    memory.close()


def test_the_page_pool_takes_its_buffers_from_three_places() -> None:
    run = run_of(
        page_pool_alloc_netmems=Count(calls=20),
        page_pool_refill_alloc_cache=Count(calls=6),
        __page_pool_alloc_netmems_slow=Count(calls=2),
    )
    assert PoolPaths.of(run) == PoolPaths(fast=7.0, ring=2.0, slow=1.0)


def test_spread_is_the_width_by_the_median() -> None:
    assert Summary.of([99.0, 100.0, 102.0]) == Summary(100.0, 0.03)


def test_reports_say_what_was_measured() -> None:
    one = run_of(_copy_to_iter=Count(4096, 4000), tcp_ack=Count(400, 0, 6, 2))
    other = run_of(io_zcrx_recv_skb=Count(1000, 0, 4, 0), tcp_ack=Count(404, 0, 6, 2))
    found = [Measurement("epoll", "7.2", [one, one]), Measurement("zcrx,<b>", "7.2", [other])]
    assert found[0].cost.median == pytest.approx(1124)
    assert found[0].cost_without_repeats.median == pytest.approx(124)
    assert found[0].atomics.median == pytest.approx(3)
    rows = list(csv.DictReader(io.StringIO(tables.runs_csv(found))))
    assert len(rows) == 3 * (len(GROUPS) + 1)
    (total,) = [row for row in rows if row["variant"] != "epoll" and row["group"] == "all"]
    assert float(total["instructions_per_kib"]) == pytest.approx(351)
    assert float(total["atomics_per_packet"]) == pytest.approx(5)
    functions = list(csv.DictReader(io.StringIO(tables.functions_csv(found))))
    assert functions[0]["function"] == "_copy_to_iter"
    drawing = plot.drawing(found)
    assert drawing == plot.drawing(found)
    ET.fromstring(drawing)
    html = page.render(found, drawing, ["a fact"])
    assert "zcrx,&lt;b&gt;" in html
    assert "<b>" not in html
    assert re.search(r"116\.2 Gbit/s", html)
    assert "0.312" in html  # 351 / 1124


def test_one_run_has_no_spread() -> None:
    """Nor does a table or a bar say that it is 0.00 %."""
    one, two = Summary.of([1722.8]), Summary.of([100.0, 101.0])
    assert (one.spread, one.spread_text, one.bar_text) == (None, "-", "1723")
    assert (two.spread_text, two.bar_text) == ("1.00 %", "100  ±0.50 %")
