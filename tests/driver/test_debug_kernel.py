# SPDX-License-Identifier: GPL-2.0-only
"""The debug kernel under QEMU. Building it takes long, so only where that has been done."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

import kernels.build
from testbed.artifacts.prepare import Artifacts, Prepared
from testbed.dut.defer import DeferStack
from testbed.dut.nic import dedicate_queue, wait_until_free
from testbed.dut.streams import MIB, receive_by_zcrx
from testbed.engines.qemu.engine import ENGINE as QEMU
from testbed.engines.qemu.session import QemuSession
from testbed.findings.judge import Findings
from testbed.findings.load import load_findings
from testbed.options import RunOptions

BUILD = "./tb kernel build --flavour debug"
PORT = 5000
CHECKS = ("KASAN", "PROVE_LOCKING", "DMA_API_DEBUG", "DEBUG_KMEMLEAK", "UBSAN", "KCOV")


class NotBuiltError(Exception):
    """The kernel would have to be built first."""


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> tuple[RunOptions, Prepared]:
    def refuse(*_: object) -> None:
        raise NotBuiltError

    with monkeypatch.context() as patched:
        patched.setattr(kernels.build._Work, "fill", refuse)
        try:
            Artifacts().prepare("debug")
        except NotBuiltError:
            pytest.skip(f"no debug kernel in the cache: {BUILD}")
    return QEMU.prepare(RunOptions(kernel="debug", seed=1), lambda _text: None)


def test_zero_copy_receive_with_every_check_on(
    prepared: tuple[RunOptions, Prepared], tmp_path: Path
) -> None:
    """Boot, probe, header split, zcrx, unbind; no complaint but known issues."""
    options, artefacts = prepared
    with QemuSession(options, tmp_path, artefacts) as session:
        config = gzip.decompress(session.dut.get("/proc/config.gz")).decode().splitlines()
        assert {f"CONFIG_{name}=y" for name in CHECKS} <= set(config)
        where = dedicate_queue(session.dut, session.remote, DeferStack(), port=PORT)
        stream = receive_by_zcrx(
            session.dut, session.remote, queue=where.queue, port=where.port, total_bytes=MIB
        )
        assert stream.is_equal
        assert stream.bytes == MIB
        assert stream.copied_bytes == 0
        wait_until_free(session.dut)
        session.dut.run(["modprobe", "-r", "bnxt_en"])
        assert session.card.state()["violations"]["counts"] == {}
        complaints = Findings(load_findings()).sort(session.kernel_log.events, session.kernel)
        assert not complaints.unknown
