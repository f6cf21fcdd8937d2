# SPDX-License-Identifier: GPL-2.0-only
"""What a run showed: its signatures, what of it is new, and that it can be sent."""

from __future__ import annotations

import pickle

from testbed.fuzz.outcome import Complaint, Ended, Outcome

NEW = Complaint(signature="kernel:KASAN:bnxt_poll", oracle="kernel", text="BUG: KASAN")
KNOWN = Complaint(signature="dma:posted_twice", oracle="dma", finding="rx-length-unchecked")


def test_signatures_and_what_is_new() -> None:
    outcome = Outcome(schedule="0" * 16, ended=Ended.DONE, complaints=(NEW, KNOWN, NEW))
    assert outcome.signatures == {NEW.signature, KNOWN.signature}
    assert outcome.new == (NEW, NEW)
    assert Outcome(schedule="0" * 16, ended=Ended.HUNG).new == ()


def test_it_goes_from_one_process_to_another() -> None:
    outcome = Outcome(
        schedule="0" * 16, ended=Ended.CRASHED, complaints=(NEW,), edges={0x60001000: 3},
        states=frozenset({"hwrm:RING_ALLOC>RING_FREE"}), fired={"1": 2}, events={"rx.frame": 9},
    )  # fmt: skip
    assert pickle.loads(pickle.dumps(outcome)) == outcome
