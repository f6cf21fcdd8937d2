# SPDX-License-Identifier: GPL-2.0-only
"""A lab: machines that exist, with a card that is no model, over SSH; docs/lab.md."""

from __future__ import annotations

from testbed.engines.engine import Engine
from testbed.engines.lab.session import LabSession, prepare_lab

ENGINE = Engine(
    name="lab", prepare=prepare_lab, session=LabSession,
    lacks=(
        "coverage", "swiotlb", "peer", "packages", "root", "modules", "personality", "nvm",
        "append",
    ),
    requires=("lab",), owns_machine=False,
)  # fmt: skip
