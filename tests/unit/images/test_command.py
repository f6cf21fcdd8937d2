# SPDX-License-Identifier: GPL-2.0-only
"""Why a program of the host failed: for lack of disk or memory, or for reasons of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from images.command import run, shortage
from images.errors import EnvironmentProblem

OUT_OF_MEMORY = [
    "gcc: fatal error: Killed signal terminated program cc1\ncompilation terminated.\n",
    "cc1: out of memory allocating 65536 bytes after a total of 1048576 bytes\n",
    "virtual memory exhausted: Cannot allocate memory\n",
    "/usr/bin/ld: failed to map segment: Cannot allocate memory\n",
    "make[3]: *** [scripts/Makefile.build:1: net/core/dev.o] Killed\n",
    "/bin/sh: line 1: 4711 Killed                  ld -o vmlinux\n",
    "make: vfork: Resource temporarily unavailable\n",
    "terminate called after throwing an instance of 'std::bad_alloc'\n",
]


@pytest.mark.parametrize("output", OUT_OF_MEMORY)
def test_lack_of_memory_is_named(tmp_path: Path, output: str) -> None:
    problem = shortage(
        2, f"  CC x.o\n{output}make: *** [Makefile:1: all] Error 2\n", tmp_path, "ld"
    )
    assert problem is not None
    assert problem.message == f"ld had too little memory: {output.partition(chr(10))[0]}"
    assert "--jobs" in problem.remedy


@pytest.mark.parametrize("status", [-9, 137])
def test_who_is_killed_without_a_word_had_too_little_memory(tmp_path: Path, status: int) -> None:
    problem = shortage(status, "  CC x.o\n", tmp_path, "make")
    assert problem is not None
    assert problem.message == "make had too little memory: it was killed"


@pytest.mark.parametrize("text", ["cp: x: No space left on device", "ld: x: Disk quota exceeded"])
def test_full_disk_is_named(tmp_path: Path, text: str) -> None:
    problem = shortage(1, text, tmp_path, "cp")
    assert problem is not None
    assert f"the disk that holds {tmp_path} is full" in problem.message


@pytest.mark.parametrize(
    "output",
    [
        "a.c:1:2: error: #error no\n",
        '  417 |         pr_err("Cannot allocate memory\\n"\n      |         ^\n',
        'a.c:7: error: "No space left on device" is no number\n',
        "make[1]: *** [Makefile:1: a.o] Error 1\n",
    ],
)
def test_other_reasons_are_the_sources(tmp_path: Path, output: str) -> None:
    assert shortage(2, output, tmp_path, "make") is None


def test_program_that_is_killed_is_no_exit_code() -> None:
    with pytest.raises(EnvironmentProblem, match="sh had too little memory: it was killed"):
        run(["sh", "-c", "kill -KILL $$"])
