# SPDX-License-Identifier: GPL-2.0-only
"""What tests of hostile input share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.hostile_input.canary import Canary
from tests.unit.kernels.fake_make import Lab, toy_lab


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return toy_lab(tmp_path, monkeypatch)
