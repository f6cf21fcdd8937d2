# SPDX-License-Identifier: GPL-2.0-only
"""A recording: values by path, and what is left out of them, with the reason.

A path is ``section/name``; the sections are those of ``record.sh``, and ``hwrm`` is what the
firmware answered, which only an emulated card tells.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from testbed.conformance.parse import read_face
from testbed.errors import EnvironmentProblem, full_disk
from testbed.schema import read_json, read_text

FORMAT = 1
MADE = ("made", "kernel", "tools")
"""Sections that say what a recording was made with: they are told, not compared."""

LEFT_OUT: Mapping[str, str] = {
    "config/serial/number": "the driver tells it, too (info)",
    "pci/irq": "the kernel gives it out",
    "pci/numa_node": "where the card is plugged in",
    "pci/current_link_*": "the slot and its other end",
    "pci/ari_enabled": "the slot",
    "pci/reset_method": "the kernel, and the slot",
    "bar/6": "the kernel may leave the expansion ROM without an address",
    "sysfs/carrier": "the cable",
    "sysfs/mtu": "the administrator",
    "sysfs/tx_queue_len": "the administrator",
    "sysfs/phys_switch_id": "made of the serial number",
    "sysfs/speed": "told by ethtool, too (link)",
    "sysfs/duplex": "told by ethtool, too (link)",
    "hwmon/*_input": "it varies with time",
    "hwmon/*_alarm": "it varies with time",
    "hwmon/uevent": "none of the card's",
    "ip/mtu": "the administrator",
    "ip/qlen": "the administrator",
    "ip/qdisc": "the administrator",
    "ip/switchid": "made of the serial number",
    "ip/parent*": "where the card is plugged in",
    "ip/gso_*": "the administrator, within tso_max_*",
    "ip/gro_*": "the administrator",
    "driver/version": "the kernel",
    "driver/bus-info": "where the card is plugged in",
    "link/Current message level": "the administrator",
    "link/Link partner *": "the other end of the cable",
    "channels/Current hardware settings/*": "the driver chooses by the number of CPUs",
    "timestamping/PTP Hardware Clock": "the kernel gives the number out",
    "timestamping/Hardware timestamp provider *": "the kernel gives the number out",
    "dump/length": "it varies with what the card holds",
    "health/*/state": "it varies with time",
    "health/*/error": "it varies with time",
    "health/*/recover": "it varies with time",
    "health/*/last_dump_*": "it varies with time",
    "module/Module temperature": "it varies with time",
    "module/Module voltage": "it varies with time",
    "module/*current*": "it varies with time",
    "module/*power (*": "it varies with time",
    "module/*signal*": "it varies with time",
    "hwrm/VER_GET/def_req_timeout": "the emulated card tells more where time is not simulated",
    "hwrm/FUNC_QCFG/alloc_*": "what the driver has reserved, by the number of CPUs",
    "hwrm/NVM_GET_DEV_INFO/available_size": "it varies with what is stored",
    "hwrm/DBG_QCFG/*dump_size": "it varies with what the card holds",
    "hwrm/TEMP_MONITOR_QUERY/temp": "it varies with time",
    "hwrm/TEMP_MONITOR_QUERY/om_temp": "it varies with time",
    "hwrm/PCIE_QSTATS/*": "counters",
}
"""Patterns of paths (fnmatch) whose values are of a time, a host or a run, and why."""


@dataclass(frozen=True)
class Recording:
    """The face of one card.

    :ivar values: path -> value.
    :ivar left_out: path that was there -> why its value is of no card.
    """

    values: dict[str, str]
    left_out: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Recording:
        """What is left of values once those of no card are gone."""
        reasons = {path: reason for path in values if (reason := _reason(path))}
        kept = {path: value for path, value in sorted(values.items()) if path not in reasons}
        return cls(kept, dict(sorted(reasons.items())))

    def sections(self) -> set[str]:
        """Those that say something of the card."""
        return {path.partition("/")[0] for path in self.values} - set(MADE)

    def made_with(self) -> str:
        """Kernel and tools, in a line."""
        return "; ".join(self.values.get(f"{name}/name", "?") for name in MADE[1:])

    def text(self) -> str:
        """The recording as JSON: the same recording is the same text."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"


def _reason(path: str) -> str:
    return next((why for pattern, why in LEFT_OUT.items() if fnmatchcase(path, pattern)), "")


def load(file: Path) -> Recording:
    """A recording on file, or the output of ``record.sh``. Raises ConfigProblem, UsageProblem."""
    text = read_text(file)
    if text.lstrip().startswith("{"):
        return read_json(Recording, file, text)
    return Recording.of(read_face(text, file))


def save(file: Path, text: str) -> None:
    """Write what was asked for. Raises EnvironmentProblem."""
    try:
        file.write_text(text, encoding="utf-8")
    except FileNotFoundError as err:
        raise EnvironmentProblem(f"{file}: {err.strerror}") from err
    except OSError as err:
        raise full_disk(file, err) from err
