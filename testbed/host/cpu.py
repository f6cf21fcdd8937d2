# SPDX-License-Identifier: GPL-2.0-only
"""Which CPU the host has, as far as programs that choose code by it can tell."""

from __future__ import annotations

from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
_TELLING = ("vendor_id", "cpu family", "model", "model name", "stepping", "flags", "cache size")


def host_cpu(cpuinfo: Path = CPUINFO) -> dict[str, str]:
    """The lines of the first CPU in /proc/cpuinfo that tell one kind from another."""
    first, _, _ = cpuinfo.read_text(encoding="utf-8").partition("\n\n")
    pairs = (line.partition(":") for line in first.splitlines())
    lines = {name.strip(): value.strip() for name, _, value in pairs}
    return {name: lines[name] for name in _TELLING if name in lines}


def cpu_name(cpuinfo: Path = CPUINFO) -> str:
    """Vendor, family, model, stepping and marketing name: "AuthenticAMD 25/17/1 AMD EPYC"."""
    cpu = host_cpu(cpuinfo)
    numbers = "/".join(cpu.get(name, "?") for name in ("cpu family", "model", "stepping"))
    return f"{cpu.get('vendor_id', '?')} {numbers} {cpu.get('model name', '?')}"
