# SPDX-License-Identifier: GPL-2.0-only
"""A kernel from source: `Builder.build(flavour, source)` gives a `BuiltKernel` from the cache.

What decides the result is hashed: source, patches, options, compiler, make's variables, our own C
files. The finished files are a store entry of kind `kernel-build`. The object tree behind it stays
in `<cache>/kernel-trees/objects/<slot>/`: one slot for each (place of the source, flavour,
compiler) without patches, one with, and one with such as change a header that everything includes,
so that the next build of an edited tree, with another option, with another patch, or of one that
was interrupted compiles only what is left to do. The first begins with a seed (objects.py).
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from images.buildroot import BuildRoot
from images.debian import Archive, Package
from images.inside import Inside
from images.recipe import Recipe, package_tree, resolved
from images.store import Entry, Json, Report, Store, quiet
from kernels import configs, objects
from kernels.compile import (
    BUILD_PLACE,
    GIVEN_PLACE,
    SOURCE_PLACE,
    STAMP,
    BuildFailed,
    Make,
    Watch,
)
from kernels.configs import ConfigProblem
from kernels.flavours import HOST, HOST_PLACE, WORKAROUNDS, Flavour
from kernels.fragments import Group
from kernels.git import git_description
from kernels.own import is_release
from kernels.patches import PatchProblem, PatchSeries, changes, mended_by
from kernels.patching import PATCHES, Applied, apply_series, empty_folder
from kernels.source import (
    SOURCES,
    TREES,
    KernelSource,
    TreeSource,
    UnpackedSource,
    check_space,
    debian_source,
    first_changed,
    lock_of,
    locked,
    tarball_source,
)
from kernels.version import KernelVersion
from kernels.worktree import list_tree, sync, walk_tree

KIND = "kernel-build"
FORMAT = 1
"""Raised when what this module puts into an entry changes."""

DEFAULT_BASE = "7.2"
COMPILE = ("gcc", "-O2", "-g", "-std=gnu17", "-Wall", "-Wextra", "-Werror")
RECIPE = Path(__file__).parent / "buildroot.toml"
INDEX = "index.json"
ABOUT_KERNEL = "kernel.json"
ALLCONFIG = "options.config"
RELEASE, INSTALLED = "include/config/kernel.release", "install"


@dataclass(frozen=True)
class BuiltKernel:
    """A kernel built from source. The files belong to the cache and are read-only.

    `image` is what boots: the program `linux` of UML, the bzImage of x86; `vmlinux` has the
    symbols; `modules` is the content of lib/modules/<release>, None where all is built in.
    `provenance` goes into the report as it is.
    """

    flavour: str
    image: Path
    vmlinux: Path
    config: Path
    modules: Path | None
    release: str
    key: str
    provenance: dict[str, Json]

    @property
    def stock(self) -> bool:
        """Whether it was built of what Debian publishes, without a patch."""
        source = self.provenance.get("source")
        packaged = isinstance(source, dict) and "version" in source
        return packaged and not self.provenance.get(PATCHES)


@dataclass(frozen=True)
class BuildPlan:
    """Everything that decides what a build gives, short of the source's content."""

    flavour: Flavour
    selection: configs.Selection
    variables: Mapping[str, str]

    @property
    def allconfig(self) -> str:
        """The options as text for Kconfig."""
        return configs.render(self.selection.options)

    def as_input(self) -> dict[str, Json]:
        """For the store's key."""
        return {
            "arch": self.flavour.arch, "targets": list(self.flavour.targets),
            "image": self.flavour.image, "config": self.allconfig,
            "variables": dict(self.variables), "host": dict(self.flavour.host_files()),
            "format": FORMAT,
        }  # fmt: skip


