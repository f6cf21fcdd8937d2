# SPDX-License-Identifier: GPL-2.0-only
"""A bug of a campaign becomes a record: what was injected, what came of it, how to run it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from testbed.errors import UsageProblem
from testbed.findings.head import Needs, Trigger
from testbed.followup.file import SCHEDULE
from testbed.fuzz.outcome import Complaint, Ended, Outcome
from testbed.fuzz.reading import TriageRow
from testbed.fuzz.record import candidate, file_bug, story
from testbed.fuzz.related import Likeness, likeness
from testbed.fuzz.schedule import Companion, read_schedule
from testbed.fuzz.triage import Confirmed
from tests.unit.testbed.followup.made_up import check_of, leave, summary_of
from tests.unit.testbed.fuzz.campaigns import LOST, MEMORY, OLD, REFUSED, WARN, MadeUp, schedule
from tests.unit.testbed.fuzz.test_confirm import LOG

NEW = Complaint(signature="memory: bnxt_new_bug", oracle="kernel", text="it oopsed")
SPLAT = {
    "sanitizer": "oops", "kind": "kernel NULL pointer dereference", "function": "bnxt_new_bug",
    "headline": "BUG: kernel NULL pointer dereference, address: 0000000000000032", "trace": [],
}  # fmt: skip
SMALL = schedule(LOST, kernel="/home/me/linux")


def outcomes(shown: int, tried: int) -> list[Outcome]:
    return [
        Outcome(
            schedule=SMALL.name, ended=Ended.CRASHED if n < shown else Ended.DONE,
            complaints=(NEW,) * (n < shown), event_hash="aa", fired={"lost": 2},
            output=("a\x1b[2J",),
        )
        for n in range(tried)
    ]  # fmt: skip


def run_directory(tmp_path: Path) -> Path:
    check = check_of("fail", name=SMALL.name, group="", splats=[SPLAT])
    leave(tmp_path / "run", summary_of(check, job="fuzz"), LOG)
    (tmp_path / "run" / SCHEDULE).write_text(SMALL.text)
    return tmp_path / "run"


def test_in_one_call(tmp_path: Path) -> None:
    run = run_directory(tmp_path)
    found, left = file_bug("new-bug", run, SMALL, outcomes(5, 5), NEW.signature, tmp_path)
    assert (found.needs, found.trigger) == (Needs.LYING_CARD, Trigger.CARD)
    assert (found.reproducer.schedule, found.reproducer.deterministic) == (SCHEDULE, True)
    assert read_schedule(found.folder / SCHEDULE) == replace(SMALL, kernel=None)
    [checked] = found.checked
    assert (checked.runs, checked.shown, checked.event_hashes) == (5, 5, 1)
    text = found.path.read_text()
    assert "- `lost` at `cqe.write`" in text
    assert "*Could an honest card do it?* no: " in text
    assert "Shown in 5 of 5 runs" in text
    assert "\x1b" not in text
    assert left
    assert (
        likeness(found, [{"point": "cqe.write", "action": "drop", "event": {}}]) is Likeness.EVENT
    )
    assert likeness(found, [{"point": "irq.raise", "action": "drop", "event": {}}]) is Likeness.NONE


def test_one_that_shows_now_and_then(tmp_path: Path) -> None:
    run = run_directory(tmp_path)
    found, _ = file_bug("new-bug", run, SMALL, outcomes(2, 5), NEW.signature, tmp_path)
    assert not found.reproducer.deterministic
    assert (found.checked[0].shown, found.checked[0].runs) == (2, 5)


def test_one_that_does_not_show_is_no_record(tmp_path: Path) -> None:
    run = run_directory(tmp_path)
    with pytest.raises(UsageProblem, match="has not shown in 5 runs"):
        file_bug("new-bug", run, SMALL, outcomes(5, 5), "WARN: elsewhere", tmp_path)
    assert not (tmp_path / "new-bug.md").exists()


def test_story_of_companions() -> None:
    one = schedule(REFUSED, companions=(Companion(kind="failslab", what="skbuff_head_cache"),))
    text = story(one, outcomes(1, 1), Confirmed.of(outcomes(1, 1), NEW.signature))
    assert "*In the guest:* `failslab` skbuff_head_cache, every 10, 20 times" in text
    assert "yes: the firmware refuses" in text
    below = Companion(kind="failslab_sleeping", within="bnxt_init_nic", every=1, times=1)
    text = story(replace(one, companions=(below,)), outcomes(1, 1), Confirmed.of([], NEW.signature))
    assert "`failslab_sleeping` below `bnxt_init_nic()`, every 1, 1 times" in text
    nth = Companion(kind="fail_nth", within="bnxt_init_nic", every=3, times=5)
    text = story(replace(one, companions=(nth,)), outcomes(1, 1), Confirmed.of([], NEW.signature))
    assert "`bnxt_init_nic()`, the allocation 3 of an operation, then the next; 5 attempts" in text
    last = replace(one, companions=(replace(nth, every=0),))
    text = story(last, outcomes(1, 1), Confirmed.of([], NEW.signature))
    assert ", the last allocation of an operation, then the one before; 5 attempts" in text
    several = replace(one, companions=(replace(nth, behind=2),))
    text = story(several, outcomes(1, 1), Confirmed.of([], NEW.signature))
    assert "; 5 attempts; with it up to 2 behind it" in text


def made(tmp_path: Path) -> MadeUp:
    found = MadeUp(tmp_path / "c")
    found.run(schedule(REFUSED, LOST), MEMORY)
    found.run(schedule(REFUSED), OLD)
    return found


def test_chosen_by_signature_or_schedule(tmp_path: Path) -> None:
    store = made(tmp_path).store
    whole = schedule(REFUSED, LOST)
    assert candidate(store, MEMORY.signature).schedule == whole
    assert candidate(store, whole.name[:6]).signature == MEMORY.signature
    with store.batch():
        store.add_schedule(SMALL, whole.name, "minimise")
        store.triaged(TriageRow(signature=MEMORY.signature, minimal=SMALL.name))
    assert candidate(store, MEMORY.signature).schedule == SMALL, "the smallest there is"
    assert candidate(store, SMALL.name).signature == MEMORY.signature


@pytest.mark.parametrize("wanted", [WARN.signature, "ffff", "", "a"])
def test_unknown_ones(wanted: str, tmp_path: Path) -> None:
    with pytest.raises(UsageProblem) as caught:
        candidate(made(tmp_path).store, wanted)
    assert MEMORY.signature in str(caught.value.remedy)


def test_on_record_already(tmp_path: Path) -> None:
    with pytest.raises(UsageProblem, match="on record as tpa-agg-bug-on"):
        candidate(made(tmp_path).store, OLD.signature)
