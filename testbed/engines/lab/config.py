# SPDX-License-Identifier: GPL-2.0-only
"""lab.toml: machines with a card that tests may be replayed on (docs/lab.md)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from testbed.errors import ConfigProblem

DEFAULT_FOLDER = "/var/tmp"
DEFAULT_DRIVER = "bnxt_en"
DEFAULT_LEASE_S = 30


class Disturb(StrEnum):
    """What tests may do to a machine besides settings of the interface, which are put back."""

    LINK = "link"
    DRIVER = "driver"
    RESET = "reset"
    SYSCTLS = "sysctls"


@dataclass(frozen=True, kw_only=True)
class Login:
    """How OpenSSH gets to a machine. ``become`` is put before each command: sudo, if need be."""

    host: str
    port: int | None = None
    user: str | None = None
    identity: Path | None = None
    ssh_config: Path | None = None
    proxy_command: str | None = None
    become: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Remote:
    """The remote endpoint: another machine, or (``login`` None) ``namespace`` on the DUT."""

    interface: str
    ipv4: str
    ipv6: str
    login: Login | None = None
    namespace: str | None = None
    folder: str = DEFAULT_FOLDER


@dataclass(frozen=True, kw_only=True)
class LabDut:
    """A device under test. ``folder`` is where temporary files go on its machine; ``lease_s``
    after the last sign of life from the runner the machine puts the interface back by itself.
    """

    name: str
    login: Login
    interface: str
    pci_address: str
    ipv4: str
    ipv6: str
    remote: Remote
    driver: str = DEFAULT_DRIVER
    folder: str = DEFAULT_FOLDER
    disturb: frozenset[Disturb] = frozenset()
    patience: float = 1.0
    lease_s: int = DEFAULT_LEASE_S


class _Table:
    """One table of the file. Each key is asked for once; what is left over is unknown."""

    def __init__(self, file: Path, name: str, content: object) -> None:
        self._file = file
        self._name = name
        if not isinstance(content, dict):
            raise ConfigProblem(file, name, "must be a table", allowed=[f"[{name}]"])
        self._content: dict[str, Any] = dict(content)
        self._asked: list[str] = []

    def problem(self, key: str, text: str, allowed: list[str] | None = None) -> ConfigProblem:
        return ConfigProblem(self._file, f"{self._name}.{key}", text, allowed=allowed)

    def take(self, key: str, kind: str, types: tuple[type, ...]) -> Any:
        """The value, or None if it is not given."""
        self._asked.append(key)
        value = self._content.pop(key, None)
        wrong = isinstance(value, bool) or not isinstance(value, types)
        if value is not None and wrong:
            raise self.problem(key, f"{value!r} is not {kind}", [kind])
        return value

    def text(self, key: str) -> str | None:
        value: str | None = self.take(key, "a string", (str,))
        if value == "":
            raise self.problem(key, "is empty", ["a string"])
        return value

    def needed(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise self.problem(key, "is missing", ["a string"])
        return value

    def number(self, key: str, low: float, high: float, default: float) -> float:
        value = self.take(key, "a number", (int, float))
        if value is not None and not low <= value <= high:
            raise self.problem(key, f"{value} is out of range", [f"{low:g}..{high:g}"])
        return default if value is None else float(value)

    def words(self, key: str) -> list[str]:
        value = self.take(key, "a list of strings", (list,)) or []
        if not all(isinstance(word, str) for word in value):
            raise self.problem(key, f"{value!r} is not a list of strings", ["a list of strings"])
        return list(value)

    def path(self, key: str) -> Path | None:
        value = self.text(key)
        return None if value is None else self._file.parent / Path(value).expanduser()

    def folder(self) -> str:
        value = self.text("folder") or DEFAULT_FOLDER
        if not value.startswith("/"):
            raise self.problem("folder", f"{value!r} is not absolute", ["an absolute path"])
        return value

    def address(self, version: int) -> str:
        """The value of ``ipv4`` or ``ipv6``, without a prefix length."""
        key = f"ipv{version}"
        value = self.needed(key)
        try:
            right = ip_address(value).version == version
        except ValueError:
            right = False
        if not right:
            allowed = [f"an IPv{version} address, without /LENGTH"]
            raise self.problem(key, f"{value!r} is no such address", allowed)
        return value

    def end(self) -> None:
        for key in self._content:
            raise self.problem(key, "unknown key", sorted(self._asked))


def _login(table: _Table, host: str) -> Login:
    port = table.number("port", 1, 65535, 0)
    login = Login(
        host=host,
        port=int(port) or None,
        user=table.text("user"),
        identity=table.path("identity"),
        ssh_config=table.path("ssh_config"),
        proxy_command=table.text("proxy_command"),
        become=tuple(table.words("become")),
    )
    for key, path in (("identity", login.identity), ("ssh_config", login.ssh_config)):
        if path is not None and not path.is_file():
            raise table.problem(key, f"{path} is no file", ["an existing file"])
    return login


def _remote(table: _Table) -> Remote:
    host, namespace = table.text("host"), table.text("namespace")
    if (host is None) == (namespace is None):
        given = "neither is given" if host is None else "both are given"
        raise table.problem("host", f"it is host or namespace; {given}", ["host", "namespace"])
    remote = Remote(
        interface=table.needed("interface"),
        ipv4=table.address(4),
        ipv6=table.address(6),
        login=None if host is None else _login(table, host),
        namespace=namespace,
        folder=table.folder(),
    )
    table.end()
    return remote


def _dut(file: Path, name: str, content: object) -> LabDut:
    table = _Table(file, f"dut.{name}", content)
    allowed = [str(one) for one in Disturb]
    disturb = table.words("disturb")
    for word in disturb:
        if word not in allowed:
            raise table.problem("disturb", f"{word!r} is not allowed", allowed)
    remote = table.take("remote", "a table", (dict,))
    if remote is None:
        raise table.problem("remote", "is missing", ["a table"])
    dut = LabDut(
        name=name,
        login=_login(table, table.needed("host")),
        interface=table.needed("interface"),
        pci_address=table.needed("pci_address").lower(),
        ipv4=table.address(4),
        ipv6=table.address(6),
        driver=table.text("driver") or DEFAULT_DRIVER,
        folder=table.folder(),
        disturb=frozenset(Disturb(word) for word in disturb),
        patience=table.number("patience", 1, 100, 1.0),
        lease_s=int(table.number("lease_s", 5, 3600, DEFAULT_LEASE_S)),
        remote=_remote(_Table(file, f"dut.{name}.remote", remote)),
    )
    table.end()
    return dut


def load_lab(file: Path) -> Mapping[str, LabDut]:
    """The machines of ``file`` by name. Raises ConfigProblem."""
    try:
        document = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
        raise ConfigProblem(file, "(whole file)", f"not TOML: {err}") from err
    except OSError as err:
        raise ConfigProblem(file, "(whole file)", f"cannot be read: {err.strerror}") from err
    for key in document:
        if key != "dut":
            raise ConfigProblem(file, key, "unknown table", allowed=["[dut.NAME]"])
    tables = document.get("dut", {})
    if not isinstance(tables, dict) or not tables:
        raise ConfigProblem(file, "dut", "no machine is described", allowed=["[dut.NAME]"])
    return {name: _dut(file, name, content) for name, content in tables.items()}


def find_dut(file: Path, name: str | None) -> LabDut:
    """The machine called ``name``; None will do where there is but one. Raises ConfigProblem."""
    duts = load_lab(file)
    if name is None and len(duts) == 1:
        return next(iter(duts.values()))
    if name is None or name not in duts:
        said = "several machines" if name is None else f"there is no {name!r}"
        raise ConfigProblem(file, "dut", f"{said}: name one with --dut", allowed=sorted(duts))
    return duts[name]
