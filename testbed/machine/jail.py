# SPDX-License-Identifier: GPL-2.0-only
"""Run one program with as few rights as the host allows: ``python -I -S jail.py WORDS -- ARGV``.

A stand-alone script (standard library only), so that the limits are set in a process of its own,
between fork and exec of the program; it imports little, because a UML guest boots in hardly more
time than that takes. WORDS are those of :class:`JailSpec`. As root the program gets its own user id
and a mount namespace in which the folders it needs can be reached; as an
ordinary user it gets a user namespace. Either way: no network, no core file, no new privileges,
and death with the runner. What the host refuses is said on stderr and left out.
"""

# ruff: noqa: PTH100, PTH103, PTH116, PTH123
# Importing pathlib takes longer than all the rest.
from __future__ import annotations

import ctypes
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SIGKILL = 9
FAILED = 126  # exit code when the program could not be started


class JailSpec:
    """What a program may have.

    ``uid`` None keeps the caller's; ``namespaces`` False keeps the caller's view of the host.
    ``reach`` are folders the program must be able to get at; ``cwd`` is where it starts.
    ``limits`` maps names of RLIMIT_* constants (without the prefix) to values: bytes, or seconds
    for CPU. ``parent`` is the process without which the program must not live.
    """

    def __init__(
        self,
        *,
        parent: int,
        uid: int | None = None,
        cwd: str = "/",
        namespaces: bool = True,
        groups: Iterable[int] = (),
        reach: Iterable[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> None:
        self.parent = parent
        self.uid = uid
        self.cwd = cwd
        self.namespaces = namespaces
        self.groups = list(groups)
        self.reach = list(reach)
        self.limits = dict(limits or {})

    def words(self) -> list[str]:
        """The specification as the script's first arguments."""
        return [
            f"parent={self.parent}",
            f"cwd={self.cwd}",
            *([] if self.uid is None else [f"uid={self.uid}"]),
            *([] if self.namespaces else ["namespaces=no"]),
            *(f"group={group}" for group in self.groups),
            *(f"reach={path}" for path in self.reach),
            *(f"limit={name}:{value}" for name, value in self.limits.items()),
        ]

    @classmethod
    def parse(cls, words: Iterable[str]) -> JailSpec:
        """The specification whose :meth:`words` these are."""
        given: dict[str, list[str]] = {}
        for word in words:
            name, _, value = word.partition("=")
            given.setdefault(name, []).append(value)
        limits = [limit.partition(":") for limit in given.get("limit", [])]
        return cls(
            parent=int(given["parent"][0]),
            uid=int(given["uid"][0]) if "uid" in given else None,
            cwd=given["cwd"][0],
            namespaces="namespaces" not in given,
            groups=map(int, given.get("group", [])),
            reach=given.get("reach", []),
            limits={name: int(value) for name, _, value in limits},
        )


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
    names = os.path.abspath(path).split("/")[1:]
    for depth in range(len(names) + 1):
        folder = "/" + "/".join(names[:depth])
        if not os.stat(folder).st_mode & 0o001:
            return folder
    return None


def _belongs_to(path: str, uid: int) -> bool:
    """Whether the user, whose group has the same number, may pass through the folder itself."""
    status = os.stat(path)
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
            os.makedirs(path, mode=0o755, exist_ok=True)
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
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
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
    _call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # a new uid clears it: set it last
    os.chdir(spec.cwd)
    if os.getppid() != spec.parent:
        raise JailError("the runner is gone")


def main(arguments: list[str]) -> None:
    """Enter the jail and become the program."""
    end = arguments.index("--")
    spec, argv = JailSpec.parse(arguments[:end]), arguments[end + 1 :]
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
