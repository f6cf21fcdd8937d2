# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong with a zero-copy send."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

import pytest

from testbed.dut.defer import DeferStack
from testbed.dut.sendzc import Transcript
from testbed.workloads import sending
from testbed.workloads.judge import DATA_DIFFERS, CheckFailed
from testbed.workloads.workload import WorkloadContext

HASH = {"do": "hash", "error": None, "bytes": 5, "sha256": "aa"}
CQE = {"user": 1, "res": 5, "error": None, "more": True, "notification": False, "copied": False,
       "buffer_more": False, "buffer": None}  # fmt: skip
DONE = {"do": "completions", "error": None, "completions": [CQE]}


def sent(monkeypatch: pytest.MonkeyPatch, here: list[Any], there: list[Any]) -> WorkloadContext:
    """After a send in which the ends reported that."""
    nowhere: Any = None
    context = WorkloadContext(nowhere, nowhere, DeferStack())
    played = Transcript(here), Transcript(there)
    monkeypatch.setattr(sending.sendzc, "play", lambda *_: played)
    sending.send_zc(context)
    return context


def test_what_arrives_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    context = sent(monkeypatch, [DONE, HASH], [{**HASH, "do": "drain"}])
    assert context.output == ["3 completions"]


@pytest.mark.parametrize(
    ("here", "there", "complaint"),
    [
        ([DONE, HASH], [{**HASH, "do": "drain", "sha256": "bb"}], DATA_DIFFERS),
        ([DONE], [], DATA_DIFFERS),
        ([DONE, {**HASH, "error": "EIO"}], [{**HASH, "do": "drain"}], "refused"),
        ([{**DONE, "completions": [{**CQE, "error": "EFAULT"}]}, HASH],
         [{**HASH, "do": "drain"}], "send 1: EFAULT"),
        ([{**DONE, "completions": [{**CQE, "error": "ENOMEM"}]}, HASH],
         [{**HASH, "do": "drain", "bytes": 3, "sha256": "bb"}], "send 1: ENOMEM"),
    ],
)  # fmt: skip
def test_what_does_not_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, here: list[Any], there: list[Any], complaint: str
) -> None:
    with pytest.raises(CheckFailed, match=complaint):
        sent(monkeypatch, here, there)


@pytest.mark.parametrize(
    ("error", "refused", "complaint"),
    [("EFAULT", {1}, ""), (None, {1}, "send 1: not refused"), ("EFAULT", {2}, "send 1: EFAULT")],
)
def test_what_is_to_be_refused_is_and_has_its_notification(
    monkeypatch: pytest.MonkeyPatch, error: str | None, refused: set[int], complaint: str
) -> None:
    nowhere: Any = None
    cqes = [{**CQE, "error": error}, {**CQE, "notification": True}]
    here, there = [{**DONE, "completions": cqes}, HASH], [{**HASH, "do": "drain"}]
    monkeypatch.setattr(sending.sendzc, "play", lambda *_: (Transcript(here), Transcript(there)))
    context = WorkloadContext(nowhere, nowhere, DeferStack())
    if complaint:
        with pytest.raises(CheckFailed, match=complaint):
            sending.play(context, (), (), refused)
    else:
        assert sending.play(context, (), (), refused) == len(cqes)


@pytest.mark.parametrize("came", [{"bytes": 0, "error": "ETIMEDOUT"}, {"error": "ETIMEDOUT"}])
def test_nothing_is_sent_for_a_device_that_has_gone(
    monkeypatch: pytest.MonkeyPatch, came: dict[str, Any]
) -> None:
    assert over_a_reload(monkeypatch, came) == [
        "nothing sent out of a dmabuf of a device that has gone"
    ]


def test_what_is_sent_for_one_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CheckFailed, match=f"{DATA_DIFFERS}: 3 bytes sent"):
        over_a_reload(monkeypatch, {"bytes": 3})


def over_a_reload(monkeypatch: pytest.MonkeyPatch, came: dict[str, Any]) -> list[str]:
    monkeypatch.setattr(sending, "reload_driver", lambda *_, **__: None)
    monkeypatch.setattr(sending, "ping", lambda *_, **__: None)
    context: Any = MagicMock(output=[])
    context.devmem_setup.console.do.return_value = {"id": 1, "bytes": sending._PIECE_BYTES}
    context.devmem_setup.sender.attempt.return_value = came
    sending.sent_over_a_reload(context)
    return list(context.output)
