# SPDX-License-Identifier: GPL-2.0-only
"""Files with settings: lab.toml, fault plans, replay files."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.card.plans import load_plan
from testbed.engines.lab.config import COMMANDS_VARIABLE, find_dut
from testbed.errors import ConfigProblem, UsageProblem
from testbed.faults.replay import load_replay
from tests.unit.hostile_input.canary import Canary

LAB = """
[dut.alpha]
host = "{host}"
{login}
interface = "ens1f0np0"
pci_address = "0000:c1:00.0"
ipv4 = "192.0.2.1"
ipv6 = "2001:db8::1"

[dut.alpha.remote]
host = "beta.lab"
{remote}
interface = "ens1f0np0"
ipv4 = "192.0.2.2"
ipv6 = "2001:db8::2"
"""


@pytest.mark.parametrize("key", ["proxy_command", "ssh_config"])
@pytest.mark.parametrize("where", ["login", "remote"])
def test_lab_file_starts_no_program_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, where: str
) -> None:
    file = tmp_path / "lab.toml"
    lines = {"host": "alpha", "login": "", "remote": "", where: f'{key} = "lab.toml"'}
    file.write_text(LAB.format(**lines))
    monkeypatch.delenv(COMMANDS_VARIABLE, raising=False)
    with pytest.raises(ConfigProblem, match=rf"{key}: it can have OpenSSH start any program"):
        find_dut(file, None)
    monkeypatch.setenv(COMMANDS_VARIABLE, "1")
    assert find_dut(file, None).name == "alpha"


REPLAY = """
version = 1
name = "{name}"
workload = "stream"
engine = "uml"
seed = 1
fault = []
"""


@pytest.mark.parametrize("name", ["../../home/x", "/home/x", "..", "a/b", ""])
def test_name_in_a_replay_file_is_no_path(tmp_path: Path, name: str) -> None:
    file = tmp_path / "replay.toml"
    file.write_text(REPLAY.format(name=name))
    with pytest.raises(ConfigProblem, match=r"name: .* is no name of a fault"):
        load_replay(file)


@pytest.mark.parametrize(
    ("where", "what"),
    [
        ("__class__", 'action = "set"'),
        ("rx.frame", 'action = "__init__"'),
        ("rx.frame", 'action = "set", fields = { __dict__ = { add = 1 } }'),
        ("rx.frame", 'action = "set", file = "{file}"'),
        ("{file}", 'action = "set"'),
    ],
)
def test_plan_names_points_and_actions_only(
    tmp_path: Path, canary: Canary, where: str, what: str
) -> None:
    file = tmp_path / "plan.toml"
    text = f'version = 1\n[[fault]]\nid = "x"\nwhere = "{where}"\nwhat = {{ {what} }}\n'
    file.write_text(text.replace("{file}", str(canary.file)))
    with pytest.raises(UsageProblem, match=r"plan\.toml"):
        load_plan(file)