class Builder:
    """Builds kernels into one store; `archive` is called only when something has to be fetched."""

    def __init__(
        self, store: Store, archive: Callable[[], Archive], report: Report = quiet
    ) -> None:
        self.store = store
        self._archive = archive
        self._report = report
        self._recipe = Recipe.load(RECIPE, "kernel")

    def debian(self, version: str = DEFAULT_BASE) -> UnpackedSource:
        """Debian's linux-source of that version. Raises SourceProblem."""
        return debian_source(self.store, self._archive, version, self._report)

    def tarball(self, path: Path) -> UnpackedSource:
        """A linux-*.tar.* file. Raises SourceProblem."""
        return tarball_source(path, self.store.root / SOURCES, self._report)

    def build(
        self,
        flavour: Flavour,
        source: KernelSource,
        *,
        series: Sequence[PatchSeries] = (),
        fragments: Sequence[Group] = (),
        jobs: int | None = None,
        watch: Watch | None = None,
        without_failed: bool = False,
    ) -> BuiltKernel:
        """The kernel, built if it is not there yet.

        `fragments` override options; `without_failed` leaves out patches that do not apply. Raises
        SourceProblem, ConfigProblem, PatchProblem, BuildFailed, EnvironmentProblem.
        """
        sure = [] if without_failed else series
        plan = self.plan(flavour.mending(mended_by(sure, flavour.mended)), source, fragments)
        slot = self.slot(flavour, source.identity, patched=changes(series))
        work = _Work(self, plan, source, list(series), slot, jobs or os.cpu_count() or 1, watch)
        with contextlib.ExitStack() as stack:

            def hold() -> None:
                what = f"{flavour.name} of {source.label}"
                stack.enter_context(locked(slot / objects.LOCK, self._report, what))
                objects.note(slot, {"flavour": flavour.name, "source": source.label})

            def fill(folder: Path) -> None:
                if source.fixed:  # what the store has waits for nobody who compiles
                    hold()
                work.fill(folder)

            if not source.fixed:
                hold()
            inputs: dict[str, Json] = {
                **plan.as_input(),
                "source": work.content(without_failed),
                "compiler": [package.as_input() for package in self._packages()],
            }
            entry = self.store.ensure(KIND, inputs, fill)
        return _opened(entry, flavour)

    def plan(
        self, flavour: Flavour, source: KernelSource, fragments: Sequence[Group] = ()
    ) -> BuildPlan:
        """The options and variables of a build. Raises SourceProblem."""
        name = Group(
            "name", "uname -r tells what runs", {"LOCALVERSION": f"-testbed-{flavour.name}"}
        )
        groups = (*flavour.groups, name, *fragments)
        selection = configs.select(groups, source.version())
        if selection.left_out:
            self._report(f"too new for {source.label}: {', '.join(selection.left_out)}")
        return BuildPlan(flavour, selection, flavour.make_variables())

    def try_patches(self, source: KernelSource, series: Sequence[PatchSeries]) -> Applied:
        """What of the series would apply; nothing is kept. Raises PatchProblem."""
        place = self.store.root / TREES / "tried"
        with locked(lock_of(place), self._report, "patches"), empty_folder(place) as work:
            applied = self.patched(source.tree(), source.version(), series, work)
        return replace(applied, overlay={})

    def patched(
        self, tree: Path, version: KernelVersion, series: Sequence[PatchSeries], work: Path
    ) -> Applied:
        """Apply the series beside the source in `tree`, into the empty folder `work`."""
        return apply_series(series, tree, version, work, BuildRoot.of(self.root_entry()))

    def configure(self, plan: BuildPlan, source: KernelSource) -> str:
        """The whole .config a build would use. Raises ConfigProblem."""
        slot = self.slot(plan.flavour, source.identity, patched=False)
        with locked(slot / objects.LOCK, self._report, f"{plan.flavour.name} of {source.label}"):
            objects.note(slot, {"flavour": plan.flavour.name, "source": source.label})
            work = _Work(self, plan, source, [], slot, 1, None)
            work.content(without_failed=False)
            return work.configure()

    def root_entry(self) -> Entry:
        """The tree of packages that has the compiler."""
        return package_tree(self.store, self._archive, self._recipe, finish=_link_awk)

    def report(self, text: str) -> None:
        """Tell the user."""
        self._report(text)

    def _packages(self) -> Sequence[Package]:
        return resolved(self.store, self._archive, self._recipe)

    def slot(self, flavour: Flavour, source: Mapping[str, Json], *, patched: bool | str) -> Path:
        """The folder of an object tree, with its lock; who locks it makes it (`locked`).

        `source` is a source's identity.
        """
        compiler = [package.as_input() for package in self._packages()]
        return objects.slot_of(self.store.root, flavour.name, source, patched, compiler)


