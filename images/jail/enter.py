# SPDX-License-Identifier: GPL-2.0-only
"""Become one jailed program: what runs between fork and exec, in up to three processes.

The first, which the runner knows, stands for the program and ends as it does. It makes namespaces;
its child is process 1 of them, makes the root, and takes all others with it when it ends. The
program is that one's child, because a first process can neither abort nor kill itself.
"""

# ruff: noqa: PTH123
# Importing pathlib takes longer than all the rest.
from __future__ import annotations

import os
import resource
import select

from images.jail import filters, landlock, seccomp
from images.jail.kernel import call, drop_bounding_set, drop_capabilities, libc
from images.jail.namespaces import enter_namespaces, enter_user_namespace
from images.jail.root import enter_root
from images.jail.spec import JailSpec, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
SIGHUP, SIGINT, SIGKILL, SIGTERM, SIG_DFL, SIG_IGN = 1, 2, 9, 15, None, 1

OOM_SCORE = "500"
FAILED = 126
"""Exit code when the program could not be started."""
PROC_OF_THE_HOST = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo")
"""All a program may read there when it has no /proc of its own."""


class JailError(Exception):
    """The program cannot be started under these rules."""


class Jail:
    """One program's jail; ``report`` is a descriptor for what the host lacks and what failed."""

    def __init__(self, spec: JailSpec, argv: list[str], report: int) -> None:
        self.spec = spec
        self.argv = argv
        self._report = report
        self._own_user = self._own_root = False

    def enter(self) -> None:
        """Become the program, or what stands for it. Raises JailError."""
        if not (self.spec.uid or os.getuid()):
            raise JailError("root must give it a user id")
        _let_it_be_killed_first()
        if self._attempt_namespaces():
            self._lead()
        if self.spec.filter == filters.SLIRP:
            raise JailError("namespaces: it must not be without a network of its own")
        self._check_places()
        self._drop_rights()
        self._check_parent()
        self._become()

    def tell(self, kind: str, text: str) -> None:
        """Report a line."""
        os.write(self._report, f"jail {kind} {text}\n".encode())

    def _attempt(self, part: str, step: Callable[[], None]) -> bool:
        """Take a step; False if the host does not let us and the specification allows for that."""
        try:
            step()
        except OSError as err:
            if not self.spec.weaker:
                raise JailError(f"{part}: {err.strerror}") from err
            self.tell("lacks", f"{part}: {err.strerror}")
            return False
        return True

    def _attempt_namespaces(self) -> bool:
        if self.spec.uid is None:
            self._own_user = self._attempt("user namespace", enter_user_namespace)
            if not self._own_user:
                return False
        return self._attempt("namespaces", enter_namespaces)

    def _lead(self) -> None:
        """Stand for a program in a PID namespace of its own, and end as it does."""
        reader, writer = os.pipe()
        leader = os.pidfd_open(os.getpid())
        child = os.fork()
        if child == 0:
            os.close(reader)
            self._begin(leader, writer)
        for number in (SIGHUP, SIGINT, SIGTERM):  # to the group: the program's to answer
            libc.signal(number, SIG_IGN)
        os.close(writer)
        self._drop_rights()
        self._check_parent()  # it may be the last to tell: its end can kill the child before
        os.close(self._report)
        told = os.read(reader, 4)
        os.waitpid(child, 0)
        status = int.from_bytes(told, "little") if told else SIGKILL
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            libc.signal(number, SIG_DFL)  # Python ignores some; its own module is out of reach
            os.kill(os.getpid(), number)
        os._exit(os.waitstatus_to_exitcode(status))

    def _begin(self, leader: int, status: int) -> None:
        """Process 1. ``leader``: pidfd of its parent; ``status``: for the program's wait status."""
        try:
            self._own_root = self._attempt("root", lambda: enter_root(self.spec))
            self._check_places()
            self._drop_rights()
            if select.select([leader], [], [], 0)[0]:
                raise JailError("the runner is gone")
        except (JailError, OSError) as err:
            self.tell("failed", str(err))
            os.write(status, (FAILED << 8).to_bytes(4, "little"))
            os._exit(FAILED)
        program = os.fork()
        if program == 0:
            self._become()
        os.close(self._report)
        while True:
            pid, ended = os.wait()
            if pid == program:
                os.write(status, ended.to_bytes(4, "little"))
                os._exit(0)

    def _check_places(self) -> None:
        """Without a root of its own, a program finds things only where they are on the host."""
        bound = {**self.spec.read, **self.spec.write}
        if not self._own_root and any(os.path.realpath(a) != b for a, b in bound.items()):
            raise JailError("root: it cannot do without one of its own")

    def _drop_rights(self) -> None:
        """Of the calling process: user, capabilities, and life without the runner."""
        os.umask(self.spec.umask)
        drop_bounding_set()
        if self.spec.uid is not None:
            os.setgroups(self.spec.groups)
            os.setresgid(self.spec.uid, self.spec.uid, self.spec.uid)
            os.setresuid(self.spec.uid, self.spec.uid, self.spec.uid)
        drop_capabilities()
        call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)  # the program gets it back by exec
        call("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)  # a new uid clears it: set it last

    def _check_parent(self) -> None:
        if os.getppid() != self.spec.parent:
            raise JailError("the runner is gone")

    def _become(self) -> None:
        try:
            os.chdir(self.spec.cwd)
            if not os.access(self.argv[0], os.X_OK):
                raise JailError(f"places: user {os.getuid()} cannot run {self.argv[0]}")
            _limit(self._limits())
            if self.spec.core is not None:
                os.sched_setaffinity(0, {self.spec.core})
            tcp = self.spec.filter == filters.SLIRP
            self._attempt("Landlock", lambda: landlock.restrict(self._files(), tcp=tcp))
            self._attempt("seccomp", lambda: seccomp.install(filters.make(self.spec.filter)))
            os.execv(self.argv[0], self.argv)
        except (JailError, OSError) as err:
            self.tell("failed", str(err))
            os._exit(FAILED)

    def _limits(self) -> dict[str, int]:
        """Processes are counted by user: without a namespace the user's others count as well."""
        limits = {"CORE": 0, **self.spec.limits}
        if self.spec.uid is None and not self._own_user:
            limits.pop("NPROC", None)
        return limits

    def _files(self) -> list[tuple[str, int]]:
        proc = ["/proc"] if self._own_root else PROC_OF_THE_HOST
        names = ["/"] if self._own_root else self.spec.names
        return [
            *((name, landlock.LIST) for name in names),
            *((place, landlock.READ) for place in [*self.spec.read, *proc]),
            *((place, landlock.WRITE) for place in [*self.spec.write, *self.spec.memory]),
            *((device, landlock.DEVICE) for device in self.spec.devices),
        ]


def _let_it_be_killed_first() -> None:
    """When memory runs out: this one and its children, before anything of the host."""
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(OOM_SCORE)


def _limit(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        hard = resource.getrlimit(number)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(number, (value, value))


def main(arguments: list[str]) -> None:
    """``REPORT WORDS -- ARGV``: enter the jail and become the program."""
    libc.signal(SIGINT, SIG_DFL)
    end = arguments.index("--")
    report = int(arguments[0])
    if report > 2:
        os.set_inheritable(report, False)
    jail = Jail(parse(arguments[1:end]), arguments[end + 1 :], report)
    try:
        jail.enter()
    except (JailError, OSError) as err:
        jail.tell("failed", str(err))
        os._exit(FAILED)
