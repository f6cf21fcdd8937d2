# SPDX-License-Identifier: GPL-2.0-only
"""What of a run is kept beside a finding: enough to believe it, and to run it again.

::

    docs/findings/<id>/evidence/<kernel>-<flavour>/
        kernel.log | kernel.log.xz   what the guest's kernel printed
        run.toml                     the kernel, its configuration's hash, the command, the seed
        replay.toml                  of a trial of a fault (`testbed faults replay`)
"""

from __future__ import annotations

import lzma
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomli_w

from testbed import ROOT
from testbed.errors import ConfigProblem, EnvironmentProblem, UsageProblem
from testbed.faults.replay import FILE_NAME as REPLAY_FILE
from testbed.findings.kernel import GuestKernel
from testbed.findings.load import Finding
from testbed.followup.replay import Summary, kernel_logs, read_summary

FOLDER = "evidence"
RUN_FILE = "run.toml"
LOG_FILE = "kernel.log"
PLAIN_BYTES = 64 << 10
"""A longer log is compressed."""
KEPT_BYTES = 1 << 20
"""Of a log: its beginning and its end. A complaint with every packet is megabytes."""
READ_BYTES = KEPT_BYTES + 1024
"""More than is kept is not unpacked: the line in the middle is all that comes to it."""
UNPACKING_BYTES = 128 << 20
"""Of memory; the best compression needs half of it."""
_KERNEL = "kernel "
_RUN_DIR = ("--run-dir", "--testbed-run-dir")
_TOLD = ("kernel_release", "engine", "seed", "cpus", "iommu", "timing", "event_hash", "started_at")


def folder_for(finding: Finding, kernel: GuestKernel) -> Path:
    """Where the evidence of that kernel is, if there is any."""
    return finding.folder / FOLDER / f"{kernel.version}-{kernel.flavour}"


def keep(finding: Finding, kernel: GuestKernel, run: Path) -> Path:
    """Put the evidence of run directory ``run`` in the place of what there is of that kernel.

    Returns the folder. Raises UsageProblem if ``run`` holds no run, EnvironmentProblem if nothing
    can be written.
    """
    summary = read_summary(run)
    logs = kernel_logs(run)
    if summary is None or not logs:
        raise UsageProblem(f"{run} is no run directory with a kernel log")
    folder = folder_for(finding, kernel)
    trial = next(iter(sorted(run.glob(f"faults/*/{REPLAY_FILE}"))), None)
    log = trial.parent / LOG_FILE if trial is not None else logs[-1]
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _keep_log(log if log.is_file() else logs[-1], folder)
        (folder / RUN_FILE).write_text(tomli_w.dumps(about(summary)), encoding="utf-8")
        if trial is not None:
            shutil.copyfile(trial, folder / REPLAY_FILE)
    except OSError as err:
        raise EnvironmentProblem(f"{folder} cannot be written: {err.strerror}") from err
    return folder


def about(summary: Summary) -> dict[str, Any]:
    """What ``run.toml`` holds of a run: which kernel it was, and what repeats it."""
    told = {name: summary[name] for name in _TOLD if summary.get(name) is not None}
    provenance = summary["provenance"]
    kernel = {
        name.removeprefix(_KERNEL): str(value)
        for name, value in provenance.items()
        if name.startswith(_KERNEL) and value and not _is_option(name)
    }
    command = ["pytest"] if summary["job"] == "suite" else []  # which has no name of itself
    command += _without_places(summary["command"])
    return {
        **told, "command": command, "testbed": str(provenance.get("repository commit") or ""),
        "kernel": kernel,
    }  # fmt: skip


def _without_places(words: Sequence[str]) -> list[str]:
    """A command without what only this machine has: where its runs are, this tree, and the folders
    of other files. What is behind ``--`` is the guest's."""
    kept, is_place, is_own = [], False, True
    for word in words:
        is_own = is_own and word != "--"
        if not is_place and not word.startswith(_RUN_DIR):
            inside = word.removeprefix(f"{ROOT}/")
            kept.append(_name_alone(inside) if is_own else inside)
        is_place = word in _RUN_DIR
    return kept


def _name_alone(word: str) -> str:
    """The word, with the name of a file in place of its absolute path."""
    option, equals, value = word.rpartition("=")
    return f"{option}{equals}{Path(value).name}" if value.startswith("/") else word


def _is_option(name: str) -> bool:
    """One of the hundreds of a build that somebody brought along."""
    return name.startswith("kernel config ") and name != "kernel config sha256"


def read_log(folder: Path) -> bytes:
    """The kernel log of an evidence folder; empty if there is none.

    Raises ConfigProblem if it is packed, and no log of ours: somebody else may have sent it.
    """
    packed = folder / f"{LOG_FILE}.xz"
    if packed.is_file():
        try:
            unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=UNPACKING_BYTES)
            data = unpacking.decompress(packed.read_bytes(), max_length=READ_BYTES + 1)
        except lzma.LZMAError as err:
            raise ConfigProblem(packed, LOG_FILE, f"cannot be unpacked: {err}") from err
        if len(data) > READ_BYTES:
            raise ConfigProblem(packed, LOG_FILE, f"is longer than {READ_BYTES} bytes")
        if not unpacking.eof:
            raise ConfigProblem(packed, LOG_FILE, "ends in the middle")
        return data
    plain = folder / LOG_FILE
    return plain.read_bytes() if plain.is_file() else b""


def _keep_log(log: Path, folder: Path) -> None:
    data = log.read_bytes()
    if len(data) > KEPT_BYTES:
        half = KEPT_BYTES // 2
        left_out = f"\n[{len(data) - KEPT_BYTES} bytes are left out here]\n".encode()
        data = data[:half] + left_out + data[-half:]
    if len(data) <= PLAIN_BYTES:
        (folder / LOG_FILE).write_bytes(data)
    else:
        (folder / f"{LOG_FILE}.xz").write_bytes(lzma.compress(data, preset=9))
