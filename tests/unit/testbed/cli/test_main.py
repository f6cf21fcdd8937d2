# SPDX-License-Identifier: GPL-2.0-only
"""Every way the command line can end has its exit code and says why."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from testbed import ROOT
from testbed.cli import guest
from testbed.cli import main as cli
from testbed.errors import EnvironmentProblem, LaunchFailure, LostVM, ModelFailure
from testbed.host.interrupt import Interrupted


@pytest.fixture(autouse=True)
def _quiet_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["exec"], "command"),
        (["exec", "--nic", "ne2000", "--", "true"], "igb"),
        (["exec", "--cpus", "99", "--", "true"], "1..16"),
        (["exec", "--share", "/no/such", "--", "true"], "/no/such"),
        (["exec", "--accel", "kvm", "--icount", "--", "true"], "--icount"),
        (["run", "--dut", "rack3"], "--lab lab.toml"),
        (["run", "--engine", "lab"], "--lab lab.toml"),
        (["dance"], "dance"),
    ],
)
def test_bad_usage_ends_with_2_and_names_it(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_app(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_command_is_where_the_table_says(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run_app([name, "--help"]) == 0
    assert f"{name} " in capsys.readouterr().out


def test_help_lists_each_command_by_its_own_words(capsys: pytest.CaptureFixture[str]) -> None:
    own = typer.main.get_command(cli.make_app(whole=True))
    listed = typer.main.get_command(cli.make_app())
    assert isinstance(own, typer.core.TyperGroup)
    assert isinstance(listed, typer.core.TyperGroup)
    said = {name: command.get_short_help_str(200) for name, command in own.commands.items()}
    assert {n: c.get_short_help_str(200) for n, c in listed.commands.items()} == said
    assert cli.run_app(["--help"]) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in cli.COMMANDS)


@pytest.mark.parametrize("arguments", [["--help"], ["-q", "doctor", "--help"], ["--version"]])
def test_only_the_command_that_is_called_is_loaded(arguments: list[str]) -> None:
    program = (
        "import sys; from testbed.cli.main import run_app; run_app(sys.argv[1:]);"
        "print([name for name in sys.modules if name.startswith('testbed.cli.')], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-B", "-c", program, *arguments], env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = "testbed.cli.artifacts" in done.stderr
    assert loaded == ("doctor" in arguments)
    assert "testbed.cli.run" not in done.stderr


def test_shell_completes_options_of_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-B", "-m", "testbed"],
        env={
            "PYTHONPATH": str(ROOT), "COMP_CWORD": "2",
            cli.COMPLETION: "complete_bash",
            "COMP_WORDS": "testbed run --eng", "HOME": "/nonexistent",
            "_TYPER_COMPLETE_ARGS": "testbed run --eng",
        },
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "--engine" in done.stdout


def test_bad_file_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "testbed.toml").write_text('[run]\nnic = "ne2000"\n')
    assert cli.run_app(["shell"]) == 2
    said = capsys.readouterr().err.replace("\n", "")
    assert "testbed.toml" in said
    assert "nic" in said
    assert "igb, e1000e, virtio-net" in said


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (EnvironmentProblem("no mirror", remedy="plug it in"), 3, "remedy: plug it in"),
        (LaunchFailure("no start", command=["qemu", "-x y"], returncode=-6), 3, "signal 6"),
        (OSError(errno.ENOSPC, "No space left on device", "/var/x"), 3, "/var/x"),
        (ModelFailure("the card raised", traceback="KeyError: 7"), 4, "KeyError: 7"),
        (LostVM("panic", log_tail="a\x1b[31mb"), 5, "a\\x1b[31mb"),
        (KeyError("nobody thought of it"), 4, "nobody thought of it"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Interrupted(signal.SIGTERM), 143, "interrupted by SIGTERM"),
    ],
)
def test_each_kind_of_error_has_its_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*_arguments: object) -> None:
        raise error

    monkeypatch.setattr(guest, "build_options", fail)
    assert cli.run_app(["exec", "--", "true"]) == code
    assert said in capsys.readouterr().err


def test_a_reader_that_has_gone_is_no_failed_test(tmp_path: Path) -> None:
    """As in `testbed faults list | head`."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "testbed", "faults", "list"], stdout=writer, check=False,
            stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert done.returncode == 3
    assert b"nobody reads our output" in done.stderr
    assert b"Traceback" not in done.stderr
