# SPDX-License-Identifier: GPL-2.0-only
"""After confine() the process opens, connects and starts nothing; what it holds goes on working."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import ctypes, json, os, resource, socket, sys
from devmodel.confine import confine
kept, far = socket.socketpair()
listener = socket.socket(socket.AF_UNIX); listener.bind("\\0confine-test-%d" % os.getpid())
listener.listen()
tcp = socket.socket(); ours = socket.socket(socket.AF_UNIX)
done = confine(1000)
def attempt(call):
    try:
        call()
        return "allowed"
    except OSError as e:
        return e.strerror
denied = {
    "open": attempt(lambda: open("/etc/hostname")),
    "create": attempt(lambda: open("/tmp/confine-test", "w")),
    "directory": attempt(lambda: os.listdir("/")),
    "unlink": attempt(lambda: os.unlink("/tmp/confine-test")),
    "socket": attempt(lambda: socket.socket()),
    "connect": attempt(lambda: tcp.connect(("127.0.0.1", 9))),
    "connect_unix": attempt(lambda: ours.connect("/run/x")),
    "fork": attempt(os.fork),
    "exec": attempt(lambda: os.execv("/bin/true", ["true"])),
}
kept.sendall(b"x")
works = {
    "socket": far.recv(1).decode(),
    "memfd": os.memfd_create("x") > 0,
    "eventfd": os.eventfd(0) > 0,
    "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
}
print(json.dumps({"done": done, "denied": denied, "works": works}))
"""


def test_confined_process() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parents[3], capture_output=True,
        text=True, timeout=30, check=True,
    )  # fmt: skip
    seen = json.loads(run.stdout)
    assert set(seen["done"]) == {"dumpable_off", "no_new_privs", "landlock", "seccomp"}
    assert seen["done"]["seccomp"] == "on"
    assert "allowed" not in seen["denied"].values(), seen["denied"]
    assert seen["works"] == {"socket": "x", "memfd": True, "eventfd": True, "descriptors": 1024}
