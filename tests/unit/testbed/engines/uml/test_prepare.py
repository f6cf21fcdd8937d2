# SPDX-License-Identifier: GPL-2.0-only
"""Which --kernel is built here, which is run as it is, and in which flavour's time."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernels.build import BuiltKernel
from testbed.engines.uml import prepare
from testbed.engines.uml.prepare import names_own
from testbed.errors import UsageProblem
from testbed.options import RunOptions

ONE_CPU = {"UML_TIME_TRAVEL_SUPPORT": "y"}


def options(**given: object) -> RunOptions:
    return RunOptions(engine="uml", cpus=1, **given)  # type: ignore[arg-type]


def test_sources_are_built_and_builds_are_run(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources/Kconfig").touch()
    (tmp_path / "build").mkdir()
    assert not names_own(options())
    assert not names_own(options(kernel="7.2"))
    assert not names_own(options(kernel=str(tmp_path / "sources")))
    assert names_own(options(kernel=str(tmp_path / "build")))
    assert names_own(options(kernel=str(tmp_path / "not/there")))


class Kernels:
    """Has one kernel with a configuration."""

    def __init__(self, config: dict[str, str]) -> None:
        self.config = config

    def own_uml(self, path: Path, flavour: str) -> BuiltKernel:
        about = {"config": self.config}
        return BuiltKernel(flavour, path, path, path, None, "7.2-mine", "key", about)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flavour", "config", "complaint"),
    [
        ("uml", {**ONE_CPU, "SMP": "y"}, "with SMP"),
        ("uml-smp", ONE_CPU, "without SMP"),
        ("uml", {}, "lacks CONFIG_UML_TIME_TRAVEL_SUPPORT"),
    ],
)
def test_flavour_and_kernel_disagree(flavour: str, config: dict[str, str], complaint: str) -> None:
    given = options(kernel="./linux", flavour=flavour)
    with pytest.raises(UsageProblem, match=complaint):
        prepare._own(Kernels(config), given)  # type: ignore[arg-type]


def test_kernel_for_the_flavour() -> None:
    given = options(kernel="./linux")
    assert prepare._own(Kernels(ONE_CPU), given).release == "7.2-mine"  # type: ignore[arg-type]


def test_no_coverage_of_a_kernel_built_elsewhere() -> None:
    given = options(kernel="./linux", coverage=True)
    with pytest.raises(UsageProblem, match="coverage is counted by kernels that are built here"):
        prepare._own(Kernels(ONE_CPU), given)  # type: ignore[arg-type]


def test_coverage_of_a_kernel_that_counts(tmp_path: Path) -> None:
    """What `testbed kernel build --coverage` built, with patches."""
    image = tmp_path / "linux"
    image.write_bytes(b"\x7fELF UML_COVERAGE\0")
    given = options(kernel=str(image), coverage=True)
    assert prepare._own(Kernels(ONE_CPU), given).image == image  # type: ignore[arg-type]
    image.write_bytes(b"\x7fELF")
    with pytest.raises(UsageProblem, match="coverage is counted"):
        prepare._own(Kernels(ONE_CPU), given)  # type: ignore[arg-type]
