# SPDX-License-Identifier: GPL-2.0-only
"""Something on the host to be reached, and the program inside a jail that tries to."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from images.jail import host as needs
from images.jail import start
from images.jail.spec import JailSpec
from images.jail.user import draw_uid
from tests.containment.inside import ATTEMPTS

HERE = Path(__file__).parent
REACHED = "reached"
NOT_STARTED = dict.fromkeys(ATTEMPTS, "not started")
LIBRARIES = "/containment-libraries"
"""Where the program inside finds what Python and its ctypes need, whatever the jail has."""
PYTHON = Path("/containment-python")
"""Where it finds Python in a root of its own: where Python is on the host, as in ``/usr``, the jail
may have something else that nobody can add to. Python looks for its library from there."""
_LIBRARIES = ("libffi", "libz", "libexpat")
KINDS = {
    "root": "root",
    "user": "a user",
    "no-userns": "a user, no user namespaces, `weaker`",
    "container": "root in a container, `weaker`",
}
"""Kind of host, as imitate.py knows it -> what it is called. Only the first for who is not root."""
LESS = ("no-userns", "container")
"""Where there is no full jail."""


class Host:
    """A home with a secret, folders that all may write, a process, sockets; all of one user's.

    ``uid`` is whose: that of the jailed program where it keeps the caller's. A context manager;
    ``facts`` is what inside.py is told.
    """

    def __init__(self) -> None:
        self.uid = draw_uid() or os.getuid()
        self._stack = ExitStack()

    def __enter__(self) -> Host:
        base, shm = (self._folder(place) for place in ("/tmp", "/dev/shm"))
        self.own = self._make(base / "own", 0o700)
        home, secret = self._make(base / "home", 0o700), base / "home" / "id"
        secret.write_text("secret")
        os.chown(secret, self.uid, self.uid)
        victim = subprocess.Popen(["sleep", "600"], user=self.uid, group=self.uid)
        self._stack.callback(victim.wait)
        self._stack.callback(victim.kill)
        self.facts = {
            "home": str(home), "secret": str(secret), "tmp": str(self._make(base / "tmp", 0o777)),
            "shm": str(shm), "pid": victim.pid, "port": self._listen(("127.0.0.1", 0))[1],
            "socket": self._listen(str(base / "socket")),
            "abstract": self._listen(f"\0bnxt-containment-{os.getpid()}")[1:],
            "disk": str(next(filter(Path.is_block_device, Path("/dev").iterdir()), "/dev/vda")),
        }  # fmt: skip
        (base / "socket").chmod(0o777)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _folder(self, place: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="bnxt-containment-", dir=place))
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o777)
        return folder

    def _make(self, folder: Path, mode: int) -> Path:
        folder.mkdir()
        folder.chmod(mode)
        os.chown(folder, self.uid, self.uid)
        return folder

    def _listen(self, address: str | tuple[str, int]) -> str | tuple[str, int]:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        sock = self._stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        sock.bind(address)
        sock.listen(64)
        name: str | bytes | tuple[str, int] = sock.getsockname()
        return name.decode() if isinstance(name, bytes) else name

    def spec(self, kind: str, wanted: JailSpec, *, weaker: bool) -> JailSpec:
        """``wanted`` for the program inside, on that kind of host, with a folder of its own.

        Without what a run had and is gone with it.
        """
        keeps_uid = kind not in ("root", "container") or os.getuid() != 0
        words = {**vars(wanted), "parent": os.getpid(), "weaker": weaker, "cwd": "/"}
        words["uid"] = None if keeps_uid else self.uid
        words["write"], words["owned"] = {str(self.own): str(self.own)}, []
        there = {place: source for place, source in wanted.read.items() if Path(source).exists()}
        inside = needs.at_home([HERE / "inside.py"])
        python = needs.at_home(needs.python()) if weaker else {**_own_python(), **_libraries()}
        words["read"] = {**there, **inside, **python}
        return JailSpec(**words)

    def reached(self, kind: str, wanted: JailSpec, *, weaker: bool | None = None) -> dict[str, str]:
        """What a program gets at in the jail ``wanted``: attempt -> REACHED, or why not.

        ``weaker`` None: where there is no full jail. A build is not started there: without a root
        of its own it has no compiler.
        """
        if kind in LESS and weaker is None and wanted.read.get("/usr", "/usr") != "/usr":
            return NOT_STARTED
        less = kind in LESS if weaker is None else weaker
        program = self._inside(at_home=less)
        spec = self.spec(kind, wanted, weaker=less)
        return _tried([*self._imitated(kind), *start.command(spec, program)])

    def without_jail(self) -> dict[str, str]:
        """The same as an ordinary program of the user's."""
        return _tried([*self._imitated("user"), *self._inside()])

    def _imitated(self, kind: str) -> list[str]:
        if os.getuid() != 0:
            return []
        return [sys.executable, str(HERE / "imitate.py"), kind, str(self.uid), "--"]

    def _inside(self, *, at_home: bool = True) -> list[str]:
        facts = json.dumps({**self.facts, "own": str(self.own)})
        python = needs.python()[0] if at_home else next(iter(_own_python()))
        return [str(python), "-I", "-S", str(HERE / "inside.py"), facts]


def _own_python() -> dict[str, str]:
    """The interpreter, first, and its library: place inside -> path on the host."""
    program, *library = needs.python()
    places = {PYTHON / "bin" / program.name: program}
    places |= {PYTHON / "lib" / path.name: path for path in library}
    return {str(place): os.path.realpath(path) for place, path in places.items()}


def _libraries() -> dict[str, str]:
    """As this process has them, which has loaded ctypes."""
    lines = Path("/proc/self/maps").read_text(encoding="ascii").splitlines()
    found = {Path(line.split()[-1]) for line in lines if ".so." in line}
    wanted = [path for path in found if path.name.split(".so.")[0] in _LIBRARIES]
    return {f"{LIBRARIES}/{_soname(path)}": str(path) for path in wanted}


def _soname(path: Path) -> str:
    name, _, version = path.name.partition(".so.")
    return f"{name}.so.{version.partition('.')[0]}"


def _tried(argv: list[str]) -> dict[str, str]:
    environ = {"LANG": "C.UTF-8", "LD_LIBRARY_PATH": f"{LIBRARIES}:{PYTHON / 'lib'}"}
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env=environ, timeout=60
    )
    try:
        found: Mapping[str, str] = json.loads(done.stdout)
    except ValueError:
        raise AssertionError(f"{done.returncode}\n{done.stdout}\n{done.stderr}") from None
    return dict(found)
