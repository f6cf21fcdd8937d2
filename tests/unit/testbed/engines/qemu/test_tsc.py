# SPDX-License-Identifier: GPL-2.0-only
from __future__ import annotations

import platform

import pytest

from testbed.engines.qemu import tsc


def test_repeated_measurements_agree() -> None:
    first = tsc.host_tsc_khz.__wrapped__()
    second = tsc.host_tsc_khz.__wrapped__()
    if platform.machine() != "x86_64":
        assert first is second is None
        return
    assert first is not None
    assert second is not None
    assert first > 500_000
    assert abs(first - second) < first / 1000


def test_unknown_where_code_may_not_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(tsc.mmap, "mmap", refuse)
    assert tsc.host_tsc_khz.__wrapped__() is None


def test_unknown_on_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsc.platform, "machine", lambda: "aarch64")
    assert tsc.host_tsc_khz.__wrapped__() is None
