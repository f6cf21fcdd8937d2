# SPDX-License-Identifier: GPL-2.0-only
"""lab.toml: what is read, and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.engines.lab.config import Disturb, find_dut, load_lab
from testbed.errors import ConfigProblem

ROOT = Path(__file__).parents[5]
GOOD = """
[dut.alpha]
host = "alpha.lab"
port = 2222
user = "tester"
become = ["sudo", "-n"]
interface = "ens1f0np0"
pci_address = "0000:C1:00.0"
ipv4 = "192.0.2.1"
ipv6 = "2001:db8::1"
disturb = ["link", "sysctls"]

[dut.alpha.remote]
host = "beta.lab"
interface = "ens1f0np0"
ipv4 = "192.0.2.2"
ipv6 = "2001:db8::2"
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "lab.toml"
    file.write_text(text)
    return file


def test_machine_is_read(tmp_path: Path) -> None:
    dut = find_dut(written(tmp_path, GOOD), None)
    assert (dut.name, dut.login.host, dut.login.port) == ("alpha", "alpha.lab", 2222)
    assert dut.login.become == ("sudo", "-n")
    assert dut.pci_address == "0000:c1:00.0"
    assert dut.driver == "bnxt_en"
    assert dut.disturb == {Disturb.LINK, Disturb.SYSCTLS}
    assert dut.remote.login is not None
    assert dut.remote.login.host == "beta.lab"


def test_the_example_is_valid() -> None:
    duts = load_lab(ROOT / "docs/lab.example.toml")
    assert {dut.remote.namespace for dut in duts.values()} >= {None, "peer"}


@pytest.mark.parametrize(
    ("old", "new", "key", "allowed"),
    [
        ('host = "alpha.lab"\n', "", "dut.alpha.host", "a string"),
        ("port = 2222", "port = 70000", "dut.alpha.port", "1..65535"),
        ("port = 2222", 'port = "ssh"', "dut.alpha.port", "an integer"),
        ("port = 2222", "prot = 2222", "dut.alpha.prot", "host"),
        ('"link"', '"power"', "dut.alpha.disturb", "link, driver, reset, sysctls"),
        ('host = "beta.lab"\n', "", "dut.alpha.remote.host", "host, namespace"),
        ('host = "beta.lab"', 'host = "b"\nnamespace = "c"', "dut.alpha.remote.host", "namespace"),
        ("[dut.alpha.remote]", "[dut.alpha.peer]", "dut.alpha.peer", "remote"),
        (GOOD[GOOD.index("[dut.alpha.remote]") :], "", "dut.alpha.remote", "a table"),
        ('host = "beta.lab"', 'namespace = "c"\nport = 22', "dut.alpha.remote.port", "host"),
        ("[dut.alpha]", "[host.alpha]", "host", "dut"),
        (GOOD, "dut = {}", "dut", "not empty"),
        ("port = 2222", 'identity = "none"', "dut.alpha.identity", "an existing file"),
        ("port = 2222", 'folder = "tmp"', "dut.alpha.folder", "an absolute path"),
        ('ipv4 = "192.0.2.1"', 'ipv4 = "192.0.2.1/24"', "dut.alpha.ipv4", "without /LENGTH"),
        ('ipv6 = "2001:db8::1"', 'ipv6 = "192.0.2.1"', "dut.alpha.ipv6", "an IPv6 address"),
    ],
)
def test_errors_name_file_key_and_what_is_allowed(
    tmp_path: Path, old: str, new: str, key: str, allowed: str
) -> None:
    file = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(ConfigProblem) as caught:
        load_lab(file)
    assert caught.value.file == file
    assert caught.value.key == key
    assert allowed in str(caught.value.remedy)


def test_unknown_machine_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match="'gamma'") as caught:
        find_dut(written(tmp_path, GOOD), "gamma")
    assert caught.value.remedy == "allowed: alpha"


def test_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblem, match="not TOML"):
        load_lab(written(tmp_path, "[dut"))
    with pytest.raises(ConfigProblem, match="cannot be read"):
        load_lab(tmp_path / "nowhere.toml")
