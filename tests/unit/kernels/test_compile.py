# SPDX-License-Identifier: GPL-2.0-only
"""make: what is shown while it runs, and what is left when it fails or is interrupted."""

from __future__ import annotations

import os
import resource
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from images.errors import EnvironmentProblem
from kernels.compile import BuildFailed, Make, Progress, first_error
from testbed.host import interrupt
from tests.unit.kernels.fake_make import FakeRoot, toy_kernel


def toy(tmp_path: Path, **files: str) -> Make:
    source = toy_kernel(tmp_path / "source", **files)
    (tmp_path / "build").mkdir(exist_ok=True)
    variables = {"ARCH": "um", "CFLAGS_a.o": "-include x"}
    return Make(
        FakeRoot(tmp_path), source, tmp_path / "build", tmp_path, "/kernel/host", variables,
        ["X = 1"],
    )  # fmt: skip


def test_progress_counts_what_was_there_before(tmp_path: Path) -> None:
    make = toy(tmp_path, a="a", b="b", c="c")
    (make.build / "sub").mkdir()
    (make.build / "sub/.old.o.cmd").touch()
    seen: list[Progress] = []
    assert make.run("toy", ["linux"], jobs=2, watch=seen.append, expected=4) == 3
    assert seen == [Progress(2, 4, "a.o"), Progress(3, 4, "b.o"), Progress(4, 4, "c.o")]
    assert make.compiled() == 4


def test_command_line_of_make(tmp_path: Path) -> None:
    make = toy(tmp_path, a="a")
    make.run("toy", ["linux"], jobs=2)
    command = (make.build / "command").read_text().strip()
    assert command == (
        "env PYTHONDONTWRITEBYTECODE=1 make -C /kernel/source O=/kernel/build "
        "'--eval=X = 1' ARCH=um 'CFLAGS_a.o=-include x' -j2 linux"
    )


def test_first_error_is_shown_and_the_log_kept(tmp_path: Path) -> None:
    make = toy(tmp_path, a="a", b="#error no")
    with pytest.raises(BuildFailed) as failed:
        make.run("toy", ["linux"], jobs=1)
    assert "/kernel/source/b.c:1:2: error: #error no\n    1 | #error no" in failed.value.first_error
    assert "other.o" not in failed.value.first_error
    make = replace(toy(tmp_path, a="a", b="#error no"), named="/home/me/linux")
    with pytest.raises(BuildFailed) as failed:
        make.run("toy", ["linux"], jobs=1)
    assert "/home/me/linux/b.c:1:2: error: #error no" in failed.value.first_error
    assert "/kernel/source" not in failed.value.first_error
    assert "*** [Makefile:1: b.o]" in failed.value.log.read_text()


def test_full_disk_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"the disk .* is full"):
        toy(tmp_path, a="#full").run("toy", ["linux"], jobs=1)


def test_killed_make_is_the_machines_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="toy had too little memory"):
        toy(tmp_path, a="#kill").run("toy", ["linux"], jobs=1)


def test_endless_make_is_ended_and_is_not_the_machines_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernels.compile.DEADLINE_S", 0.5)
    with pytest.raises(BuildFailed, match="did not end within 0 hours"):
        toy(tmp_path, a="#wait").run("toy", ["linux"], jobs=1)


def test_endless_output_is_neither_kept_nor_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernels.compile.LOG_CHARACTERS", 1 << 18)
    make = toy(tmp_path, a="a")
    (make.source / "evil.sh").write_text(
        "head -c 100000000 /dev/zero; echo; echo '  CC      z.o'\n"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert make.run("toy", ["linux"], jobs=1) == 2
    assert make.log.stat().st_size == 1 << 18
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_interrupted_make_leaves_no_process(tmp_path: Path) -> None:
    make = toy(tmp_path, a="a", b="#wait")

    def interrupted(progress: Progress) -> None:
        if progress.current == "b.o":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make.run("toy", ["linux"], jobs=1, watch=interrupted)
    pid_file = make.build / "pid"
    if pid_file.exists():
        assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
    assert make.compiled() == 1
    (make.source / "b.c").write_text("b\n")
    assert make.run("toy", ["linux"], jobs=1) == 1


def test_children_of_an_interrupted_make_end_too(tmp_path: Path) -> None:
    make = toy(tmp_path, a="#wait")
    pid_file = make.build / "pid"

    def kill() -> None:
        while not pid_file.exists():
            time.sleep(0.01)
        os.kill(os.getpid(), 2)

    threading.Thread(target=kill).start()
    started = time.monotonic()
    with interrupt.installed(), pytest.raises(KeyboardInterrupt):
        make.run("toy", ["linux"], jobs=1)
    assert time.monotonic() - started < 30
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()


def test_make_that_is_interrupted_as_it_begins_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its minute had to pass, and the timer of its deadline held up whoever was to end."""
    make = toy(tmp_path, a="#wait")
    timers, start = [], threading.Timer.start

    def interrupted(timer: threading.Timer) -> None:
        timers.append(timer)
        start(timer)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Timer, "start", interrupted)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        make.run("toy", ["linux"], jobs=1)
    assert time.monotonic() - started < 30
    timers[0].join(5)
    assert not timers[0].is_alive()


GCC = """\
  CC      net/a.o
In file included from /kernel/source/include/x.h:5,
                 from /kernel/source/net/a.c:4:
/kernel/source/include/y.h:5:10: fatal error: asm/types.h: No such file or directory
    5 | #include <asm/types.h>
      |          ^~~~~~~~~~~~~
compilation terminated.
make[3]: *** [/kernel/source/scripts/Makefile.build:184: net/a.o] Error 1
make[3]: *** Waiting for unfinished jobs....
  CC      net/b.o
make: *** [Makefile:260: __sub-make] Error 2
"""


def test_include_chain_and_code_belong_to_the_error() -> None:
    shown = first_error(GCC).splitlines()
    assert shown[0].startswith("In file included from")
    assert shown[-1].strip() == "|          ^~~~~~~~~~~~~"


def test_function_and_code_are_shown() -> None:
    log = "  CC zcrx.o\nzcrx.c: In function 'f':\nzcrx.c:1799:27: error: 'x' undeclared\n"
    code = " 1799 | int f(void) { return x; }\n      |                      ^\n"
    assert first_error(f"{log}{code}  CC net.o\n").splitlines() == (log + code).splitlines()[1:]


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        ("  GZIP x.gz\n/bin/sh: 1: gzip: not found\nmake: *** x\n", "/bin/sh: 1: gzip: not found"),
        ("  LD vmlinux\nld: a.o: undefined reference to `f'\n", "undefined reference to `f'"),
        (
            "  X\nodd\nmake[1]: *** [Makefile:1: x] Error 1\n",
            "make[1]: *** [Makefile:1: x] Error 1",
        ),
    ],
)
def test_errors_of_other_programs(log: str, shown: str) -> None:
    assert first_error(log).endswith(shown)


def test_warning_is_no_error() -> None:
    assert first_error("a.c:1: warning: unused [-Werror=unused]\n  CC b.o\n") == ""
