# SPDX-License-Identifier: GPL-2.0-only
"""How many examples property tests draw: few and always the same in CI, many at night."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, settings

PHASES = [phase for phase in Phase if phase is not Phase.explain]

settings.register_profile(
    "ci",
    derandomize=True,  # the same examples every time: what fails here fails everywhere
    deadline=None,
    phases=PHASES,  # explaining runs every line under a tracer
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile(
    "nightly",
    deadline=None,
    phases=PHASES,
    max_examples=1000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("ci")
