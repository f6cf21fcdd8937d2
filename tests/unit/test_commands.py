# SPDX-License-Identifier: GPL-2.0-only
"""The commands of documents: which they are, and how they are run."""

from __future__ import annotations

import functools
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from testbed import ROOT
from testbed.cli.main import make_app
from tests.commands import commands, main

TEXT = """# A document

```sh run
git clone URL there     # where it is
cd there
./tb exec --zcrx \\
    -- ./URL.sh
# only said
```

```sh
rm -rf /
```

```sh run
echo URL
```
"""
TUTORIALS = sorted((ROOT / "docs").glob("tutorial-*.md"))


def test_only_blocks_that_say_so_are_run() -> None:
    assert commands(TEXT, {"URL": "/srv/it"}) == [
        "git clone /srv/it there", "cd there", "./tb exec --zcrx -- ./URL.sh", "echo /srv/it",
    ]  # fmt: skip


def played(folder: Path, text: str) -> int:
    document = folder / "it.md"
    document.write_text(f"```sh run\n{text}```\n")
    return main([str(document)])


def test_commands_share_one_shell(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert played(tmp_path, f"cd {tmp_path}\nword=it\ntest \"$PWD$word\" = '{tmp_path}it'\n") == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[:2] == ["", f"$ cd {tmp_path}"]
    assert lines[-2].endswith(" s  word=it")


def test_first_that_fails_ends_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert played(tmp_path, "true\n(exit 7) | cat\necho never\n") == 7
    lines = capfd.readouterr().out.splitlines()
    assert lines[-1] == "exit status 7: (exit 7) | cat"
    assert "never" not in lines


@pytest.mark.parametrize("document", TUTORIALS, ids=lambda path: path.name)
def test_tutorial_has_commands_to_run(document: Path) -> None:
    lines = commands(document.read_text(), {})
    assert any("./tb " in line for line in lines)


@pytest.mark.parametrize("document", TUTORIALS, ids=lambda path: path.name)
def test_commands_of_a_tutorial_are_those_there_are(document: Path) -> None:
    """Also those that are only named, in tables: each is parsed, with its options."""
    text = document.read_text()
    named = re.findall(r"`\./tb ([^`]*)`", text)
    named += [line.split("./tb ")[1] for line in commands(text, {}) if "./tb " in line]
    for line in named:
        parsed(shlex.split(line))


@functools.cache
def command_line() -> Any:
    """The whole command line, as typer makes it."""
    return typer.main.get_command(make_app("", whole=True))


def parsed(words: list[str]) -> None:
    """Parse a command line of testbed, down to the command. Raises what click raises."""
    context = command_line().make_context("testbed", list(words))
    while hasattr(context.command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
