# SPDX-License-Identifier: GPL-2.0-only
"""``testbed card``: what cannot be is said before a card is started; requests to one that runs."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from testbed.cli import card as command
from testbed.cli import main as cli
from testbed.errors import EnvironmentProblem
from testbed.faults.catalogue import load_catalogue


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests that were made: socket's name, method, parameters. Three plans are armed."""
    made: list[tuple[str, str, dict[str, Any]]] = []

    def ask(path: Path, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        made.append((path.name, method, dict(params or {})))
        armed = [
            {"handle": n, "armed": True, "id": f"f{n}", "fired": n, "considered": 9}
            for n in (1, 2, 3)
        ]
        return {"faults": armed, "handle": 4}

    monkeypatch.setattr(command, "ask", ask)
    return made


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--plan", "no-such-fault"], "neither a file nor a fault of the catalogue"),
        (["--plan", "plan.toml"], "plan.toml"),
        (["--personality", "none.toml"], "none.toml"),
        (["--personality", "wrong.toml"], "wrong.toml: colour: unknown key"),
        (["--seed", "-1"], "seed = -1 is out of range"),
        (["--socket", "wrong.toml"], "is no socket"),
        (["--socket", "none/s"], "no folder for a socket"),
        (["--wire", "tap:" + "x" * 16], "no name of an interface"),
        (["--trace", "none/t"], "cannot be written"),
        (["--socket", "s", "status"], "put it behind status"),
        (["faults", "arm", "no-such-fault"], "neither a file nor a fault of the catalogue"),
        (["faults", "clear", "x"], "clear --help"),
        (["partner", "25G"], "25G: no KEY=VALUE"),
    ],
)
def test_bad_usage_ends_with_2_and_names_it(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "wrong.toml").write_text('colour = "red"\n')
    (tmp_path / "plan.toml").write_text("version = 9\n")
    assert cli.run_app(["card", *words]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    left = {path.name for path in tmp_path.iterdir() if path.is_socket()}
    assert left == set(), "nothing is left that looks like a card"


@pytest.mark.parametrize("words", [["status"], ["faults", "list"], ["faults", "clear"]])
def test_no_card_is_an_environment_problem(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_app(["card", *words]) == 3
    assert "no card is served at" in capsys.readouterr().err


def test_partner_settings_go_to_the_card(asked: list[tuple[str, str, dict[str, Any]]]) -> None:
    words = ["card", "partner", "speed=25G", "advertise=25G,50G", "fec=base-r"]
    assert cli.run_app(words) == 0
    sent = {"speed": "25G", "advertise": ["25G", "50G"], "fec": "base-r"}
    assert asked == [("card.sock", "partner", sent)]


def test_arm_a_fault_of_the_catalogue(
    asked: list[tuple[str, str, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    name = next(iter(load_catalogue()))
    assert cli.run_app(["card", "faults", "arm", name, "--socket", "other.sock"]) == 0
    ((socket, method, params),) = asked
    assert (socket, method) == ("other.sock", "faults_arm")
    assert [one["id"] for one in params["plan"]["fault"]] == [
        one["id"] for one in load_catalogue()[name].plan
    ]
    assert capsys.readouterr().out == "armed: plan 4\n"


@pytest.mark.parametrize(("words", "cleared"), [([], [1, 2, 3]), (["2"], [2])])
def test_clear(
    asked: list[tuple[str, str, dict[str, Any]]], words: list[str], cleared: list[int]
) -> None:
    assert cli.run_app(["card", "faults", "clear", *words]) == 0
    done = [params["handle"] for _, method, params in asked if method == "faults_disarm"]
    assert done == cleared


def test_list(
    asked: list[tuple[str, str, dict[str, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run_app(["card", "faults", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "plan 2 armed   f2: fired 2 times of 9 events"
    assert cli.run_app(["card", "faults", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["faults"][0]["id"] == "f1"


def test_what_a_card_says_drives_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    command.tell("\x1b[2Jviolation")
    assert capsys.readouterr().out.endswith(" \\x1b[2Jviolation\n")


@pytest.mark.parametrize("wrong", ["shared", "another's", "a link"])
def test_default_folder_of_somebody_else_is_refused(
    wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    monkeypatch.setattr(command, "default_folder", lambda: folder)
    assert command.socket_of(None) == folder / command.SOCKET_NAME
    if wrong == "shared":
        folder.chmod(0o777)
    elif wrong == "another's":
        monkeypatch.setattr("os.getuid", lambda: 12345)
    else:
        folder.rename(tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentProblem, match="not a folder of yours alone"):
        command.socket_of(None)


def test_a_signal_as_soon_as_it_says_that_it_waits_is_the_usual_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its reader is another process: it may send one while print() has not returned."""

    class Card:
        def account(self) -> tuple[list[str], bool]:
            return ["guests: 1"], True

    @contextmanager
    def serving(*_: object, **__: object) -> Iterator[Card]:
        yield Card()

    def tell(_: str) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(command, "serving", serving)
    monkeypatch.setattr(command, "tell", tell)
    assert cli.run_app(["card", "--socket", "s", "--strict"]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "guests: 1"
    assert not err
