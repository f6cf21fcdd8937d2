# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of the kernel's own scripts, and what is made of their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from images.buildroot import BuildRoot
from images.debian import Archive
from images.errors import EnvironmentProblem, ProgramFailed
from images.store import Store
from kernels.scripts import Addressee, KernelScripts
from kernels.source import SourceProblem

ROLES = """\
Michael Chan <mc@example.com> (maintainer:BROADCOM BNXT_EN (50 GIGABIT))
"David S. Miller" <davem@example.net> (supporter:NETWORKING)
Simon Horman <horms@example.org> (reviewer:NETWORKING [GENERAL])
netdev@example.org (open list:NETWORKING [GENERAL])
linux@example.org (moderated list:ARM)
"""


class Answers:
    """A build root whose programs answer what they are told to, in turn."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[Sequence[str]] = []
        self.inputs: list[bytes] = []

    def run(
        self, argv: Sequence[str], *, read: Mapping[str, Path], folder: str, input: bytes,
        deadline_s: float,
    ) -> str:  # fmt: skip
        self.asked.append(argv)
        self.inputs.append(input)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def scripts(answers: Any) -> KernelScripts:
    return KernelScripts(cast("BuildRoot", answers), Path("/tree"))


def test_addressees_have_an_address_and_a_role() -> None:
    answers = Answers(ROLES)
    found = scripts(answers).addressees(["a.c", "b.c"])
    assert found[0] == Addressee(
        "Michael Chan <mc@example.com>", "maintainer:BROADCOM BNXT_EN (50 GIGABIT)"
    )
    assert [one.is_maintainer for one in found] == [True, True, False, False, False]
    assert [one.is_list for one in found] == [False, False, False, True, True]
    assert list(answers.asked[0][-3:]) == ["-f", "a.c", "b.c"]


def test_maintainers_of_the_nearest_entry_that_has_any() -> None:
    answers = Answers("", ROLES)
    assert len(scripts(answers).maintainers(["a.c"])) == 5
    assert "--pattern-depth" in answers.asked[0]
    assert "--pattern-depth" not in answers.asked[1]
    assert all({"--no-l", "--no-r"} <= set(argv) for argv in answers.asked)
    answers = Answers(ROLES)
    assert scripts(answers).maintainers(["a.c"])
    assert len(answers.asked) == 1


def test_complaints_of_checkpatch_are_lines_whatever_its_exit_code() -> None:
    said = "-:4: WARNING: too long\n  -:46: ERROR: Missing Signed-off-by: line(s)\n"
    answers = Answers(ProgramFailed("exit code 1", said), "")
    assert scripts(answers).checkpatch("a patch") == [
        "line 4: WARNING: too long",
        "line 46: ERROR: Missing Signed-off-by: line(s)",
    ]
    assert answers.inputs == [b"a patch"]
    assert scripts(answers).checkpatch("another") == []


def test_checkpatch_that_fails_without_a_complaint_has_failed() -> None:
    answers = Answers(ProgramFailed("exit code 2", "Can't locate POSIX.pm\n"))
    with pytest.raises(EnvironmentProblem):
        scripts(answers).checkpatch("a patch")


def test_source_without_its_scripts_is_none(tmp_path: Path) -> None:
    with pytest.raises(SourceProblem, match=r"get_maintainer\.pl"):
        KernelScripts.of(Store(tmp_path), cast("Any", Archive), tmp_path)
