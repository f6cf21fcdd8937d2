# SPDX-License-Identifier: GPL-2.0-only
"""What UML refuses, and whose time is simulated."""

from __future__ import annotations

import pytest

from testbed.engines.open import build_options, engine_of
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
