# SPDX-License-Identifier: GPL-2.0-only
"""What card and kernel say of a session, also of one that is lost or has no card."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from testbed.engines.session import Session
from testbed.errors import GuestTimeout, ModelFailure
from testbed.findings.kernel import GuestKernel
from testbed.findings.kernel_log import KernelLogWatcher
from testbed.report.results import RunReport
from testbed.report.seen import SeenKind
from testbed.workloads.seen import SessionAccount, explained, why_stuck

KERNEL = GuestKernel.of("7.2.12+deb13-amd64")
WARNING = b"[    1.000000] WARNING: CPU: 0 PID: 7 at net/core/dev.c:1 f+0x1/0x2\n[    1.1] end\n"
ON_RECORD = b"[    2.000000] bnxt_en 0000:01:00.0: Unable to create workqueue.\n"
"""As docs/findings/probe-workqueue-killed.md has it."""


def violation(rule: str, culprit: str) -> dict[str, Any]:
    return {"rule": rule, "t": 5_000_000, "culprit": culprit, "cause": f"{rule} it is"}


def session(
    log: bytes = b"", *, violations: tuple[dict[str, Any], ...] = (),
    unknown: dict[str, int] | None = None, card: bool = True, error: Exception | None = None,
) -> Session:  # fmt: skip
    counts: dict[str, int] = {}
    for one in violations:
        counts[one["rule"]] = counts.get(one["rule"], 0) + 1
    state = {
        "violations": {"counts": counts, "kept": list(violations)},
        "unknown_commands": unknown or {}, "live_mappings": 0, "digest": "c0ffee",
        "refused_commands": {"FUNC_VF_CFG": 1}, "missing_commands": {"NVM_READ": 3},
        "card": {"resources": {}, "receive": {"buffer_writes_after_free": 0}},
    }  # fmt: skip

    def answer() -> dict[str, Any]:
        if error is not None:
            raise error
        return state

    watcher = KernelLogWatcher()
    watcher.feed(log)
    made = SimpleNamespace(
        has_card=card, card=SimpleNamespace(state=answer), kernel_log=watcher,
        kernel=KERNEL, catch_up=lambda: None,
    )  # fmt: skip
    return cast("Session", made)


def test_each_different_thing_once_the_card_first() -> None:
    account = SessionAccount.of(
        session(
            WARNING * 3 + ON_RECORD, unknown={"31": 4},
            violations=(violation("a", "driver"), violation("b", "kernel"), violation("a", "card")),
        )
    )  # fmt: skip
    seen = account.seen
    assert [(one.kind, one.times) for one in seen] == [
        (SeenKind.VIOLATION, 2), (SeenKind.VIOLATION, 1), (SeenKind.UNKNOWN_REQUEST, 4),
        (SeenKind.COMPLAINT, 3), (SeenKind.FINDING, 1),
    ]  # fmt: skip
    assert seen[0].line == "violation: a ×2 (driver, a it is)"  # noqa: RUF001
    assert seen[2].line == "unknown firmware request: 0x1f ×4"  # noqa: RUF001
    assert "net/core/dev.c:1" in seen[3].detail
    assert seen[4].line.startswith("finding: probe-workqueue-killed: bnxt_en")


def test_nothing_said_nothing_seen() -> None:
    account = SessionAccount.of(session())
    assert (account.seen, account.event_hash) == ((), "c0ffee")
    account.require_answers()


def test_session_without_a_card_has_its_log() -> None:
    account = SessionAccount.of(session(WARNING, card=False))
    assert account.card is None
    assert [one.kind for one in account.seen] == [SeenKind.COMPLAINT]
    account.require_answers()


def test_card_that_does_not_answer_hides_no_complaint() -> None:
    account = SessionAccount.of(session(WARNING, error=ModelFailure("the card raised")))
    assert [one.kind for one in account.seen] == [SeenKind.COMPLAINT]
    with pytest.raises(ModelFailure):
        account.require_answers()
    report = RunReport("exec", "2026-11-21T12:00:00Z")
    account.add_to(report)
    assert report.violations is None


def test_last_lines_of_the_log_count() -> None:
    made = session()
    account = SessionAccount.of(made)
    made.kernel_log.feed(WARNING)  # it came as the machine was put away
    assert len(account.seen) == 1


def test_accounts_of_several_sessions_add_up() -> None:
    report = RunReport("ksft", "2026-11-21T12:00:00Z")
    for where in ("hds.py", "queues.py"):
        said = session(violations=(violation("a", "driver"),), unknown={"1": 2})
        SessionAccount.of(said, where=where).add_to(report)
    assert (report.violations, report.unknown_hwrm) == (2, 4)
    assert (report.refused_hwrm, report.missing_hwrm) == ({"FUNC_VF_CFG": 2}, {"NVM_READ": 6})
    assert report.refused_text == "2 as by the real card, 6 not modelled"
    assert [one.where for one in report.seen] == ["hds.py", "hds.py", "queues.py", "queues.py"]


OOPS = b"""[    3.0] BUG: kernel NULL pointer dereference, address: 0000000000000032
[    3.0] RIP: 0010:bnxt_poll_p5+0x1f0/0x3b0 [bnxt_en]
"""
"""As docs/findings/napi-poll-after-complete.md has it."""


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (WARNING, ""), (ON_RECORD, ""), (b"", ""),
        (WARNING + OOPS, "the kernel had said before: finding: napi-poll-after-complete: "),
        (OOPS.replace(b"bnxt_poll_p5", b"f"), "the kernel had said before: kernel: oops: "),
    ],
)  # fmt: skip
def test_only_what_ends_tasks_explains_one_that_does_not_end(log: bytes, said: str) -> None:
    watcher = KernelLogWatcher()
    watcher.feed(log)
    assert why_stuck(watcher, KERNEL).startswith(said)
    late = GuestTimeout("sh did not end within 5 s", remedy="more time")
    told = explained(late, watcher, KERNEL)
    assert (told is late) is (said == "")
    assert (told.message.startswith(f"{late.message}"), told.remedy) == (True, "more time")


def test_a_complaint_that_looks_like_a_finding_names_it() -> None:
    """One that only a misbehaving card shows explains nothing by hand, but the reader wants it."""
    lied = b"[    3.0] kernel BUG at drivers/net/ethernet/broadcom/bnxt/bnxt.c:1\n"
    said = lied + b"[    3.0] RIP: 0010:bnxt_tpa_agg+0x1/0x2 [bnxt_en]\n"
    [one] = SessionAccount.of(session(said)).seen
    assert one.kind is SeenKind.COMPLAINT
    assert "looks like the finding tpa-agg-bug-on, which only a misbehaving card" in one.text
