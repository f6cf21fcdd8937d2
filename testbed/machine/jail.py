# SPDX-License-Identifier: GPL-2.0-only
"""Run one program with as few rights as the host allows: ``python -I -S jail.py SPEC -- ARGV``.

A stand-alone script (standard library only), so that the limits are set in a process of its own,
between fork and exec of the program. SPEC is the JSON of :class:`JailSpec`. As root the program
gets its own user id and a mount namespace in which the folders it needs can be reached; as an
ordinary user it gets a user namespace. Either way: no network, no core file, no new privileges,
and death with the runner. What the host refuses is said on stderr and left out.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
FAILED = 126  # exit code when the program could not be started


@dataclass(frozen=True, kw_only=True)
class JailSpec:
    """What a program may have.

    ``uid`` None keeps the caller's; ``namespaces`` False keeps the caller's view of the host.
    ``reach`` are folders the program must be able to get at; ``cwd`` is where it starts.
    ``limits`` maps names of RLIMIT_* constants (without the prefix) to values: bytes, or seconds
    for CPU. ``parent`` is the process without which the program must not live.
    """

    parent: int
    uid: int | None = None
    cwd: str = "/"
    namespaces: bool = True
    groups: list[int] = field(default_factory=list)
    reach: list[str] = field(default_factory=list)
    limits: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """The specification as the script's first argument."""
        return json.dumps(asdict(self))


class JailError(Exception):
    """The program cannot be started under these rules."""


_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")


def _mount(source: str, target: str, kind: str | None, flags: int, data: str | None) -> None:
    encoded = [None if text is None else os.fsencode(text) for text in (kind, data)]
    _call(
        "mount", os.fsencode(source), os.fsencode(target), encoded[0],
        ctypes.c_ulong(flags), encoded[1],
    )  # fmt: skip


def _note(text: str) -> None:
    print(f"jail: {text}", file=sys.stderr, flush=True)


def closed_ancestor(path: str) -> str | None:
    """Return the topmost folder on the way to ``path`` that other users cannot pass."""
    way = Path(path)
    for folder in [*reversed(way.parents), way]:
        if not folder.stat().st_mode & 0o001:
            return str(folder)
    return None


def _belongs_to(path: str, uid: int) -> bool:
    """Whether the user, whose group has the same number, may pass through the folder itself."""
    status = Path(path).stat()
    return status.st_uid == uid or (status.st_gid == uid and bool(status.st_mode & 0o010))


def _open_the_way(reach: list[str], uid: int) -> None:
    """Cover closed folders with an empty one that holds only what is in ``reach``."""
    paths = [os.path.realpath(path) for path in reach]
    covers: dict[str, list[str]] = {}
    for path in paths:
        cover = closed_ancestor(path)
        if cover is not None and not (cover == path and _belongs_to(path, uid)):
            covers.setdefault(cover, []).append(path)
    for cover, inside in covers.items():
        sources = {path: os.open(path, os.O_PATH) for path in inside}
        _mount("tmpfs", cover, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=64k")
        for path, source in sources.items():
            Path(path).mkdir(mode=0o755, parents=True, exist_ok=True)
            _mount(f"/proc/self/fd/{source}", path, None, MS_BIND, None)
            os.close(source)


def _enter_namespaces(spec: JailSpec) -> None:
    try:
        if spec.uid is not None:
            _call("unshare", CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
            _mount("none", "/", None, MS_REC | MS_PRIVATE, None)
            _open_the_way(spec.reach, spec.uid)
        else:
            uid, gid = os.getuid(), os.getgid()
            _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC)
            for name, text in (
                ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"),
            ):  # fmt: skip
                Path(f"/proc/self/{name}").write_text(text, encoding="ascii")
    except OSError as err:
        _note(f"this host allows no private namespaces ({err})")


def _limit(limits: dict[str, int]) -> None:
    for name, value in {"CORE": 0, **limits}.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(number, (value, value))


def enter(spec: JailSpec) -> None:
    """Put the calling process under ``spec``. Raises JailError."""
    if spec.namespaces:
        _enter_namespaces(spec)
    os.umask(0o077)
    _limit(spec.limits)
    if spec.uid is not None:
        os.setgroups(spec.groups)
        os.setresgid(spec.uid, spec.uid, spec.uid)
        os.setresuid(spec.uid, spec.uid, spec.uid)
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a new uid clears it: set it last
    os.chdir(spec.cwd)
    if os.getppid() != spec.parent:
        raise JailError("the runner is gone")


def main(arguments: list[str]) -> None:
    """Enter the jail and become the program."""
    spec = JailSpec(**json.loads(arguments[0]))
    argv = arguments[2:]
    try:
        enter(spec)
        if not os.access(argv[0], os.X_OK):
            raise JailError(f"user {os.getuid()} cannot run {argv[0]}")
        os.execv(argv[0], argv)
    except (JailError, OSError) as err:
        _note(str(err))
        sys.exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
