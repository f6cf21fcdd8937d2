# SPDX-License-Identifier: GPL-2.0-only
"""``python -P -m tests.commands DOCUMENT``: the commands of a document, as they would be typed.

It runs the blocks that begin with three backquotes and ``sh run``, in order, in one bash that ends
with the first command that fails, and prints each command with its time. ``--set URL=/srv/x.git``
replaces a word that a reader replaces. It needs nothing but Python, so that a clean machine can
play the reader. No part of CI: the commands install packages.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

BLOCK = re.compile(r"^```sh run\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What bash writes to the descriptor $TOLD before each command and after the last: its time of day.
STEP = 'printf "%s\\n" "$EPOCHREALTIME" >&"$TOLD"\n'


def commands(text: str, words: Mapping[str, str]) -> list[str]:
    """The commands of a document; of ``words`` each is replaced where it stands alone."""
    found = []
    for block in BLOCK.findall(text):
        whole = block.replace("\\\n", " ")
        lines = [line.partition("  #")[0].strip() for line in whole.splitlines()]
        found += [re.sub(r"\s+", " ", line) for line in lines if line and line[0] != "#"]
    for word, value in words.items():
        pattern = re.compile(rf"(?<![\w/.-]){re.escape(word)}(?![\w.-])")
        found = [pattern.sub(lambda _match, value=value: value, line) for line in found]
    return found


def run(lines: Sequence[str]) -> tuple[int, list[float]]:
    """Run them in one bash; its status, and the seconds that each took which was begun."""
    said = [f"echo; echo {_quoted(f'$ {line}')}\n{STEP}{line}\n" for line in lines]
    reader, writer = os.pipe()
    argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "".join(said) + STEP]
    with os.fdopen(reader) as told:
        status = subprocess.run(
            argv, env={**os.environ, "TOLD": str(writer)}, pass_fds=[writer], check=False
        ).returncode
        os.close(writer)
        times = [float(line) for line in told]
    return status, [after - before for before, after in itertools.pairwise(times)]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def main(arguments: Sequence[str]) -> int:
    """Run a document's commands; the status of the first that fails, or 0."""
    parser = argparse.ArgumentParser(prog="python -P -m tests.commands")
    parser.add_argument("document", type=Path)
    parser.add_argument("--set", action="append", default=[], metavar="WORD=VALUE")
    parser.add_argument("--list", action="store_true", help="print them, run nothing")
    given = parser.parse_args(arguments)
    words = dict(one.partition("=")[::2] for one in given.set)
    lines = commands(given.document.read_text(), words)
    if given.list:
        print("\n".join(lines))
        return 0
    status, seconds = run(lines)
    print()
    for line, took in zip(lines, seconds, strict=False):
        print(f"{took:7.1f} s  {line}")
    if status:
        print(f"exit status {status}: {lines[len(seconds)]}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
