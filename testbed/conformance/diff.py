# SPDX-License-Identifier: GPL-2.0-only
"""Two recordings side by side: what differs, how much it matters, and whose job it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from testbed.conformance.keys import keys_of
from testbed.conformance.parse import EXIT, MESSAGE
from testbed.conformance.recording import MADE, Recording

ABSENT = "(absent)"


class Severity(StrEnum):
    """How much a difference matters, from the most on."""

    HIGH = "high"
    """A program or a driver can do something else: an answer refused, a limit, a capability."""
    MEDIUM = "medium"
    """Another value: a default, a version, an identity."""
    LOW = "low"
    """Two cards of one kind differ in it: address, serial number, what is plugged in."""


ORDER = tuple(Severity)
_LOW = (
    "permanent/*", "sysfs/address", "info/serial_number", "info/board.serial_number",
    "hwrm/*/mac_address", "module/Vendor *", "module/Date code", "module/Length *",
    "sysfs/phys_port_name", "sysfs/dev_port", "ip/portname", "port/port", "link/Speed",
    "link/Lanes", "link/Duplex", "link/Link detected", "fec/Active *",
)  # fmt: skip
_MEDIUM = (
    "pci/*", "info/*", "driver/firmware-version", "hwrm/VER_GET/*", "hwrm/NVM_GET_DEV_INFO/*",
    "coalesce/*", "rings/Current *", "pause/*", "hwmon/*", "parameters/*", "dump/version",
    "memory/*", "registers/*", "sysfs/*", "link/*", "module/*", "rss/*", "config/*/offset",
)  # fmt: skip
_OF_THE_KERNEL = (
    "features/*", "switch/*", "hwmon/*", "statistics/*", "groups/*", "selftests/*",
    "ip/num?xqueues",
)  # fmt: skip
_OF_TOOLS = ("*/message",)
_OF_THE_CABLE = ("link/Speed", "link/Lanes", "link/Link detected", "fec/Active *")


@dataclass(frozen=True)
class Difference:
    """One value that differs.

    :ivar whose: whose job it is to make them alike.
    """

    path: str
    left: str
    right: str
    severity: Severity
    whose: str


@dataclass(frozen=True)
class Comparison:
    """What came of two recordings.

    :ivar compared: values that both have or one lacks.
    :ivar one_sided: sections that one recording has not: nothing in them is compared.
    """

    differences: list[Difference]
    compared: int
    one_sided: dict[str, str]

    def worst(self) -> Severity | None:
        """The greatest severity there is."""
        return min((one.severity for one in self.differences), key=ORDER.index, default=None)


def compare(left: Recording, right: Recording) -> Comparison:
    """Every value of both, but for what they were made with."""
    here, there = left.sections(), right.sections()
    one_sided = {name: "left" if name in here else "right" for name in sorted(here ^ there)}
    paths = sorted(path for path in {*left.values, *right.values} if _is_compared(path, one_sided))
    same_host = all(
        left.values.get(f"{name}/name") == right.values.get(f"{name}/name") for name in MADE[1:]
    )
    return Comparison(list(_different(paths, left, right, same_host)), len(paths), one_sided)


def _is_compared(path: str, one_sided: dict[str, str]) -> bool:
    section = path.partition("/")[0]
    return section not in MADE and section not in one_sided


def _different(
    paths: list[str], left: Recording, right: Recording, same_host: bool
) -> Iterator[Difference]:
    for path in paths:
        if path in left.left_out or path in right.left_out:
            continue
        a, b = left.values.get(path, ABSENT), right.values.get(path, ABSENT)
        if a != b and not _hidden(a, b):
            yield Difference(path, a, b, severity_of(path, a, b), whose(path, same_host))


def _hidden(a: str, b: str) -> bool:
    """One was scrubbed, and what is left of it agrees."""
    pattern = {True: a, False: b}.get("xx" in a)
    if pattern is None or "xx" not in pattern:
        return False
    other = b if pattern is a else a
    if pattern == "xxxx":
        return other != ABSENT
    expression = re.escape(pattern).replace("xx", "[0-9a-fA-Fx]{2}")
    return re.fullmatch(expression, other, re.IGNORECASE) is not None


def severity_of(path: str, left: str, right: str) -> Severity:
    """How much a difference at ``path`` matters."""
    if path.endswith(f"/{EXIT}") or "[fixed]" in left + right:
        return Severity.HIGH
    if path.endswith(f"/{MESSAGE}"):
        return Severity.LOW
    if any(fnmatchcase(path, pattern) for pattern in _LOW):
        return Severity.LOW
    if any(fnmatchcase(path, pattern) for pattern in _MEDIUM):
        return Severity.MEDIUM
    return Severity.HIGH


def whose(path: str, same_host: bool) -> str:
    """The option that decides it, the cable, the kernels if they differ, or the card's model."""
    if any(fnmatchcase(path, pattern) for pattern in _OF_THE_CABLE):
        return "cable and link partner"
    if not same_host and any(fnmatchcase(path, one) for one in (*_OF_THE_KERNEL, *_OF_TOOLS)):
        return "kernel or tools: they differ"
    keys = keys_of(path)
    return f"personality: {', '.join(keys)}" if keys else "the card's model"
