# SPDX-License-Identifier: GPL-2.0-only
"""The command that starts a jailed program, and what its report means."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from images.errors import EnvironmentProblem
from images.jail import host
from images.jail.spec import JailSpec
from images.jail.user import draw_uid

_ROOT = Path(__file__).parents[2]
_SCRIPT = (
    "import sys; sys.path.insert(0, {root!r}); from images.jail.{module} import main; "
    "main({arguments})"
)
STDERR = 2


def command(spec: JailSpec, argv: Sequence[str], report: int = STDERR) -> list[str]:
    """What to start instead of ``argv``, whose first word is a path in the jail.

    Lines about the jail go to the descriptor ``report``, which is closed when the program has
    begun. The exit code is the program's, or FAILED.
    """
    script = _SCRIPT.format(root=str(_ROOT), module="enter", arguments="sys.argv[1:]")
    return [*_python(), "-c", script, *enter_words(spec, argv, report)]


def enter_words(spec: JailSpec, argv: Sequence[str], report: int) -> list[str]:
    """The arguments of :func:`images.jail.enter.main`."""
    return [str(report), *spec.words(), "--", *argv]


def ready_command(door: int) -> list[str]:
    """What to start for many jailed programs: :mod:`images.jail.ready` at the socket ``door``."""
    script = _SCRIPT.format(root=str(_ROOT), module="ready", arguments="sys.argv[1]")
    return [*_python(), "-c", script, str(door)]


def _python() -> list[str]:
    words = [sys.executable, "-I", "-S"]
    words += ["-B"] if sys.dont_write_bytecode else []
    words += ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []
    return words


MODE_VARIABLE = "TESTBED_JAIL"
FULL, WEAKER = "full", "weaker"
_NAMESPACES_REMEDY = (
    "run as root, or allow user namespaces to ordinary users (sysctl user.max_user_namespaces, "
    "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)",
    "let this container make namespaces and mounts (docker run --privileged, or --cap-add "
    "SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined)",
)
_KERNEL_REMEDY = ("use a kernel that has Landlock (Linux 5.13) and seccomp, both enabled",) * 2
REMEDIES = {
    "user namespace": _NAMESPACES_REMEDY, "namespaces": _NAMESPACES_REMEDY,
    "places": ("let every user pass the folders on the way to it (chmod o+x)",) * 2,
    "root": _NAMESPACES_REMEDY, "Landlock": _KERNEL_REMEDY, "seccomp": _KERNEL_REMEDY,
}  # fmt: skip
"""Part of the jail -> what an ordinary user can do about its lack, and what root."""


@dataclass(frozen=True)
class JailReport:
    """What a jail said before its program began.

    ``lacks``: parts the host did not give, each with its reason; ``failure``: why the program did
    not begin, or None; ``remedy``: what to do then.
    """

    lacks: tuple[str, ...] = ()
    failure: str | None = None

    @classmethod
    def parse(cls, text: str) -> JailReport:
        """The report that lines written to ``report`` make; other lines are ignored."""
        lacks, failure = [], None
        for line in text.splitlines():
            word, kind, rest = [*line.split(" ", 2), "", ""][:3]
            if (word, kind) == ("jail", "lacks"):
                lacks.append(rest)
            elif (word, kind) == ("jail", "failed"):
                failure = rest
        return cls(tuple(lacks), failure)

    @property
    def remedy(self) -> str | None:
        """What to do about the failure, or the first lack, if the host is to blame."""
        part = (self.failure or next(iter(self.lacks), "")).partition(":")[0]
        if part not in REMEDIES:
            return None
        return (
            f"{REMEDIES[part][os.getuid() == 0]}; or go on with less: --jail weaker "
            f"({MODE_VARIABLE}=weaker), see docs/SECURITY.md"
        )


def refusal(output: str) -> EnvironmentProblem | None:
    """What the end of a jail's output says about its failure; None if that was not the jail's."""
    report = JailReport.parse(output)
    if report.failure is None:
        return None
    return EnvironmentProblem(f"the jail cannot be made: {report.failure}", report.remedy or "")


def mode() -> str:
    """FULL, or WEAKER if this process's jails may go on without what the host does not give."""
    return WEAKER if os.environ.get(MODE_VARIABLE) == WEAKER else FULL


def choose(mode: str) -> None:
    """The mode of all jails that this process and its children make from now on."""
    os.environ[MODE_VARIABLE] = mode


def weaker_allowed() -> bool:
    """Whether the mode is WEAKER."""
    return mode() == WEAKER


def probe() -> JailReport:
    """What this host does not give a jail, tried with a program that does nothing."""
    spec = JailSpec(
        filter="program", parent=os.getpid(), uid=draw_uid(), weaker=True,
        **host.surroundings(host.python()),
    )  # fmt: skip
    argv = [str(host.python()[0]), "-I", "-S", "-c", ""]
    done = subprocess.run(
        command(spec, argv), capture_output=True, text=True, errors="replace", check=False
    )
    return JailReport.parse(done.stderr)


def describe() -> str:
    """The jail as a report has it: its mode, and what it lacks."""
    lacks = probe().lacks if weaker_allowed() else ()
    return f"{WEAKER}, without {'; '.join(lacks)}" if lacks else FULL
