# SPDX-License-Identifier: GPL-2.0-only
"""A program in the guest and a kernel that are somebody else's: neither reaches a canary.

`tests/unit/hostile_input` has the same for what is read on the host.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernels.own import UM
from testbed.artifacts.prepare import Artifacts
from testbed.errors import ExitCode
from tests.driver.conftest import CommandLine
from tests.unit.kernels.test_own import enough, text_of

SIMULATED = "UML_TIME_TRAVEL_SUPPORT"

WORD = "TWEET-3f81"
# As root in the guest, with a folder of the host that is read-only.
AT_THE_SHARE = """
cat /share/here
for way in '> /share/new' '>> /share/here' 'rm /share/here' 'chmod 777 /share/here' \\
           'mount -o remount,rw /share && > /share/new'; do
    sh -c "$way" 2> /dev/null && echo "done: $way"
done
for way in away ../canary away/../canary .. ; do cat /share/$way 2> /dev/null; done
true
"""
# The same anywhere: file systems, sockets, and handles of files.
ANYWHERE = """
mkdir -p /tmp/host
for mount in '-t hostfs none -o /' '-t hostfs none' '-t virtiofs root' '-t 9p hostshare'; do
    mount $mount /tmp/host 2> /dev/null && echo "mounted: $mount" && cat /tmp/host/canary
done
python3 - <<'END'
import ctypes, os, socket
def attempt(what, step):
    try:
        print("reached:", what, step())
    except (OSError, AttributeError):
        pass
def connect(family, address):
    with socket.socket(family) as one:
        one.settimeout(1)
        one.connect(address)
for port in (1, 22, 1024):
    attempt("vsock", lambda: connect(socket.AF_VSOCK, (2, port)))
for address in ("10.0.2.2", "192.0.2.254", "169.254.169.254", "1.1.1.1"):
    attempt(address, lambda: connect(socket.AF_INET, (address, 22)))
# A handle of the shared folder's root, and those of inodes that it could be followed by.
libc = ctypes.CDLL(None, use_errno=True)
def by_handle(number):
    top = os.open("/share", os.O_RDONLY)
    handle = (12).to_bytes(4, "little") + (0x81).to_bytes(4, "little")
    handle += number.to_bytes(8, "little") + bytes(4)
    found = libc.open_by_handle_at(top, handle, os.O_RDONLY | os.O_DIRECTORY)
    if found < 0:
        raise OSError
    return [name for name in os.listdir(found) if name == "canary"] or [][0]
for number in range(16):
    try:
        attempt("handle", lambda: by_handle(number))
    except IndexError:
        pass
END
true
"""
# A kernel that is none: what of the host can the process reach that should be UML?
KERNEL = r"""
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static const char mark[] __attribute__((used)) =
	"\0.uml.setup.init\0Linux version 7.2.12-evil (x";

static void reached(const char *what)
{
	printf("reached: %s\n", what);
}

int main(void)
{
	static const char *const files[] = {
		CANARY, "/proc/1/root" CANARY, "../../../../.." CANARY, "/etc/passwd", "/etc/hostname",
		"/dev/kvm", "/dev/mem", "/dev/vda", "/sys", "/run",
	};
	struct dirent *entry;
	int others = 0, domain;
	DIR *folder;

	setvbuf(stdout, NULL, _IONBF, 0);
	printf("evil: begun\n");
	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (open(files[i], O_RDONLY) >= 0)
			reached(files[i]);
	if (open(CANARY, O_WRONLY | O_CREAT | O_TRUNC, 0600) >= 0)
		reached("to write " CANARY);
	folder = opendir("/proc");
	while (folder && (entry = readdir(folder)))
		others += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	if (others > 2)
		reached("other processes");
	for (domain = AF_INET; domain < 46; domain++)
		if (socket(domain, SOCK_DGRAM, 0) >= 0 || socket(domain, SOCK_RAW, 0) >= 0)
			printf("reached: socket of family %d\n", domain);
	if (!kill(-1, 0))
		reached("kill");
	if (!mknod("/tmp/disk", S_IFBLK | 0600, 254 << 8))
		reached("mknod");
	if (!mount("none", "/proc", "tmpfs", 0, NULL))
		reached("mount");
	if (!chroot("/proc"))
		reached("chroot");
	if (!setuid(0))
		reached("setuid");
	printf("evil: done\n");
	return 0;
}
"""


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """Always in the same place: it is compiled into a kernel that the cache keeps."""
    path = Path(f"/var/tmp/testbed-canary-{os.getuid()}")
    path.write_text(WORD)
    yield path
    assert path.read_text() == WORD
    path.unlink()


@pytest.mark.parametrize("engine", ["qemu", "uml"])
def test_program_in_the_guest_reaches_nothing(testbed: CommandLine, engine: str) -> None:
    (testbed.folder / "canary").write_text(WORD)
    mine = testbed.folder / "mine"
    mine.mkdir()
    (mine / "here").write_text("here")
    (mine / "here").chmod(0o600)
    (mine / "away").symlink_to(testbed.folder / "canary")
    words, script = (["--share", str(mine)], AT_THE_SHARE) if engine == "qemu" else ([], "")
    words = ["exec", "--engine", engine, *words, "--", "sh", "-c", script + ANYWHERE]
    done = testbed.run(*words)
    assert done.stdout == (b"here" if script else b""), done.stdout
    assert sorted(path.name for path in mine.iterdir()) == ["away", "here"]
    assert (testbed.folder / "canary").read_text() == WORD


def test_kernel_that_is_none_reaches_nothing(testbed: CommandLine, canary: Path) -> None:
    source = testbed.folder / "evil.c"
    source.write_text(KERNEL)
    argv = ["gcc", "-O1", "-Wall", "-static", f'-DCANARY="{canary}"']
    argv += ["/evil.c", "-o", "/here/linux"]
    Artifacts().build_root.run(argv, read={"/evil.c": source}, write={"/here": testbed.folder})
    (testbed.folder / "config").write_text(text_of({**enough(UM), SIMULATED: "y"}))
    done = testbed.run("run", "--engine", "uml", "--kernel", str(testbed.folder / "linux"))
    assert done.returncode in (ExitCode.ENVIRONMENT, ExitCode.LOST_VM), done.stderr
    log = testbed.folder / "runs/latest/kernel.log"
    lines = log.read_text(errors="replace").splitlines()
    assert {"evil: begun", "evil: done"} <= set(lines)
    assert [line for line in lines if line.startswith("reached")] == []
