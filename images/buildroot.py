# SPDX-License-Identifier: GPL-2.0-only
"""Running programs on what others have written: compilers, patch, tar, depmod, each in the jail.

A build root is where the programs come from: a package tree, or the host. In its jail they see
that, the folders they are given, and nothing else of the host; they have no network and, started
by root, a user id that nobody uses. What they write belongs to the caller afterwards.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.command import run
from images.errors import EnvironmentProblem
from images.jail.host import STANDARD_DEVICES, STANDARD_LINKS
from images.jail.idmap import can_map_owner
from images.jail.spec import JailSpec
from images.jail.start import command, refusal, weaker_allowed
from images.jail.user import draw_uid
from images.store import Entry

MERGED = ("bin", "sbin", "lib", "lib32", "lib64")
"""Names at the top of a root that are links into its usr."""
TEMPORARY_BYTES = 8 << 30
"""Most of /tmp, which is in memory: gcc's temporary files of a whole `make -j`."""
LIMITS = {"DATA": 16 << 30, "FSIZE": 4 << 30, "NPROC": 8192, "NOFILE": 4096, "CPU": 4 * 3600}
"""Of each process, but for NPROC, which is of the whole: the linker of a kernel with KASAN and
debug information takes 3 GiB, and nothing else comes near any of them."""
PROGRAMS = ("/usr/sbin", "/usr/bin")
ENVIRON = (f"PATH={':'.join(PROGRAMS)}", "HOME=/tmp", "LC_ALL=C.UTF-8")
DEADLINE_S = 6 * 3600.0
"""For a command that waits for nothing to come."""
DEEPEST = 64
"""Folders within folders that may stay; the kernel has 12. Python's own walks end at 1000."""

OPEN = ("chmod", "u+rwx", "{}", ";")
"""As find does it: each folder before it is read, so that what is in it is met, too."""


@dataclass(frozen=True)
class Jailed:
    """A command in its jail: what to start in place of it, and the descriptors to hand over."""

    argv: Sequence[str]
    fds: Sequence[int]

    def check(self) -> None:
        """Raise EnvironmentProblem, with its remedy, if the jail could not be made."""
        problem = refusal(os.pread(self.fds[0], 1 << 16, 0).decode(errors="replace"))
        if problem is not None:
            raise problem


@dataclass(frozen=True)
class BuildRoot:
    """The programs of the tree `path`: of its folders `parts` nothing else is seen."""

    path: Path
    parts: Sequence[str] = ("usr", "etc", "var")

    @classmethod
    def of(cls, entry: Entry) -> BuildRoot:
        """The tree of a store entry."""
        return cls(entry.path)

    def run(
        self,
        argv: Sequence[str],
        *,
        read: Mapping[str, Path] | None = None,
        write: Mapping[str, Path] | None = None,
        folder: str = "/",
        input: bytes = b"",
        deadline_s: float = DEADLINE_S,
    ) -> str:
        """Run a command, with `input` on its standard input; return its standard output.

        `read`, `write`: absolute place in its root -> file or folder of the host that is there.
        Of `read` the command may read what its owner alone may, where the file system can do that.
        `folder` is the working folder. Raises EnvironmentProblem with the end of the output when it
        fails, or with what the host lacks for a jail.
        """
        with self.entered(argv, read=read, write=write, folder=folder) as jailed:
            try:
                return run(jailed.argv, fds=jailed.fds, input=input, timeout_s=deadline_s)
            except EnvironmentProblem:
                jailed.check()
                raise

    @contextlib.contextmanager
    def entered(
        self,
        argv: Sequence[str],
        *,
        read: Mapping[str, Path] | None = None,
        write: Mapping[str, Path] | None = None,
        folder: str = "/",
    ) -> Iterator[Jailed]:
        """`argv` as a command of the host, as `run` does it, to be started while this lasts.

        Killing its process ends all that it started. Whoever saw it fail calls `Jailed.check`.
        """
        places = {f"/{part}": self.path / part for part in self.parts} | dict(read or {})
        uid = draw_uid()
        report = os.memfd_create("jail")
        spec = JailSpec(
            filter="build", parent=os.getpid(), uid=uid, cwd=folder, umask=0o022,
            read=_hosts(places), write=_hosts(write or {}), memory={"/tmp": TEMPORARY_BYTES},
            links=STANDARD_LINKS | {f"/{name}": f"usr/{name}" for name in MERGED},
            owned=[] if uid is None else _mapped(read or {}),
            devices=STANDARD_DEVICES, limits=LIMITS, weaker=weaker_allowed(),
        )  # fmt: skip
        words = [self._program(argv[0]), *argv[1:]]
        try:
            with _given_to(uid, [path.resolve() for path in (write or {}).values()]):
                yield Jailed(["env", "-i", *ENVIRON, *command(spec, words, report)], [report])
        finally:
            os.close(report)

    def _program(self, name: str) -> str:
        """Where a program is in its root; names are looked up as PATH says."""
        found = [folder for folder in PROGRAMS if os.path.lexists(f"{self.path}{folder}/{name}")]
        return name if "/" in name else f"{[*found, PROGRAMS[-1]][0]}/{name}"


HOST = BuildRoot(Path("/"), ["usr"])
"""The host's own programs, for what no package tree of ours has: tar, git."""


def _hosts(places: Mapping[str, Path]) -> dict[str, str]:
    return {place: str(path.resolve()) for place, path in places.items()}


def _mapped(places: Mapping[str, Path]) -> list[str]:
    return [place for place, source in _hosts(places).items() if can_map_owner(source)]


@contextlib.contextmanager
def _given_to(uid: int | None, folders: Sequence[Path]) -> Iterator[None]:
    """Folders belong to `uid` while this lasts, and to the owners of the folders they are in again.

    Their own owner may be the id of a build whose runner was killed.
    """
    owners = {folder: folder.parent.stat() for folder in folders}
    if uid is not None and folders:
        _give(f"{uid}:{uid}", folders)
    try:
        yield
    finally:
        for folder, owner in owners.items():
            if uid is not None:
                _give(f"{owner.st_uid}:{owner.st_gid}", [folder])
            run(["find", folder, "-type", "d", "!", "-perm", "-700", "-exec", *OPEN])
            at_the_limit = ["-mindepth", str(DEEPEST), "-maxdepth", str(DEEPEST)]
            run(["find", folder, *at_the_limit, "-exec", "rm", "-rf", "--", "{}", "+"])


def _give(owner: str, folders: Sequence[Path]) -> None:
    """A program of the host's does it, which no depth of folders can stop; it follows no link."""
    run(["chown", "-R", "-h", owner, "--", *folders])
