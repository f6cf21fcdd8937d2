# SPDX-License-Identifier: GPL-2.0-only
"""A jailed program reaches nothing but its own, on every kind of host."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from images.jail import root, start
from images.jail.filters import KINDS as FILTERS
from images.jail.filters import SLIRP, SOCKETLESS
from images.jail.host import at_home, surroundings
from images.jail.spec import JailSpec
from images.jail.user import draw_uid
from tests.containment.host import KINDS, LESS, REACHED, Host

PROGRAMS = at_home([Path("/usr/bin"), Path("/bin")])


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Host() as made:
        yield made


def jailed(script: str, **wanted: object) -> subprocess.CompletedProcess[str]:
    """A shell script in a jail with the host's programs, and with what is ``wanted``."""
    around = surroundings()
    around["read"] |= PROGRAMS
    spec = JailSpec(
        **{"filter": "program", "parent": os.getpid(), "uid": draw_uid(), **around, **wanted}  # type: ignore[arg-type]
    )
    argv = start.command(spec, ["/bin/sh", "-c", script])
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("filter", FILTERS)
def test_nothing_but_its_own(host: Host, kind: str, filter: str) -> None:
    if os.getuid() != 0 and kind != "root":
        pytest.skip("another kind of host is imitated by root only")
    wanted = JailSpec(filter=filter, parent=0, **surroundings())
    if filter == SLIRP and kind in LESS:
        with pytest.raises(AssertionError, match="must not be without a network of its own"):
            host.reached(kind, wanted)
        return
    found = host.reached(kind, wanted)
    reached = {attempt for attempt, outcome in found.items() if outcome == REACHED}
    assert reached == allowed(kind, filter)


def allowed(kind: str, filter: str) -> set[str]:
    """What is not kept from it."""
    if filter == SLIRP:
        return {"IPv4 socket"}  # in a network without interfaces
    if kind in LESS and filter not in SOCKETLESS:
        return {"Unix socket of the host, by path"}  # Landlock does not look at them
    return set()


def test_the_attempts_succeed_without_a_jail(host: Host) -> None:
    """Else the test before would prove nothing."""
    found = host.without_jail()
    reached = {attempt for attempt, outcome in found.items() if outcome == REACHED}
    assert reached >= {
        "read a private file of the user (~/.ssh)", "write into the home folder",
        "write into /tmp of the host", "write into /dev/shm of the host", "see other processes",
        "signal a process of the same user", "connect to a port of the host",
        "datagram to a port of the host", "Unix socket of the host, by path",
        "Unix socket of the host, abstract", "netlink socket", "make a setuid file",
    }  # fmt: skip


def test_root_holds_what_is_named() -> None:
    done = jailed(
        "ls / /dev", links={"/lib": "usr/lib", "/lib64": "usr/lib64"}, devices=["/dev/null"]
    )
    assert done.stdout.split() == [
        "/:", "bin", "dev", "etc", "lib", "lib64", "proc", "usr", "/dev:", "null",
    ]  # fmt: skip


def test_every_mount_gives_no_rights(tmp_path: Path) -> None:
    """Seen in the mounts themselves: Landlock and no_new_privs would hide a missing flag."""
    done = jailed(
        "cat /proc/self/mountinfo", devices=["/dev/null"], write={"/w": str(tmp_path)},
        memory={"/m": 1 << 20},
    )  # fmt: skip
    mounts = {
        words[4]: set(words[5].split(",")) for words in map(str.split, done.stdout.splitlines())
    }
    assert {"/", "/w", "/m", "/proc", "/usr/bin", "/dev/null"} <= mounts.keys()
    assert all("nosuid" in flags for flags in mounts.values())
    assert [place for place, flags in mounts.items() if "nodev" not in flags] == ["/dev/null"]
    writable = {place for place, flags in mounts.items() if "rw" in flags}
    assert writable == {"/w", "/m", "/proc", "/dev/null"}


def test_network_is_its_own() -> None:
    """Though no socket but a Unix one could be made."""
    done = jailed("cat /proc/net/dev")
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines()[2:]] == ["lo"]


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o137])
def test_mode_of_new_files_is_the_jails(umask: int) -> None:
    """Whatever ours is: what is built is the same for every user."""
    done = jailed("umask", umask=umask)
    assert int(done.stdout, 8) == umask


@pytest.mark.parametrize("core", sorted(os.sched_getaffinity(0)))
def test_it_runs_on_the_core_that_it_is_given(core: int) -> None:
    done = jailed("grep Cpus_allowed_list /proc/self/status", core=core)
    assert done.stdout.split()[1:] == [str(core)]


