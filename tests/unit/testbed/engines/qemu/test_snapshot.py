# SPDX-License-Identifier: GPL-2.0-only
"""A guest that is kept: what of its memory is stored, where others go on from, which one it is."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from images.store import Store
from kernels.image import KernelImage
from testbed.artifacts.prepare import Prepared
from testbed.engines.qemu import snapshot as module
from testbed.engines.qemu.argv import MachineSpec
from testbed.engines.qemu.snapshot import Snapshot, ensure_snapshot, guest_memory, take, wake
from testbed.errors import EnvironmentProblem

PAGE = 4096
SIZE = 8 << 20
SPEC = MachineSpec(accel="tcg", cpus=2, memory_mib=512, plugged_later=True, tsc_khz=2_596_118)


class Monitor:
    """QEMU's, as far as a migration needs it; writes ``state`` as QEMU would."""

    def __init__(self, state: int = -1, status: str = "completed") -> None:
        self.commands: list[str] = []
        self._state, self._answers = state, ["active", status]

    async def __call__(self, command: str, arguments: dict[str, object] | None) -> object:
        self.commands.append(command)
        if command == "migrate":
            assert arguments == {"uri": "file:/dev/fdset/100"}
            os.write(self._state, b"all else")
        if command == "query-migrate":
            return {"status": self._answers.pop(0)}
        return {}


def memory_with(pages: dict[int, bytes]) -> int:
    memory = guest_memory(SIZE, None)
    for number, content in pages.items():
        os.pwrite(memory, content.ljust(PAGE, b"\0"), number * PAGE)
    return memory


def test_memory_comes_back_and_blank_pages_are_not_stored(tmp_path: Path) -> None:
    pages = {0: b"first", 1: b"", 300: b"middle", 301: b"next", SIZE // PAGE - 1: b"last"}
    memory, state = memory_with(pages), os.memfd_create("state")
    monitor = Monitor(state)
    kept = Snapshot(tmp_path)
    asyncio.run(take(monitor, memory, state, b"[    0.0] log\n", kept))
    assert monitor.commands[0] == "stop"
    assert kept.state.read_bytes() == b"all else"
    assert kept.kernel_log.read_bytes() == b"[    0.0] log\n"
    assert kept.memory.stat().st_size == 4 * PAGE
    assert json.loads(kept.runs.read_text()) == [
        [0, PAGE], [300 * PAGE, 2 * PAGE], [SIZE - PAGE, PAGE],
    ]  # fmt: skip
    again = guest_memory(SIZE, kept)
    assert os.pread(again, SIZE, 0) == os.pread(memory, SIZE, 0)
    os.pwrite(again, b"changed", 0)
    assert os.pread(guest_memory(SIZE, kept), 7, 0) == b"first\0\0", "it writes to its own copy"


def test_nobody_can_shorten_the_memory_under_the_card() -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(guest_memory(SIZE, None), 0)


def test_a_snapshot_that_cannot_be_read_is_a_problem_of_this_host(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="no memory for a guest"):
        guest_memory(SIZE, Snapshot(tmp_path))


def test_a_woken_machine_goes_on_when_all_is_there() -> None:
    monitor = Monitor()
    asyncio.run(wake(monitor))
    assert monitor.commands == [
        "migrate-set-capabilities", "migrate-incoming", "query-migrate", "query-migrate", "cont",
    ]  # fmt: skip


def test_a_migration_that_fails_is_told() -> None:
    with pytest.raises(EnvironmentProblem, match="migration failed"):
        asyncio.run(wake(Monitor(status="failed")))


def prepared(tmp_path: Path, **provenance: Any) -> Prepared:
    kernel = KernelImage(
        release="7.2", vmlinuz=tmp_path / "vmlinuz", initramfs=tmp_path / "initramfs",
        modules_image=tmp_path / "modules.erofs", modules=tmp_path, packages={}, module_sha256="",
        module_packed_sha256="", module_build_id="",
    )  # fmt: skip
    return Prepared(["qemu"], ["virtiofsd"], kernel, tmp_path / "root", provenance)


def fill(folder: Path) -> None:
    (folder / "state").write_bytes(b"")


def test_each_kind_of_guest_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    made: list[Path] = []

    def build(folder: Path) -> None:
        made.append(folder)
        fill(folder)

    def ensured(spec: MachineSpec, **provenance: Any) -> Path:
        found = ensure_snapshot(prepared(tmp_path, **provenance), store, spec, build)
        assert found is not None
        return found.folder

    first = ensured(SPEC, kernel="a")
    assert ensured(replace(SPEC, tsc_khz=2_596_901), kernel="a") == first, "measured again"
    others = {
        ensured(SPEC, kernel="b"), ensured(replace(SPEC, cpus=1), kernel="a"),
        ensured(replace(SPEC, iommu=True), kernel="a"),
        ensured(replace(SPEC, tsc_khz=3_100_000), kernel="a"),
    }  # fmt: skip
    monkeypatch.setattr(module, "cpu_name", lambda: "another host")
    others.add(ensured(SPEC, kernel="a"))
    assert len(others | {first}) == len(made) == 6


def test_another_kernel_does_not_go_on_with_it_whatever_a_report_says(tmp_path: Path) -> None:
    """Seen: tests of a patched kernel ran in a guest of Debian's, and found no bug."""
    store, usual = Store(tmp_path), prepared(tmp_path, kernel="a")
    patched = replace(usual, kernel=replace(usual.kernel, vmlinuz=tmp_path / "patched"))
    found = [ensure_snapshot(one, store, SPEC, fill) for one in (usual, patched, usual)]
    assert found[0] == found[2] != found[1]


def test_a_cache_that_takes_no_more_means_a_boot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "NEEDS_BYTES", 1 << 60)
    assert ensure_snapshot(prepared(tmp_path), Store(tmp_path), SPEC, fill) is None


def test_a_kernel_without_slots_is_asked_once(tmp_path: Path) -> None:
    asked: list[Path] = []

    def refuse(folder: Path) -> None:
        asked.append(folder)
        Snapshot(folder).refusal.write_text("no slots")

    for _ in range(2):
        assert ensure_snapshot(prepared(tmp_path), Store(tmp_path), SPEC, refuse) is None
    assert len(asked) == 1


def test_what_the_boot_says_is_not_hidden(tmp_path: Path) -> None:
    def fail(_folder: Path) -> None:
        raise EnvironmentProblem("QEMU did not start")

    with pytest.raises(EnvironmentProblem, match="did not start"):
        ensure_snapshot(prepared(tmp_path), Store(tmp_path), SPEC, fail)
