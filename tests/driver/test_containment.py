# SPDX-License-Identifier: GPL-2.0-only
"""A program in the jails that runs and builds really make reaches nothing but its own."""

from __future__ import annotations

import os

import pytest

from images.jail.spec import JailSpec
from tests.containment.capture import JAILS, captured
from tests.containment.host import KINDS, LESS, REACHED, Host


@pytest.fixture(scope="module")
def jails() -> dict[str, JailSpec]:
    return captured()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in LESS])
def test_nothing_is_reached(jails: dict[str, JailSpec], kind: str) -> None:
    if os.getuid() != 0 and kind != "root":
        pytest.skip("another kind of host is imitated by root only")
    with Host() as host:
        found = {name: host.reached(kind, jails[name]) for name in JAILS}
    assert not [
        (name, attempt)
        for name, tried in found.items()
        for attempt, outcome in tried.items()
        if outcome == REACHED
    ]
