# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

from pathlib import Path

import pytest

from testbed.compare.variants import (
    COMPLETIONS,
    MeasurementPlan,
    Method,
    Variant,
    labels,
    parse_variant,
)
from testbed.errors import UsageProblem


@pytest.mark.parametrize(
    ("text", "variant"),
    [
        ("epoll", Variant(Method.EPOLL)),
        ("tcp-zerocopy,mtu=4136", Variant(Method.MMAP, mtu=4136)),
        ("zcrx,buf=16384,gro=hw@7.2.12", Variant(Method.ZCRX, "7.2.12", gro="hw", buf=16384)),
        ("epoll@/home/me/bzImage", Variant(Method.EPOLL, "/home/me/bzImage")),
        ("7.2.6", Variant(Method.DEVMEM, "7.2.6")),
        ("/home/me/linux", Variant(Method.DEVMEM, "/home/me/linux")),
        ("vcpu=different", Variant(Method.DEVMEM, vcpu="different")),
        ("@6.18", Variant(Method.DEVMEM, "6.18")),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, variant: Variant) -> None:
    assert parse_variant(text, Method.DEVMEM) == variant


@pytest.mark.parametrize(
    "text",
    ["", "tcp", "zcrx,mtu=12", "zcrx,mtu=big", "zcrx,vcpu=both", "zcrx,colour=red",
     "epoll,buf=8192", "zcrx,buf=5000", "7.2@7.3", "zcrx,mib=0"],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageProblem):
        parse_variant(text, Method.ZCRX)


@pytest.mark.parametrize("text", ["zcrx", "zcrx,mtu=4136,vcpu=different@7.2.12", "epoll,mib=64"])
def test_a_label_reads_back(text: str) -> None:
    variant = parse_variant(text, Method.EPOLL)
    assert variant.label == text
    assert parse_variant(variant.label, Method.EPOLL) == variant


def test_a_full_segment_at_the_page_mtu_is_one_page() -> None:
    assert Variant(Method.MMAP, mtu=4136).payload_bytes == 4096


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["epoll", "zcrx@7.2"], ["epoll", "zcrx@7.2"]),
        (["zcrx@/home/me/linux", "zcrx@7.2"], ["zcrx@linux", "zcrx@7.2"]),
        (["zcrx@/a/1f/files/bzImage", "zcrx@/a/2e/files/bzImage"], ["zcrx@1f", "zcrx@2e"]),
        (["epoll@/a/linux", "epoll@/a/linux/build"], ["epoll@linux", "epoll@linux/build"]),
        (["epoll@./a/b", "zcrx@./a/b"], ["epoll@b", "zcrx@b"]),
    ],
)
def test_kernels_by_path_are_told_apart(texts: list[str], shown: list[str]) -> None:
    variants = [parse_variant(text, Method.ZCRX) for text in texts]
    assert list(labels(variants).values()) == shown


def test_a_variant_may_have_a_length_of_its_own() -> None:
    plan = MeasurementPlan(runs=5, stream_bytes=16 << 20, boots=1, seed=1)
    assert Variant(Method.MMAP).stream_bytes(plan) == 16 << 20
    assert Variant(Method.MMAP, mib=64).stream_bytes(plan) == 64 << 20


def test_zcrx_gets_no_stream_that_its_completion_ring_cannot_hold() -> None:
    plan = MeasurementPlan(runs=5, stream_bytes=COMPLETIONS * 4056 + 1, boots=1, seed=1)
    for roomy in ("epoll", "zcrx,vcpu=different", "zcrx,gro=hw,buf=16384", "zcrx,mib=31"):
        parse_variant(roomy, Method.ZCRX).stream_bytes(plan)
    with pytest.raises(UsageProblem, match="8192"):
        Variant(Method.ZCRX).stream_bytes(plan)


def test_the_completion_ring_is_the_programs() -> None:
    source = (Path(__file__).parents[4] / "images/programs/lib/zcrx.c").read_text(encoding="utf-8")
    assert f"#define CQ_ENTRIES {COMPLETIONS}\n" in source
