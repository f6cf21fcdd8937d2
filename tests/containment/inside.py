# SPDX-License-Identifier: GPL-2.0-only
"""The program inside the jail: tries what it should not be able to do, and prints what it could.

Stand-alone, standard library only: ``python -I -S inside.py FACTS``, where FACTS is JSON: what
there is on the host (:class:`tests.containment.host.Host`). Prints JSON: attempt -> "reached", or
the error. Only x86_64 and aarch64.
"""

# ruff: noqa: PTH101, PTH108, PTH116, PTH123, PTH208
# Its system calls are the plain ones.
from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from typing import Any

_COLUMN = {"x86_64": 0, "aarch64": 1}[os.uname().machine]
_CALLS = {
    # name: numbers, arguments that a kernel which allows the call would take, or refuse with EINVAL
    "ptrace": ((101, 117), lambda host: (16, host["pid"], 0, 0)),
    "process_vm_readv": ((310, 270), lambda host: (host["pid"], 0, 0, 0, 0, 0)),
    "io_uring_setup": ((425, 425), lambda _: (1, bytes(120))),
    "userfaultfd": ((323, 282), lambda _: (0o4000001,)),
    "bpf": ((321, 280), lambda _: (0, bytes(120), 120)),
    "perf_event_open": ((298, 241), lambda _: (bytes(120), 0, -1, -1, 0)),
    "add_key": ((248, 217), lambda _: (b"user", b"probe", b"x", 1, -2)),
    "keyctl": ((250, 219), lambda _: (0, -3, 1)),
    "unshare of a user namespace": ((272, 97), lambda _: (0x10000000,)),
    "clone of a user namespace": ((56, 220), lambda _: (0x10000011, 0, 0, 0, 0)),
    "mount": ((165, 40), lambda _: (b"probe", b"/", b"tmpfs", 0, 0)),
    "chroot": ((161, 51), lambda _: (b"/",)),
    "open_by_handle_at": ((304, 265), lambda _: (-100, bytes(64), 0)),
}
_LOOKED_AT = (errno.EINVAL, errno.EFAULT, errno.E2BIG, errno.EBADF)
"""The call is open to the program: the kernel refused our arguments, and not us."""


class Denied(Exception):
    """An attempt that failed in another way than by an error number."""


def _system_call(number: int, arguments: tuple[Any, ...]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()
    result = libc.syscall(number, *arguments)
    if os.getpid() != parent:
        os._exit(0)
    if result < 0 and ctypes.get_errno() not in _LOOKED_AT:
        raise OSError(ctypes.get_errno(), "")


def _open(path: str, flags: int) -> None:
    os.close(os.open(path, flags))


def _create(folder: str) -> None:
    os.close(os.open(f"{folder}/bnxt-containment", os.O_CREAT | os.O_WRONLY, 0o666))


def _list(path: str) -> None:
    if not os.listdir(path):
        raise Denied("empty")


def _connect(family: int, kind: int, address: Any) -> None:
    with socket.socket(family, kind) as sock:
        if address is not None:
            sock.settimeout(1)
            sock.connect(address)


def _datagram(address: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", address)


def _see_processes(_: Mapping[str, Any]) -> None:
    """Others than its own: process 1 of a jail is the jail's."""
    names = [name for name in os.listdir("/proc") if name.isdigit()]
    others = set(map(int, names)) - {1, os.getpid(), os.getppid()}
    if not others:
        raise Denied("none")


def _setuid_file(host: Mapping[str, Any]) -> None:
    file = f"{host['own']}/setuid"
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o755))
    try:
        os.chmod(file, 0o4755)
        if not os.stat(file).st_mode & stat.S_ISUID:
            raise Denied("cleared")
    finally:
        os.unlink(file)


def _device(host: Mapping[str, Any]) -> None:
    os.mknod(f"{host['own']}/device", stat.S_IFBLK | 0o600, os.makedev(254, 0))


def _capability(_: Mapping[str, Any]) -> None:
    with open("/proc/self/status", encoding="ascii") as file:
        sets = dict(line.split(":\t") for line in file if line.startswith("Cap"))
    del sets["CapBnd"]  # a bound alone gives nothing under no_new_privs
    if not any(int(value, 16) for value in sets.values()):
        raise Denied("none")


ATTEMPTS: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "read a private file of the user (~/.ssh)": lambda host: _open(host["secret"], os.O_RDONLY),
    "list the home folder": lambda host: _list(host["home"]),
    "write into the home folder": lambda host: _create(host["home"]),
    "read what all may read (/etc/passwd)": lambda _: _open("/etc/passwd", os.O_RDONLY),
    "read /etc/shadow": lambda _: _open("/etc/shadow", os.O_RDONLY),
    "write into /tmp of the host": lambda host: _create(host["tmp"]),
    "write into /dev/shm of the host": lambda host: _create(host["shm"]),
    "write a kernel setting (/proc/sys)": lambda _: _open(
        "/proc/sys/kernel/core_pattern", os.O_WRONLY
    ),
    "see other processes": _see_processes,
    "signal a process of the same user": lambda host: os.kill(host["pid"], 0),
    "IPv4 socket": lambda _: _connect(socket.AF_INET, socket.SOCK_STREAM, None),
    "connect to a port of the host": lambda host: _connect(
        socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", host["port"])
    ),
    "datagram to a port of the host": lambda host: _datagram(("127.0.0.1", host["port"])),
    "Unix socket of the host, by path": lambda host: _connect(
        socket.AF_UNIX, socket.SOCK_STREAM, host["socket"]
    ),
    "Unix socket of the host, abstract": lambda host: _connect(
        socket.AF_UNIX, socket.SOCK_STREAM, "\0" + host["abstract"]
    ),
    "netlink socket": lambda _: _connect(socket.AF_NETLINK, socket.SOCK_RAW, None),
    "packet socket": lambda _: _connect(socket.AF_PACKET, socket.SOCK_RAW, None),
    "AF_VSOCK socket": lambda _: _connect(socket.AF_VSOCK, socket.SOCK_STREAM, None),
    "disk of the host": lambda host: _open(host["disk"], os.O_RDONLY),
    "/dev/kmsg": lambda _: _open("/dev/kmsg", os.O_RDONLY),
    "/dev/kvm": lambda _: _open("/dev/kvm", os.O_RDWR),
    "/dev/vsock": lambda _: _open("/dev/vsock", os.O_RDWR),
    "/dev/tty": lambda _: _open("/dev/tty", os.O_RDWR),
    "make a device node": _device,
    "make a setuid file": _setuid_file,
    "become root": lambda _: os.setuid(0),
    "any capability": _capability,
    **{
        name: lambda host, numbers=numbers, make=make: _system_call(numbers[_COLUMN], make(host))
        for name, (numbers, make) in _CALLS.items()
    },
}
"""What it tries -> how; called with the facts, raises OSError or Denied if it could not."""


def outcome(attempt: Callable[[Mapping[str, Any]], None], host: Mapping[str, Any]) -> str:
    """ "reached", or why not."""
    try:
        attempt(host)
    except Denied as err:
        return str(err)
    except OSError as err:
        return errno.errorcode.get(err.errno or 0, type(err).__name__)
    return "reached"


if __name__ == "__main__":
    facts = json.loads(sys.argv[1])
    print(json.dumps({name: outcome(attempt, facts) for name, attempt in ATTEMPTS.items()}))
