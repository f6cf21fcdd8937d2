# SPDX-License-Identifier: GPL-2.0-only
"""Run one program with as few rights as the host allows: ``python -I -S jail.py WORDS -- ARGV``.

A stand-alone script (standard library only), so that the limits are set in a process of its own,
between fork and exec of the program; it imports little, because a UML guest boots in hardly more
time than that takes. WORDS are those of :class:`JailSpec`. As root the program gets its own user id
and a mount namespace in which the folders it needs can be reached; as an
ordinary user it gets a user namespace. Either way: no network, no core file, no new privileges,
and death with the runner. What the host refuses is reported on stderr and left out.
"""

# ruff: noqa: PTH100, PTH103, PTH116, PTH123
# Importing pathlib takes longer than all the rest.
from __future__ import annotations

import ctypes
import os
import resource
import select
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SIGKILL, SIG_DFL = 9, None
PROGRAM_PID = 2
"""Of the program in a PID namespace of its own; the first is the jail's."""

FAILED = 126  # exit code when the program could not be started


class JailSpec:
    """What a program may have.

    ``uid`` None keeps the caller's; ``namespaces`` False keeps the caller's view of the host.
    ``reach`` are folders the program must be able to get at; ``cwd`` is where it starts.
    ``limits`` maps names of RLIMIT_* constants (without the prefix) to values: bytes, or seconds
    for CPU. ``parent`` is the process without which the program must not live. ``own_pids``: the
    program sees and signals no process but its own; they all end with it.
    """

    def __init__(
        self, *, parent: int, uid: int | None = None, cwd: str = "/", namespaces: bool = True,
        own_pids: bool = False, groups: Iterable[int] = (), reach: Iterable[str] = (),
        limits: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.parent = parent
        self.uid = uid
        self.cwd = cwd
        self.namespaces = namespaces
        self.own_pids = own_pids
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
            *(["own_pids=yes"] if self.own_pids else []),
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
            parent=int(given["parent"][0]), uid=int(given["uid"][0]) if "uid" in given else None,
            cwd=given["cwd"][0], namespaces="namespaces" not in given, own_pids="own_pids" in given,
            groups=map(int, given.get("group", [])), reach=given.get("reach", []),
            limits={name: int(value) for name, _, value in limits},
        )  # fmt: skip


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
    os.umask(0o022)  # the caller's may close what is made here
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


def _enter_namespaces(spec: JailSpec) -> bool:
    """Whether all went well: then the next child is the first of the PID namespace."""
    pids = CLONE_NEWPID | CLONE_NEWNS if spec.own_pids else 0
    try:
        if spec.uid is not None:
            _call("unshare", CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | pids)
            _mount("none", "/", None, MS_REC | MS_PRIVATE, None)
            _open_the_way(spec.reach, spec.uid)
        else:
            uid, gid = os.getuid(), os.getgid()
            _call("unshare", CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC | pids)
            for name, text in (
                ("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1"),
            ):  # fmt: skip
                with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                    file.write(text)
    except OSError as err:
        _note(f"this host allows no private namespaces ({err})")
        return False
    return True


def _limit(limits: dict[str, int]) -> None:
    for name, value in {"CORE": 0, **limits}.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(number, (value, value))


def _restrict(spec: JailSpec) -> None:
    """All but the namespaces, for the calling process."""
    os.umask(0o077)
    _limit(spec.limits)
    if spec.uid is not None:
        os.setgroups(spec.groups)
        os.setresgid(spec.uid, spec.uid, spec.uid)
        os.setresuid(spec.uid, spec.uid, spec.uid)
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # a new uid clears it: set it last
    os.chdir(spec.cwd)


def _become(argv: list[str]) -> None:
    if not os.access(argv[0], os.X_OK):
        raise JailError(f"user {os.getuid()} cannot run {argv[0]}")
    os.execv(argv[0], argv)


def _begin_pids(spec: JailSpec, argv: list[str], leader: int, report: int) -> None:
    """The first process of a PID namespace: the program is its child, because a first process can
    neither abort nor kill itself. ``leader``: pidfd of its parent; ``report``: where the program's
    wait status goes. When this process ends, the kernel kills all others of the namespace.
    """
    try:
        _mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None)
    except OSError as err:
        _note(f"the program can see the host's processes ({err})")
    _restrict(spec)
    if select.select([leader], [], [], 0)[0]:
        raise JailError("the runner is gone")
    program = os.fork()
    if program == 0:
        _become(argv)
    while True:
        pid, status = os.wait()
        if pid == program:
            os.write(report, status.to_bytes(4, "little"))
            os._exit(0)


def _lead(spec: JailSpec, argv: list[str]) -> None:
    """Stand for a program with a PID namespace of its own, and end as it does."""
    reader, writer = os.pipe()
    leader = os.pidfd_open(os.getpid())
    child = os.fork()
    if child == 0:
        os.close(reader)
        _begin_pids(spec, argv, leader, writer)
    os.close(writer)
    _restrict(spec)
    _check_parent(spec)
    report = os.read(reader, 4)
    os.waitpid(child, 0)
    status = int.from_bytes(report, "little") if report else SIGKILL
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        _libc.signal(number, SIG_DFL)  # Python ignores some; its own module may be out of reach
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status))


def _check_parent(spec: JailSpec) -> None:
    if os.getppid() != spec.parent:
        raise JailError("the runner is gone")


def main(arguments: list[str]) -> None:
    """Enter the jail and become the program."""
    end = arguments.index("--")
    spec, argv = JailSpec.parse(arguments[:end]), arguments[end + 1 :]
    try:
        if spec.namespaces and _enter_namespaces(spec) and spec.own_pids:
            _lead(spec, argv)
        _restrict(spec)
        _check_parent(spec)
        _become(argv)
    except (JailError, OSError) as err:
        _note(str(err))
        os._exit(FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
