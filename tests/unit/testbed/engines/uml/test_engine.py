# SPDX-License-Identifier: GPL-2.0-only
"""What UML refuses, and whose time is simulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from testbed.engines.open import build_options, engine_of
from testbed.engines.uml import engine
from testbed.engines.uml.engine import ENGINE as UML
from testbed.errors import UsageProblem
from testbed.options import Accel, RunOptions, Switch


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"iommu": Switch.ON}, "--engine uml has no --iommu on"),
        ({"icount": True, "accel": Accel.KVM}, "no --icount and no --accel kvm"),
        ({"flavour": "debug"}, "flavour 'debug' is no UML kernel"),
        ({"cpus": 4}, "--cpus 4: flavour uml has one CPU"),
        ({"cpus": 2, "flavour": "uml-san"}, "--cpus 2: flavour uml-san has one CPU"),
    ],
)
def test_options_uml_does_not_have_are_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(UsageProblem, match=complaint):
        UML.check(RunOptions(engine="uml", **changes))  # type: ignore[arg-type]


def test_real_time_has_as_many_cpus_as_are_asked_for() -> None:
    UML.check(RunOptions(engine="uml", flavour="uml-smp", cpus=4))
    assert build_options({"engine": "uml"}).cpus == 1


@pytest.mark.parametrize(
    ("options", "simulated"),
    [
        (RunOptions(engine="uml"), True),
        (RunOptions(engine="uml", flavour="uml-san"), True),
        (RunOptions(engine="uml", flavour="uml-smp"), False),
        (RunOptions(), False),
    ],
)
def test_only_smp_runs_in_real_time(options: RunOptions, simulated: bool) -> None:
    assert engine_of(options).simulated_time(options) is simulated


@dataclass(frozen=True)
class Started:
    """What a run starts from, or its kernel, as far as patches matter."""

    kernel: object = None
    provenance: dict[str, Any] = field(default_factory=dict)


def test_the_report_names_the_kernel_with_the_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    built = Started(provenance={"key": "with patches"})

    class Builder:
        def build(self, _request: object) -> Started:
            return built

    monkeypatch.setattr(engine, "SourceKernels", Builder)
    usual: Any = Started("usual", {"kernel": {"key": "without"}, "root_image": "ours"})
    patched = UML.patched(RunOptions(engine="uml"), usual, [Path("bug.patch")])
    assert patched == Started(built, {"kernel": {"key": "with patches"}, "root_image": "ours"})
