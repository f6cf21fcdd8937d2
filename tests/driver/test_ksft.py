# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own selftests, from source package to verdict."""

from __future__ import annotations

import json

from tests.driver.conftest import CommandLine

PATIENCE_S = 600  # the build of the selftests, and a busy host


def test_zero_copy_receive_passes_the_kernels_own_test(testbed: CommandLine) -> None:
    process = testbed.start("ksft", "hw/iou-zcrx.py", "--run-dir", "runs")
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, (out + err).decode(errors="replace")
    run = testbed.folder / "runs" / "latest"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["verdict"] == "pass"
    assert {name: n for name, n in summary["tests"].items() if n} == {"passed": 5}
    assert (summary["violations"], summary["unknown_hwrm"]) == (0, 0)
    assert (run / "hw-iou-zcrx.py" / "trace.jsonl").stat().st_size
    assert "ok 5 iou-zcrx.test_zcrx_large_chunks" in (run / "results.ktap").read_text()
    assert not testbed.wait_clean()
