# SPDX-License-Identifier: GPL-2.0-only
"""Running a package tree's programs inside it: compilers that start further programs need that.

A private mount namespace, made as root or (`unshare --map-root-user`) as an ordinary user, holds
a tmpfs root with the tree bound into it. Nothing is mounted outside, nothing is written to the
tree, and all of it is gone with the last process.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from images.command import DIE_WITH_US, run
from images.store import Entry

# $1: the tree, whose /tmp gets covered; then pairs of host folder and place, up to "--"; then a
# command
_ENTER = """
tree=$1; root=$1/tmp; shift
mount -t tmpfs -o mode=0755 tmpfs "$root"; cd "$root"
mkdir dev proc tmp root usr etc var run; chmod 1777 tmp
for place in bin sbin lib lib64; do ln -s usr/$place $place; done
for place in usr etc var; do mount --bind "$tree/$place" $place; done
mount --rbind /dev dev; mount -t proc proc proc 2>/dev/null || mount --rbind /proc proc
while [ "$1" != -- ]; do mkdir -p ".$2"; mount --rbind "$1" ".$2"; shift 2; done; shift
exec env -i PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 chroot . "$@"
"""
REMEDY = (
    "Run as root, or allow user namespaces to ordinary users (sysctl kernel.unprivileged_userns"
    "_clone, kernel.apparmor_restrict_unprivileged_userns)."
)


@dataclass(frozen=True)
class BuildRoot:
    """A package tree in which commands can be run."""

    path: Path

    @classmethod
    def of(cls, entry: Entry) -> BuildRoot:
        """The tree of a store entry."""
        return cls(entry.path)

    def run(self, argv: Sequence[str], binds: Mapping[str, Path], folder: str = "/") -> str:
        """Run a command in the tree, return its standard output.

        `binds`: absolute place in the tree -> host folder, read and write. `folder` is the
        working folder. Raises EnvironmentProblem with the end of the output when it fails.
        """
        with self.entered(argv, binds, folder) as command:
            return run(command)

    @contextlib.contextmanager
    def entered(
        self, argv: Sequence[str], binds: Mapping[str, Path], folder: str = "/"
    ) -> Iterator[list[str]]:
        """The host command that runs `argv` in the tree, as `run` does, while the context lasts.

        Killing its process ends all that `argv` started. Raises EnvironmentProblem without user
        namespaces.
        """
        # process 1 of a PID namespace takes everything it started with it
        namespace = [*DIE_WITH_US, "unshare", "--mount", "--pid", "--fork", "--kill-child"]
        if os.getuid() != 0:  # before: becoming root in a namespace undoes DIE_WITH_US
            namespace = ["unshare", "--map-root-user", "--", *namespace]
        pairs = [word for place, host in binds.items() for word in (str(host), place)]
        entered = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", folder, *argv]
        run([*namespace, "true"], remedy=REMEDY)
        script = ["sh", "-euc", _ENTER, "sh", str(self.path), *pairs, "--", *entered]
        yield [*namespace, "--", *script]
