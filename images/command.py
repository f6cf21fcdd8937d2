# SPDX-License-Identifier: GPL-2.0-only
"""Running the host's own programs: one place that turns their failure into EnvironmentProblem."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from images.disk import disk_full
from images.errors import EnvironmentProblem, ProgramFailed

TAIL_LINES = 12
# not in a line of code that a compiler quotes
_NO_SPACE = re.compile(r'^[^|"\n]*(?:No space left on device|Disk quota exceeded)', re.MULTILINE)
_NO_MEMORY = re.compile(
    r'^[^|"\n]*(?:Killed signal terminated program|memory exhausted|out of memory allocating'
    r"|Cannot allocate memory|std::bad_alloc|fork: Resource temporarily)"
    r"|\] Killed$|^Killed$|: +\d+ Killed\b",
    re.MULTILINE,
)
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)

DIE_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
"""Put before a command: it is killed with the process that started it, however that ends."""


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environ: Mapping[str, str] | None = None,
    remedy: str = "",
    timeout_s: float | None = None,
    fds: Sequence[int] = (),
    input: bytes = b"",
) -> str:
    """Run to the end, return standard output.

    `environ` is added to this process's; `fds` are descriptors to hand over, `input` is what it
    reads. Raises EnvironmentProblem with the command, its exit
    code and the end of what it printed, or when it takes too long; a full disk is named as such.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0], path=search_path()) is None:
        raise EnvironmentProblem(f"{words[0]} is not installed", remedy or "Run `testbed doctor`.")
    try:
        done = subprocess.run(
            [*DIE_WITH_US, *words],
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": search_path(), **(environ or {})},
            input=input,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            pass_fds=list(fds),
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(f"{words[0]} did not end within {timeout_s} s", remedy) from error
    stdout, stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    if done.returncode:
        raise failure(words, done.returncode, stderr + stdout, cwd, remedy)
    return stdout


def search_path() -> str:
    """PATH with the folders that an ordinary user's often lacks."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def shortage(status: int, output: str, folder: Path, who: str) -> EnvironmentProblem | None:
    """The problem that `who`, which failed on a job in `folder`, had too little disk or memory.

    None when it failed for another reason, as far as its status and its output tell.
    """
    if _NO_SPACE.search(output):
        return disk_full(folder, who=who)
    found = _NO_MEMORY.search(output)
    if found is None and status not in _KILLED:
        return None
    line = output[output.rfind("\n", 0, found.start()) + 1 :] if found else "it was killed"
    return EnvironmentProblem(
        f"{who} had too little memory: {line.partition(chr(10))[0].strip()}",
        "Give this machine more memory, or run less at once (--jobs for kernels).",
    )


def failure(
    words: Sequence[str], status: int, output: str, folder: Path | None, remedy: str
) -> EnvironmentProblem:
    """The EnvironmentProblem for a command that ended with `status`."""
    if problem := shortage(status, output, folder or Path.cwd(), words[0]):
        return problem
    tail = "\n".join("  " + line for line in output.strip().splitlines()[-TAIL_LINES:])
    shown = " ".join(words)
    if len(shown) > 300:
        shown = shown[:300] + " ..."
    return ProgramFailed(f"exit code {status} from: {shown}\n{tail}", tail, remedy)
