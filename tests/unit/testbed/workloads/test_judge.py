# SPDX-License-Identifier: GPL-2.0-only
"""What the card says of a run, judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from testbed.workloads.judge import CardAccount, CheckFailed

CLEAN = CardAccount.of(
    {
        "violations": {"counts": {}, "kept": []}, "unknown_commands": {}, "live_mappings": 0,
    "refused_commands": {}, "missing_commands": {},
        "card": {
            "resources": {"ring": 0, "vnic": 1}, "receive": {"buffer_writes_after_free": 0},
            "oracle": {"batches": 12, "judged_bytes": 4096},
        },
    }
)  # fmt: skip


def test_clean_run() -> None:
    assert CLEAN.require_no_violation() == "0 violations, oracle judged 12 batches"
    assert replace(CLEAN, batches_judged=None).require_no_violation().endswith("oracle off")
    requests = replace(CLEAN, refused_hwrm={"FUNC_VF_CFG": 1}, missing_hwrm={"NVM_READ": 2})
    assert requests.require_known_hwrm() == (
        "0 unknown requests, 1 refused as by the real card, 2 not modelled"
    )
    assert CLEAN.live_resources == {"vnic": 1}


def test_violations_and_unknown_requests_fail() -> None:
    with pytest.raises(CheckFailed, match="posted_twice ×2"):  # noqa: RUF001
        replace(CLEAN, violations={"posted_twice": 2}).require_no_violation()
    with pytest.raises(CheckFailed, match="0x1f"):
        replace(CLEAN, unknown_hwrm={"31": 1}).require_known_hwrm()


def test_what_the_oracle_judged_covers_what_was_received() -> None:
    assert CLEAN.require_judged(4096) == "buffers of 4096 bytes, at least 4096 received"
    assert replace(CLEAN, batches_judged=None).require_judged(4096) == "the oracle is off"
    with pytest.raises(CheckFailed, match="buffers of 4096 bytes; 4097 were received"):
        CLEAN.require_judged(4097)
    with pytest.raises(CheckFailed, match="judged nothing"):
        replace(CLEAN, batches_judged=0, bytes_judged=0).require_judged(0)