def test_memory_is_private_and_bounded() -> None:
    done = jailed("head -c 3000000 /dev/zero > /m/file; stat -c %s /m/file", memory={"/m": 1 << 20})
    assert "No space left" in done.stderr
    assert int(done.stdout) == 1 << 20


def test_memory_is_of_huge_pages_where_the_host_has_them() -> None:
    if not Path("/sys/kernel/mm/transparent_hugepage/shmem_enabled").exists():
        pytest.skip("requires a kernel with transparent huge pages")
    done = jailed("grep ' /m ' /proc/mounts", memory={"/m": 4 << 20})
    assert "huge=within_size" in done.stdout


@pytest.mark.parametrize("why", [errno.EINVAL, errno.EPERM])
def test_memory_does_without_huge_pages(monkeypatch: pytest.MonkeyPatch, why: int) -> None:
    tried = []

    def mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
        tried.append(options)
        if "huge" in options:
            raise OSError(why, "mount")

    monkeypatch.setattr(root, "mount", mount)
    with nullcontext() if why == errno.EINVAL else pytest.raises(OSError, match="mount"):
        root._mount_memory("/m", 4096)
    huge = "mode=1777,size=4096,huge=within_size"
    assert tried == ([huge, "mode=1777,size=4096"] if why == errno.EINVAL else [huge])


def test_what_may_be_read_may_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o666)
    (tmp_path / "file").chmod(0o666)
    done = jailed("echo x > /place/file", read={**PROGRAMS, **surroundings()["read"],
                                                "/place": str(tmp_path)})  # fmt: skip
    assert done.returncode != 0
    assert (tmp_path / "file").read_text() == ""


def test_what_may_be_written_is_written(tmp_path: Path) -> None:
    uid = draw_uid()
    if uid is not None:
        os.chown(tmp_path, uid, uid)
    done = jailed("echo x > /place/file", uid=uid, write={"/place": str(tmp_path)}, umask=0o22)
    assert done.stderr == ""
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("limit", "script"),
    [
        ({"NPROC": 20}, "for i in $(seq 40); do sleep 0.2 & done; wait"),
        ({"FSIZE": 4096}, "head -c 8192 /dev/zero > /m/file"),
        ({"DATA": 1 << 24}, "head -c 100m /dev/zero | tail -n 1 > /dev/null"),
    ],
)
def test_limits_hold(limit: dict[str, int], script: str) -> None:
    assert jailed(script, memory={"/m": 1 << 20}).returncode == 0
    done = jailed(script, memory={"/m": 1 << 20}, limits=limit)
    assert done.returncode != 0


def test_time_is_limited() -> None:
    assert jailed("while :; do :; done", limits={"CPU": 1}).returncode == -signal.SIGKILL


def test_a_refusal_names_the_part_and_the_remedy() -> None:
    problem = start.refusal("jail failed user namespace: unshare: Operation not permitted\n")
    assert problem is not None
    assert "user namespace: unshare" in problem.message
    assert "--jail weaker" in problem.remedy


def test_a_failing_program_is_no_refusal() -> None:
    done = jailed("echo jail of mine >&2; exit 7")
    assert done.returncode == 7
    assert start.refusal(done.stderr) is None


@pytest.mark.skipif(os.getuid() != 0, reason="imitated by root only")
@pytest.mark.parametrize("kind", LESS)
def test_what_cannot_be_had_ends_it(host: Host, kind: str) -> None:
    """Unless less is asked for by name: it is no half jail."""
    with pytest.raises(AssertionError, match=r"jail failed (user namespace|namespaces): unshare"):
        host.reached(kind, JailSpec(filter="program", parent=0, **surroundings()), weaker=False)


@pytest.mark.skipif(os.getuid() != 0, reason="imitated by root only")
def test_half_a_root_is_taken_back(host: Host) -> None:
    """It cannot have its own /proc, which comes late; what lies in /tmp is there as before."""
    wanted = JailSpec(filter="program", parent=0, **surroundings())
    with pytest.raises(AssertionError, match="jail failed root: mount: Operation not permitted"):
        host.reached("masked", wanted, weaker=False)
    found = host.reached("masked", wanted, weaker=True)
    assert found["make a setuid file"] == "EPERM"  # it could make a file, in a folder in /tmp
    assert REACHED not in {outcome for name, outcome in found.items() if "by path" not in name}


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user has no other")
def test_root_gives_its_own_rights_to_nobody() -> None:
    for uid in (None, 0):
        done = jailed("true", uid=uid)
        assert done.returncode == 126
        assert "root must give it a user id" in done.stderr
