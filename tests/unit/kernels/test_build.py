# SPDX-License-Identifier: GPL-2.0-only
"""What is built again, what is not, and what no build may leave behind."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from images.debian import Package
from kernels.build import BuiltKernel
from kernels.built import read_files
from kernels.compile import BuildFailed, Progress
from kernels.configs import ConfigProblem
from kernels.flavours import Flavour
from kernels.fragments import Group
from kernels.modules import ModuleProblem, unpack_module
from kernels.objects import LOCK
from kernels.patches import Patch, PatchProblem, PatchSeries
from kernels.pruning import prune_kernels, slots
from kernels.source import TreeSource, UnpackedSource, locked
from kernels.version import KernelVersion
from tests.unit.kernels.fake_make import FLAVOUR, FixedSource, Lab, ToyBuilder, toy_lab


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return toy_lab(tmp_path, monkeypatch)


def test_built_kernel(lab: Lab) -> None:
    built = lab.build()
    assert built.image.read_text() == "ALPHA\nBETA\n"
    assert built.image.stat().st_mode & 0o111
    assert built.vmlinux == built.image
    assert "CONFIG_NET=y\n" in built.config.read_text()
    assert 'CONFIG_LOCALVERSION="-testbed-toy"\n' in built.config.read_text()
    assert built.release == "7.2.12-toy"
    assert built.provenance["key"] == built.key


def test_second_build_compiles_nothing(lab: Lab) -> None:
    first = lab.build()
    shutil.rmtree(lab.cache / "kernel-trees/objects")
    again = lab.build()
    assert again == first
    [slot] = slots(lab.cache)
    assert not (slot.path / "build.log").exists()


def test_one_line_compiles_one_file(lab: Lab) -> None:
    first = lab.build()
    (lab.tree / "b.c").write_text("gamma\n")
    second = lab.build()
    assert second.key != first.key
    assert second.image.read_text() == "ALPHA\nGAMMA\n"
    assert lab.log() == "  CC      b.o\n"


def test_undone_change_comes_from_the_cache(lab: Lab) -> None:
    first = lab.build()
    (lab.tree / "b.c").write_text("gamma\n")
    lab.build()
    (lab.tree / "b.c").write_text("beta\n")
    assert lab.build() == first


@pytest.mark.parametrize(
    "change",
    [
        {"fragments": [Group("--config", "mine", {"HZ": "100"})]},
        {"flavour": Flavour("toy", "", "x86_64", FLAVOUR.groups, ("linux",), "linux", 2)},
        {"flavour": Flavour("toy", "", "um", FLAVOUR.groups, ("linux",), "linux", 2, (), {}, True)},
    ],
)
def test_whatever_decides_the_result_is_part_of_the_key(
    lab: Lab, change: dict[str, object]
) -> None:
    assert lab.build(**change).key != lab.build().key  # type: ignore[arg-type]


def test_compiler_is_part_of_the_key(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first = lab.build()
    newer = [Package("gcc", "15", "11", 1)]
    monkeypatch.setattr(ToyBuilder, "_packages", lambda _self: newer)
    assert lab.build().key != first.key


def test_kernel_is_linked_again_when_our_own_c_files_change(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = tmp_path / "host"
    host.mkdir()
    (host / "entropy.c").write_text("one")
    monkeypatch.setattr("kernels.flavours.HOST", host)
    flavour = replace(FLAVOUR, host_objects={"entropy.c": "why"})
    first = lab.build(flavour=flavour)
    assert "linked again" in lab.log()
    (lab.tree / "b.c").write_text("gamma\n")
    lab.build(flavour=flavour)
    assert lab.log() == "  CC      b.o\n"
    (lab.tree / "b.c").write_text("beta\n")
    (host / "entropy.c").write_text("two")
    assert lab.build(flavour=flavour).key != first.key
    assert lab.log() == "  CC      b.o\nlinked again\n"


def test_failed_build_leaves_no_entry_and_goes_on_later(lab: Lab) -> None:
    (lab.tree / "b.c").write_text("#error no\n")
    with pytest.raises(BuildFailed, match=r"kernel toy of .*/tree does not build:\n.*#error no"):
        lab.build()
    assert [usage.kind for usage in lab.builder.store.entries()] == []
    (lab.tree / "b.c").write_text("beta\n")
    assert lab.build().image.read_text() == "ALPHA\nBETA\n"
    assert lab.log() == "  CC      b.o\nlinked again\n"


def test_interrupted_build_goes_on_where_it_was(lab: Lab) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.current.endswith(".o"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        lab.builder.build(FLAVOUR, TreeSource(lab.tree), jobs=1, watch=interrupt)
    assert lab.builder.store.entries() == []
    assert lab.build().image.read_text() == "ALPHA\nBETA\n"


def test_vanished_option_is_named_before_anything_is_compiled(lab: Lab) -> None:
    with pytest.raises(ConfigProblem, match=r"/tree: CONFIG_VANISHED=y \(group '--config': mine\)"):
        lab.build(fragments=[Group("--config", "mine", {"VANISHED": "y"})])
    assert "CC" not in lab.log()
    with pytest.raises(ConfigProblem, match="the kernel made it n; it depends on MISSING"):
        lab.build(fragments=[Group("--config", "mine", {"GONE_DEPS": "y"})])


def test_kconfig_runs_only_when_its_answer_could_change(lab: Lab) -> None:
    [config] = [lab.build().config.read_text()]
    [slot] = slots(lab.cache)
    (slot.path / "given/options.config").unlink()
    (lab.tree / "b.c").write_text("gamma\n")
    lab.build()
    assert not (slot.path / "given/options.config").exists()
    (lab.tree / "Kconfig").write_text("config OTHER\n")
    assert lab.build().config.read_text() == config
    assert (slot.path / "given/options.config").exists()


def series(*patches: tuple[str, str]) -> PatchSeries:
    made = [
        Patch(f"{number}", "t", f"--- a/b.c\n+++ b/b.c\n@@ -1 +1 @@\n-{old}\n+{new}\n")
        for number, (old, new) in enumerate(patches)
    ]
    return PatchSeries("here", made)


def test_patched_kernel_leaves_the_tree_alone(lab: Lab) -> None:
    built = lab.build(series=[series(("beta", "patched"))])
    assert built.image.read_text() == "ALPHA\nPATCHED\n"
    assert built.provenance["patches"] == ["applied: 0 t"]
    assert (lab.tree / "b.c").read_text() == "beta\n"
    again = lab.build(series=[series(("beta", "other"))])
    assert again.image.read_text() == "ALPHA\nOTHER\n"
    assert lab.log() == "  CC      b.o\n"


def test_first_patched_build_takes_over_the_objects_of_the_plain_one(lab: Lab) -> None:
    source = FixedSource(lab.tree)
    lab.builder.build(FLAVOUR, source, jobs=1)
    built = lab.builder.build(FLAVOUR, source, series=[series(("beta", "patched"))], jobs=1)
    assert built.image.read_text() == "ALPHA\nPATCHED\n"
    logs = [(slot.path / "build.log").read_text() for slot in slots(lab.cache)]
    assert sorted(log.count("  CC ") for log in logs) == [1, 2]
    again = lab.builder.build(FLAVOUR, source, series=[series(("beta", "other"))], jobs=1)
    assert again.image.read_text() == "ALPHA\nOTHER\n"


@pytest.mark.parametrize("damaged", ["a.c", "b.c"])
def test_damaged_copy_of_a_package_is_mended(lab: Lab, damaged: str) -> None:
    """A file that a patch touches, and one that none does."""
    source = FixedSource(lab.tree)
    lab.builder.build(FLAVOUR, source, series=[series(("beta", "patched"))], jobs=1)
    [copied] = [
        slot.path / "source" for slot in slots(lab.cache) if (slot.path / "source").exists()
    ]
    (copied / damaged).unlink()
    (copied / damaged).mkdir()
    again = lab.builder.build(FLAVOUR, source, series=[series(("beta", "other"))], jobs=1)
    assert again.image.read_text() == "ALPHA\nOTHER\n"


def test_patch_of_a_header_has_objects_of_its_own(lab: Lab) -> None:
    def build(*names: str) -> None:
        diffs = [f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1 @@\n+x\n" for name in names]
        made = [Patch(str(number), "t", diff) for number, diff in enumerate(diffs)]
        source = FixedSource(lab.tree)
        lab.builder.build(FLAVOUR, source, series=[PatchSeries("here", made)], jobs=1)

    build("net/new.c")
    build("net/core/include/new.h")
    assert len(slots(lab.cache)) == 2, "one is for the plain source"
    build("net/new.c", "include/net/new.h")
    build("arch/um/include/asm/new.h")
    assert len(slots(lab.cache)) == 3


def test_patched_build_does_without_objects_to_take_over(lab: Lab) -> None:
    source = FixedSource(lab.tree)
    built = lab.builder.build(FLAVOUR, source, series=[series(("beta", "patched"))], jobs=1)
    assert built.image.read_text() == "ALPHA\nPATCHED\n"


def test_patch_that_fails_stops_the_build_unless_it_may_be_left_out(lab: Lab) -> None:
    wrong = series(("delta", "x"), ("beta", "y"))
    with pytest.raises(PatchProblem, match=r"does not apply: 0 t\n  b\.c: hunk 1 fails at line 1"):
        lab.build(series=[wrong])
    built = lab.build(series=[wrong], without_failed=True)
    assert built.image.read_text() == "ALPHA\nY\n"
    patches = built.provenance["patches"]
    assert isinstance(patches, list)
    assert patches[0] == "does not apply: 0 t"


def test_two_builds_at_once_compile_once(lab: Lab) -> None:
    results: list[BuiltKernel] = []
    threads = [
        threading.Thread(
            target=lambda: results.append(
                ToyBuilder(lab.cache).build(FLAVOUR, TreeSource(lab.tree), jobs=1)
            )
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert len({built.key for built in results}) == 1
    assert lab.log().count("CC") == 2


def test_kernel_in_the_store_waits_for_no_other_build(lab: Lab) -> None:
    def unpack(folder: Path) -> None:
        shutil.copytree(lab.tree, folder, dirs_exist_ok=True)

    builder = lab.builder
    source = UnpackedSource("toy", {"sha256": "0"}, lab.cache / "sources", unpack, builder.report)
    first = builder.build(FLAVOUR, source, jobs=1)
    [slot] = slots(lab.cache)
    results: list[BuiltKernel] = []
    other = threading.Thread(target=lambda: results.append(builder.build(FLAVOUR, source, jobs=1)))
    with locked(slot.path / LOCK, builder.report, "toy"):
        other.start()
        other.join(20.0)
        assert [built.key for built in results] == [first.key]
    assert not any("waiting" in line for line in builder.reports)


def test_group_too_new_is_reported(lab: Lab) -> None:
    future = Group("future", "", {"X": "y"}, KernelVersion(9, 0))
    flavour = Flavour("toy", "", "um", (future,), ("linux",), "linux", 2)
    assert lab.build(flavour=flavour).provenance["left_out"] == ["future"]
    assert lab.builder.reports[0] == f"too new for {lab.tree}: future"


def test_pruning_keeps_what_is_in_use_or_was_used_of_late(lab: Lab) -> None:
    lab.build()
    assert prune_kernels(lab.cache, 60.0) == 0
    [slot] = slots(lab.cache)
    assert slot.label == f"toy of {lab.tree}"
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(slot.lock, print, "it"):
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(30)
    assert prune_kernels(lab.cache, 0.0) == 0
    assert slot.path.exists()
    leave.set()
    thread.join()
    time.sleep(0.01)
    assert prune_kernels(lab.cache, 0.0) > 0
    assert not slot.path.exists()


def test_modules_of_a_built_kernel_look_like_packaged_ones(tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    (modules / "kernel/net").mkdir(parents=True)
    (modules / "kernel/net/bnxt-en.ko").write_bytes(b"ELF")
    (modules / "modules.builtin").write_text("kernel/x.ko\n")
    image = tmp_path / "bzImage"
    image.write_bytes(b"boot")
    built = BuiltKernel("debug", image, image, image, modules, "7.2.12-testbed", "k", {})
    files = read_files(built)
    assert files.vmlinuz == b"boot"
    assert files.lists == {"modules.builtin": b"kernel/x.ko\n"}
    path, packed = files.modules["bnxt_en"]
    assert path == "kernel/net/bnxt-en.ko.xz"
    assert unpack_module(packed) == b"ELF"


@pytest.mark.parametrize(
    ("provenance", "stock"),
    [
        ({"source": {"label": "linux-source-7.2", "version": "7.2.12-1"}, "patches": []}, True),
        ({"source": {"label": "linux-source-7.2", "version": "7.2.12-1"}, "patches": [{}]}, False),
        ({"source": {"label": "linux.tar.xz", "tarball": "ab"}, "patches": []}, False),
        ({"release": "7.2-mine"}, False),
    ],
    ids=["packaged", "patched", "tarball", "the user's own"],
)
def test_stock_is_what_debian_publishes_unpatched(
    tmp_path: Path, provenance: dict[str, Any], stock: bool
) -> None:
    paths = (tmp_path,) * 3
    assert BuiltKernel("uml", *paths, None, "7.2.12-testbed-uml", "k", provenance).stock is stock


def test_kernel_without_modules_cannot_boot_under_qemu(tmp_path: Path) -> None:
    built = BuiltKernel("uml", tmp_path, tmp_path, tmp_path, None, "7.2.12-testbed-uml", "k", {})
    with pytest.raises(ModuleProblem, match="is a uml kernel: it has no modules"):
        read_files(built)
