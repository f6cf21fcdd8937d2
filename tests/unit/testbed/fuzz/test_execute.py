# SPDX-License-Identifier: GPL-2.0-only
"""What an executor asks a guest that does not go on; runs of schedules: tests/driver."""

from __future__ import annotations

from typing import Any

import pytest

from testbed.errors import LostVM, ModelFailure
from testbed.fuzz.execute import waiting

NAPI, LOCK = "in napi_disable\n", "in mutex_lock\n"


class Session:
    """A guest and its card: what each says, time after time."""

    def __init__(self, said: list[str | None], commands: list[int | None]) -> None:
        self.dut = self.card = self
        self._said, self._commands = said, commands

    def run(self, *_: Any, **__: Any) -> Any:
        said = self._said.pop(0)
        if said is None:
            raise LostVM("it takes longer than 10 s of CPU time")
        return type("Completed", (), {"text": said})

    def state(self) -> dict[str, int]:
        commands = self._commands.pop(0)
        if commands is None:
            raise ModelFailure("gone")
        return {"hwrm_requests": commands}


@pytest.mark.parametrize(
    ("said", "commands", "waits"),
    [
        ([LOCK, NAPI], [3], NAPI),  # what still waits counts
        ([LOCK, ""], [3], ""),
        ([NAPI, None], [3, 3], NAPI),  # nobody comes so far in time
        ([NAPI, None], [3, 4], ""),  # it goes on
        ([NAPI, None], [None], ""),
        ([NAPI, None], [3, None], ""),
        ([None, None], [3, 3], ""),
    ],
)
def test_who_waits_for_ever(said: list[str | None], commands: list[int | None], waits: str) -> None:
    session: Any = Session(said, commands)
    assert waiting(session) == waits