class _Work:
    """One build in its slot; its lock is held to read a user's tree, and to compile."""

    def __init__(
        self,
        builder: Builder,
        plan: BuildPlan,
        source: KernelSource,
        series: list[PatchSeries],
        slot: Path,
        jobs: int,
        watch: Watch | None,
    ) -> None:
        self._builder = builder
        self._plan = plan
        self._source = source
        self._series = series
        self._slot = slot
        self._jobs = jobs
        self._watch = watch
        self._accounts: list[str] = []
        self._without_failed = False
        self._tree: Path | None = None
        self._kconfig = ""

    def content(self, without_failed: bool) -> dict[str, Json]:
        """What identifies the content of the source with its patches.

        A package or tarball is known by its hash; a tree of the user's has to be read.
        """
        self._without_failed = without_failed
        if not self._source.fixed:
            return {"files": self._sync()}
        diffs = [patch.diff for series in self._series for patch in series.patches]
        ranges = [list(patch.ranges) for series in self._series for patch in series.patches]
        hashed = hashlib.sha256(json.dumps([diffs, ranges]).encode()).hexdigest()
        patches: dict[str, Json] = {"patches": hashed, "partly": without_failed} if diffs else {}
        return {**self._source.identity, **patches}

    def fill(self, folder: Path) -> None:
        """Compile, then copy what is kept into a store entry."""
        make = self._make()
        self.configure()
        flavour = self._plan.flavour
        what = f"kernel {flavour.name} of {self._source.label}"
        self._builder.report(f"compiling {what} with {self._jobs} jobs (log: {make.log})")
        self._compile_host_objects(make)
        make.run(
            what, flavour.targets, jobs=self._jobs, watch=self._watch, expected=self._expected()
        )
        (self._slot / objects.STEPS).write_text(str(make.compiled()))
        if "modules" in flavour.targets:
            self._install_modules(make)
        try:
            release = self._keep(Inside(make.build), folder)
        except FileNotFoundError as error:
            missing = f"it left no {error.filename}: {error.strerror}"
            raise BuildFailed(what, missing, make.log) from error
        shutil.copyfile(make.log, folder / "build.log")
        about = {"release": release, "provenance": self._provenance()}
        (folder / ABOUT_KERNEL).write_text(json.dumps(about, indent=1))

    def _keep(self, built: Inside, folder: Path) -> str:
        """Copy what is kept of a build tree, in which the source's code had its way; the release.

        Raises FileNotFoundError with the name of what is missing.
        """
        flavour = self._plan.flavour
        image = Path(flavour.image).name
        built.copy(flavour.image, folder / image)
        (folder / image).chmod(0o755)
        if image != "linux":
            built.copy("vmlinux", folder / "vmlinux")
        built.copy(".config", folder / "config")
        built.copy("System.map", folder / "System.map")
        release = built.read_text(RELEASE).strip()
        if not is_release(release):
            problem = f"{release!r} is no name of a release"
            raise FileNotFoundError(errno.ENOENT, problem, RELEASE)
        if "modules" in flavour.targets:
            built.copy_files(f"{INSTALLED}/lib/modules/{release}", folder / "modules")
        return release

    def _compile_host_objects(self, make: Make) -> None:
        """Compile our own C files; the kernel is linked again when they are not those of before.

        make cannot know: the flags of the link come from a variable, not from a file.
        """
        flavour = self._plan.flavour
        stamp = self._slot / "host"
        wanted = json.dumps([COMPILE, flavour.host_files(), make.evaluate])
        if stamp.exists() and stamp.read_text() == wanted:
            return
        stamp.unlink(missing_ok=True)
        for name in flavour.host_objects:
            files = ["-c", f"{HOST_PLACE}/{name}", "-o", f"{BUILD_PLACE}/{_object(name)}"]
            make.shell(f"{name} of the testbed", [*COMPILE, *files])
        inside = Inside(make.build)
        for linked in make.build.glob("vmlinux*"):
            if inside.is_file_or_link(linked.name):
                linked.unlink()
        stamp.write_text(wanted)

    def _install_modules(self, make: Make) -> None:
        """Modules without debugging sections, as `modules_install` lays them out."""
        shutil.rmtree(make.build / INSTALLED, ignore_errors=True)
        places = {"INSTALL_MOD_PATH": f"{BUILD_PLACE}/{INSTALLED}", "INSTALL_MOD_STRIP": "1"}
        variables = {**make.variables, **places}
        replace(make, variables=variables).run(
            "its modules", ["modules_install"], jobs=self._jobs, append=True
        )

    def configure(self) -> str:
        """Write the .config and compare it with what was requested. Raises ConfigProblem."""
        build = self._slot / "build"
        check_space(build.parent, 0 if (build / ".config").exists() else objects.OBJECTS_BYTES)
        build.mkdir(exist_ok=True)
        make, arch = self._make(), self._plan.flavour.arch
        stamp = self._slot / "configured"
        if stamp.exists() and stamp.read_text() == self._configured():
            return self._config()
        (make.given / ALLCONFIG).write_text(self._plan.allconfig)
        allconfig = {**make.variables, "KCONFIG_ALLCONFIG": f"{GIVEN_PLACE}/{ALLCONFIG}"}
        replace(make, variables=allconfig).run("its configuration", ["allnoconfig"], jobs=1)
        try:
            configs.check(self._plan.selection, self._config(), make.source, arch)
        except ConfigProblem as problem:
            raise ConfigProblem(f"{self._source.label}: {problem}", log=build / ".config") from None
        stamp.write_text(self._configured())
        return self._config()

    def _config(self) -> str:
        """The .config of the object tree, "" if there is none."""
        inside = Inside(self._slot / "build")
        return inside.read_text(".config") if inside.is_file(".config") else ""

    def _configured(self) -> str:
        """What has to be the same for a .config to be right still."""
        parts = (self._plan.allconfig, self._kconfig, self._config())
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def _make(self) -> Make:
        if self._tree is None:
            if self._series or not self._source.fixed:
                self._sync()
            else:
                self._tree = self._source.tree()
        assert self._tree is not None
        host = [_object(name) for name in self._plan.flavour.host_objects]
        # arch/um links with the flags in LINK-y; an assignment on the command line would replace
        # the architecture's own, this one they are added to
        link = [f"LINK-y += {BUILD_PLACE}/{name}" for name in host]
        variables = {"ARCH": self._plan.flavour.arch, **STAMP, **self._plan.variables}
        root = BuildRoot.of(self._builder.root_entry())
        named = SOURCE_PLACE if self._source.fixed else str(self._source.tree())
        build = self._slot / "build"
        return Make(root, self._tree, build, HOST, HOST_PLACE, variables, link, named)

    def _sync(self) -> str:
        """Bring the slot's own copy of the source up to date; the hash of its content."""
        tree, index = self._source.tree(), self._slot / INDEX
        names: Sequence[str] | None = None
        if not self._source.fixed:
            names = list_tree(tree)
        elif first_changed(self._slot, index) is not None:
            names = walk_tree(tree)
        with empty_folder(self._slot / "patched") as work:
            overlay: Mapping[str, Path | None] = {}
            if self._series:
                applied = self._builder.patched(tree, self._source.version(), self._series, work)
                self._accounts = [line for one in applied.accounts for line in one.lines()]
                if applied.failed and not self._without_failed:
                    lines = [line for account in applied.failed for line in account.lines()]
                    raise PatchProblem("\n".join(lines))
                overlay = applied.overlay
            self._tree = self._slot / "source"
            seed = self._take_objects()
            if not self._tree.exists():
                self._builder.report(f"copying {self._source.label}")
            self._tree.mkdir(exist_ok=True)
            like = seed.tree if seed else None
            synced = sync(tree, names, overlay, self._tree, index, like=like, watch=self._watch)
        objects.forget(self._slot / "build", synced.gone)
        if seed:
            self._builder.report(f"{synced.unlike} files are not those of {seed.label}")
        elif synced.changed or synced.removed:
            self._builder.report(f"{synced.changed} files changed, {synced.removed} removed")
        self._kconfig = synced.kconfig
        return synced.digest

    def _take_objects(self) -> objects.Seed | None:
        """Let a slot that has compiled nothing yet begin with objects that others have; whose.

        Then only what differs from their source is compiled.
        """
        if (self._slot / INDEX).exists():
            return None
        seed = self._seed()
        return seed if seed and objects.take_over(seed, self._slot, self._builder.report) else None

    def _seed(self) -> objects.Seed | None:
        """The unpatched source for a patched one; for a tree of the user's the nearest package."""
        builder, flavour = self._builder, self._plan.flavour
        if self._source.fixed:
            slot = builder.slot(flavour, self._source.identity, patched=False)
            return objects.Seed(f"the unpatched {self._source.label}", slot, self._source.tree())
        return objects.nearest(
            builder.store.root / SOURCES,
            self._source.version(),
            functools.partial(builder.slot, flavour, patched=False),
            builder.report,
        )

    def _expected(self) -> int:
        try:
            return int((self._slot / objects.STEPS).read_text())
        except (FileNotFoundError, ValueError):
            return self._plan.flavour.steps

    def _provenance(self) -> dict[str, Json]:
        flavour = self._plan.flavour
        found: dict[str, Json] = {
            "flavour": flavour.name,
            "source": {"label": self._source.label, **self._source.identity},
            "coverage": flavour.coverage,
            WORKAROUNDS: [*flavour.done_from_outside()],
            "left_out": list(self._plan.selection.left_out),
            PATCHES: list(self._accounts),
            "set_aside": [line for series in self._series for line in series.set_aside],
        }
        if isinstance(self._source, TreeSource):
            found["git"] = git_description(self._source.path)
        return found


def _opened(entry: Entry, flavour: Flavour) -> BuiltKernel:
    about = json.loads((entry.path / ABOUT_KERNEL).read_text())
    image = entry.path / Path(flavour.image).name
    files = entry.manifest["files"]
    assert isinstance(files, dict)
    provenance = {**about["provenance"], "release": about["release"], "key": entry.key}
    provenance["image_sha256"] = files[image.name]
    provenance["config_sha256"] = files["config"]
    return BuiltKernel(
        flavour=flavour.name, image=image,
        vmlinux=image if image.name == "linux" else entry.path / "vmlinux",
        config=entry.path / "config",
        modules=entry.path / "modules" if "modules" in flavour.targets else None,
        release=about["release"], key=entry.key, provenance=provenance,
    )  # fmt: skip


def _object(name: str) -> str:
    return f"testbed-{Path(name).stem}.o"


def _link_awk(tree: Path) -> None:
    """Names that the packages' maintainer scripts would have linked."""
    for name, target in (("awk", "gawk"), ("cc", "gcc")):
        (tree / "usr/bin" / name).symlink_to(target)
