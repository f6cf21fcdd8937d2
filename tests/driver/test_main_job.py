# SPDX-License-Identifier: GPL-2.0-only
"""``testbed run`` as a user calls it: what it returns and what it leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from junitparser import JUnitXml

from testbed.ksft import ktap
from testbed.report import summary

ARTIFACTS = {
    "summary.json", "summary.html", "junit.xml", "results.ktap", "kernel.log", "qemu.log",
    "runner.log",
    "card.log", "trace.jsonl", "wire.pcapng",
}  # fmt: skip
RUN_TIMEOUT_S = 900  # half a minute on an idle host
START_TIMEOUT_S = 120


def latest(folder: Path) -> Path:
    return (folder / "runs/latest").resolve()


def read_summary(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((latest(folder) / "summary.json").read_text())
    jsonschema.validate(document, summary.schema())
    return document


def await_line(process: subprocess.Popen[bytes], wanted: bytes) -> None:
    assert process.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT_S
    for line in process.stdout:
        if wanted in line:
            return
        assert time.monotonic() < deadline, f"{wanted!r} did not come"
    pytest.fail(f"the run ended before {wanted!r}")


def card_of(folder: Path) -> int:
    """The card process of the run in ``folder``, by the trace it holds open."""
    trace = str(latest(folder) / "trace.jsonl")
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            held = {str(link.readlink()) for link in (entry / "fd").iterdir()}
        except OSError:
            continue
        if b"devmodel" in words and trace in held:
            return int(entry.name)
    pytest.fail("there is no card process")


def test_whole_job_with_iommu(testbed: Any) -> None:
    """Probe to remove: every check passes, nothing is copied, no mapping is left."""
    process = testbed.start("run", "--iommu", "on", "--seed", "11")
    out, err = process.communicate(timeout=RUN_TIMEOUT_S)
    assert process.returncode == 0, out.decode() + err.decode()
    document = read_summary(testbed.folder)
    assert document["verdict"] == "pass"
    assert document["tests"]["failed"] == document["tests"]["skipped"] == 0
    assert document["zcrx"]["sha256_equal"] is True
    assert document["zcrx"]["copied_bytes"] == 0
    assert document["zcrx"]["control_copied_bytes"] > 0
    assert document["zcrx"]["bytes"] >= 128 << 20
    assert document["queue_restarts"] == 50
    assert (document["violations"], document["unknown_hwrm"]) == (0, 0)
    assert (document["seed"], document["iommu"]) == (11, "on")
    assert document["module_sha256"] == document["provenance"]["kernel module sha256"]
    folder = latest(testbed.folder)
    assert {entry.name for entry in folder.iterdir()} == ARTIFACTS
    groups = ktap.parse((folder / "results.ktap").read_text()).cases
    assert len(groups) == len({check["group"] for check in document["checks"]})
    passed = document["tests"]["passed"]
    assert JUnitXml.fromfile(str(folder / "junit.xml")).tests == passed
    assert testbed.wait_clean() == []


def test_interrupt_leaves_a_summary(testbed: Any) -> None:
    """Ctrl-C in the middle: seconds later there is a report, and nothing runs."""
    process = testbed.start("run", start_new_session=True)
    await_line(process, b"MTU 4096")
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert time.monotonic() - began < 30
    document = read_summary(testbed.folder)
    assert (document["verdict"], process.returncode) == ("interrupted", document["exit_code"])
    assert document["tests"]["passed"] >= 4
    assert testbed.wait_clean() == []


def test_killed_card_is_the_models_fault(testbed: Any) -> None:
    """SIGKILL to the card in the middle: verdict "model", with a report."""
    process = testbed.start("run")
    await_line(process, b"MTU 4096")
    os.kill(card_of(testbed.folder), signal.SIGKILL)
    process.communicate(timeout=120)
    document = read_summary(testbed.folder)
    assert (document["verdict"], process.returncode) == ("model", 4)
    assert document["problem"]["fault"] == "model"
    assert testbed.wait_clean() == []
