# SPDX-License-Identifier: GPL-2.0-only
"""What of a CPU may change which code a program runs."""

from __future__ import annotations

from pathlib import Path

from testbed.host.cpu import cpu_name, host_cpu

ONE = """\
processor\t: {number}
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R)
stepping\t: 8
cpu MHz\t\t: {mhz}
cache size\t: 2048 KB
flags\t\t: fpu sse2 {flag}
"""


def cpuinfo(folder: Path, mhz: str, flag: str) -> Path:
    file = folder / "cpuinfo"
    file.write_text("\n".join(ONE.format(number=n, mhz=mhz, flag=flag) for n in range(2)))
    return file


def test_the_same_kind_of_cpu_is_the_same(tmp_path: Path) -> None:
    first = host_cpu(cpuinfo(tmp_path, "2100.000", "avx2"))
    assert host_cpu(cpuinfo(tmp_path, "2099.998", "avx2")) == first
    assert host_cpu(cpuinfo(tmp_path, "2100.000", "avx512f")) != first


def test_name_and_a_cpu_that_tells_nothing(tmp_path: Path) -> None:
    assert cpu_name(cpuinfo(tmp_path, "1", "x")) == "GenuineIntel 6/143/8 Intel(R) Xeon(R)"
    (tmp_path / "empty").write_text("")
    assert cpu_name(tmp_path / "empty") == "? ?/?/? ?"


def test_this_host_has_a_cpu_with_flags() -> None:
    assert host_cpu()["flags"]
