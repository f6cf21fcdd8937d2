# SPDX-License-Identifier: GPL-2.0-only
"""lab.toml: machines with a card that tests may be replayed on (docs/lab.md)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from annotated_types import Interval, MinLen

from testbed.errors import ConfigProblem
from testbed.schema import After, FilePath, Text, WrongValue, read_toml

DEFAULT_FOLDER = "/var/tmp"
DEFAULT_DRIVER = "bnxt_en"
DEFAULT_LEASE_S = 30
COMMANDS_VARIABLE = "TESTBED_LAB_COMMANDS"
"""Set to 1 by a user who lets lab.toml have OpenSSH start programs on this host."""


class Disturb(StrEnum):
    """What tests may do to a machine besides settings of the interface, which are put back."""

    LINK = "link"
    DRIVER = "driver"
    RESET = "reset"
    SYSCTLS = "sysctls"


def _folder(value: str) -> str:
    if not value.startswith("/"):
        raise WrongValue(f"{value!r} is not absolute", allowed=["an absolute path"])
    return value


def _address(version: int) -> After:
    def check(value: str) -> str:
        try:
            right = ip_address(value).version == version
        except ValueError:
            right = False
        if not right:
            allowed = [f"an IPv{version} address, without /LENGTH"]
            raise WrongValue(f"{value!r} is no such address", allowed=allowed)
        return value

    return After(check)


Folder = Annotated[str, After(_folder)]
Ipv4 = Annotated[str, _address(4)]
Ipv6 = Annotated[str, _address(6)]


@dataclass(frozen=True, kw_only=True)
class Login:
    """How OpenSSH gets to a machine. ``become`` is put before each command: sudo, if need be."""

    host: Text
    port: Annotated[int, Interval(ge=1, le=65535)] | None = None
    user: Text | None = None
    identity: FilePath | None = None
    ssh_config: FilePath | None = None
    proxy_command: Text | None = None
    become: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key, path in (("identity", self.identity), ("ssh_config", self.ssh_config)):
            if path is not None and not path.is_file():
                raise WrongValue(f"{path} is no file", key=key, allowed=["an existing file"])


@dataclass(frozen=True, kw_only=True)
class Remote(Login):
    """The remote endpoint: another machine, or ``namespace`` on the DUT, which has no ``host``."""

    host: Text = ""
    interface: Text
    ipv4: Ipv4
    ipv6: Ipv6
    namespace: Text | None = None
    folder: Folder = DEFAULT_FOLDER

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.host) == bool(self.namespace):
            given = "both are given" if self.host else "neither is given"
            allowed = ["host", "namespace"]
            raise WrongValue(f"it is host or namespace; {given}", key="host", allowed=allowed)
        for key in () if self.host else fields(Login):
            if getattr(self, key.name):
                raise WrongValue("a namespace has no login", key=key.name, allowed=["host"])

    @property
    def login(self) -> Login | None:
        """How to get to it; None if it is a namespace."""
        return self if self.host else None


@dataclass(frozen=True, kw_only=True)
class DutTable(Login):
    """A device under test. ``folder`` is where temporary files go on its machine; ``lease_s``
    after the last sign of life from the runner the machine puts the interface back by itself.
    """

    interface: Text
    pci_address: Annotated[Text, After(str.lower)]
    ipv4: Ipv4
    ipv6: Ipv6
    remote: Remote
    driver: Text = DEFAULT_DRIVER
    folder: Folder = DEFAULT_FOLDER
    disturb: frozenset[Disturb] = frozenset()
    patience: Annotated[float, Interval(ge=1, le=100)] = 1.0
    lease_s: Annotated[int, Interval(ge=5, le=3600)] = DEFAULT_LEASE_S

    @property
    def login(self) -> Login:
        """How to get to it."""
        return self


@dataclass(frozen=True, kw_only=True)
class LabDut(DutTable):
    """A device under test and the name that lab.toml gives it."""

    name: str


@dataclass(frozen=True)
class _Lab:
    """The file: ``[dut.NAME]`` tables."""

    dut: Annotated[Mapping[str, DutTable], MinLen(1)]


def load_lab(file: Path) -> Mapping[str, LabDut]:
    """The machines of ``file`` by name. Raises ConfigProblem."""
    duts = read_toml(_Lab, file).dut
    return {name: LabDut(name=name, **vars(table)) for name, table in duts.items()}


def find_dut(file: Path, name: str | None) -> LabDut:
    """The machine called ``name``; None will do where there is but one.

    Raises ConfigProblem, also for a machine that is reached by programs of this host, which a
    lab.toml of somebody else must not start.
    """
    duts = load_lab(file)
    if name is None and len(duts) == 1:
        name = next(iter(duts))
    if name is None or name not in duts:
        problem = "several machines" if name is None else f"there is no {name!r}"
        raise ConfigProblem(file, "dut", f"{problem}: name one with --dut", allowed=sorted(duts))
    for login, place in ((duts[name], name), (duts[name].remote, f"{name}.remote")):
        _refuse_commands(file, login, f"dut.{place}")
    return duts[name]


def _refuse_commands(file: Path, login: Login, place: str) -> None:
    for key in ("proxy_command", "ssh_config"):
        if getattr(login, key) is not None and os.environ.get(COMMANDS_VARIABLE) != "1":
            raise ConfigProblem(
                file, f"{place}.{key}", "it can have OpenSSH start any program on this host",
                allowed=[
                    f"with {COMMANDS_VARIABLE}=1 in the environment", "in your own ~/.ssh/config",
                ],
            )  # fmt: skip
