# SPDX-License-Identifier: GPL-2.0-only
"""One thing that goes wrong: of what runs have met, what was tried least."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from testbed.card.plans import POINTS
from testbed.fuzz import sweep
from testbed.fuzz.classes import STREAMS
from testbed.fuzz.companions import RECEIVING
from testbed.fuzz.fitting import OPENING, REOPENING, TPA_WORKLOADS
from testbed.fuzz.generate import NAMED_CARDS, Environment
from testbed.fuzz.going_wrong import AT_ONCE, Kind
from testbed.fuzz.grammar import ASKED_AGAIN, BUSY_FOR, Fault
from testbed.fuzz.met import Places, counted
from testbed.fuzz.parts import Made
from testbed.fuzz.schedule import Schedule, check
from testbed.fuzz.sweep import COPIES, KEPT, KEPT_NEEDED, MORE, Sweep
from testbed.fuzz.turns import ATTEMPTS, BEHIND
from testbed.fuzz.wild import is_wild
from tests.unit.testbed.fuzz.swept import (
    ENTRIES,
    FUNCTIONS,
    NUMBERS,
    OF_OPENING,
    OF_ZCRX,
    PARENTS,
    UML,
    entry,
    of,
    shown,
    sites,
    swept,
)


def test_all_are_valid_and_name_what_goes_wrong() -> None:
    made = swept(400)
    assert len(made) > 350
    for one in made:
        check(one.schedule)
        assert one.parent in PARENTS
        assert not any(map(is_wild, one.schedule.faults))
        several = len(sites(one))
        assert one.mutation.endswith(f" {one.schedule.workload}")
        assert len(one.schedule.faults) + len(one.schedule.companions) == several
    assert all(of(kind, made) for kind in Kind if kind is not Kind.NTH)


def test_an_allocation_fails_where_the_function_runs() -> None:
    made = of(Kind.MEMORY, swept(400))
    where = {(sites(one)[0], one.schedule.workload) for one in made}
    assert ("io_register_zcrx slab", "zcrx") in where
    assert ("bnxt_restart slab", "restart") in where
    opening = {workload for name, workload in where if name in OF_OPENING}
    assert opening == {*OPENING, "zcrx", "restart", "stream"}, "or it is of all packets' way"
    for one in made:
        several = set(sites(one))
        assert several <= OF_OPENING or not several & OF_OPENING, "they are met in one workload"
        assert len({companion.kind for companion in one.schedule.companions}) == len(
            one.schedule.companions
        ), "one set of knobs for each"
    kinds = {companion.kind for one in made for companion in one.schedule.companions}
    assert kinds == {"failslab_sleeping", "fail_page_alloc_sleeping"}


def test_of_an_operation_one_allocation_after_the_other_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Below each function that the operation alone has covered; the next time those behind."""
    monkeypatch.setitem(PARENTS, "d", Schedule(workload="open-nth", seed=1))
    opening = entry("d", 150)
    opening.features |= NUMBERS.of(["operation:open-nth"])
    assert Places(FUNCTIONS).shown(opening).below == {"bnxt_open"}
    entries = [*shown(), Places(FUNCTIONS).shown(opening)]
    first = of(Kind.NTH, swept(300, entries=entries))
    assert {one.mutation for one in first} == {"sweep: fail nth: bnxt_open open-nth"}
    (fails,) = first[0].schedule.companions
    assert first[0].schedule.workload == "open-nth"
    assert (fails.kind, fails.within) == ("fail_nth", "bnxt_open")
    assert (fails.every, fails.times) == (1, ATTEMPTS)
    again = of(Kind.NTH, swept(300, counted({first[0].mutation: 1}), entries))
    assert len(again) < len(first) / 2, "once all had a turn it is one kind among others"
    assert {one.schedule.companions[0].every for one in again} == {0}
    assert {one.schedule.companions[0].behind for one in again} == set(BEHIND)
    assert not any(one.schedule.card for one in (*first, *again))
    third = of(Kind.NTH, swept(300, counted({first[0].mutation: 2}), entries))
    assert {str(one.schedule.card) for one in third} == set(map(str, NAMED_CARDS))
    assert {
        (one.schedule.companions[0].every, one.schedule.companions[0].behind) for one in third
    } == {(0, 0)}
    plain = Environment(flavour="uml")
    assert not of(Kind.NTH, swept(300, entries=entries, environment=plain))


def test_each_function_has_its_turn_before_any_has_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(PARENTS, "d", Schedule(workload="open-nth", seed=1))
    monkeypatch.setitem(PARENTS, "e", Schedule(workload="zcrx-nth", seed=1))
    opening, receiving = entry("d", 150, 250), entry("e", 150, 450)
    opening.features |= NUMBERS.of(["operation:open-nth"])
    receiving.features |= NUMBERS.of(["operation:zcrx-nth"])
    entries = [Places(FUNCTIONS).shown(one) for one in (opening, receiving)]
    tried = counted({"sweep: fail nth: bnxt_open open-nth": 1})
    names = {one.mutation for one in of(Kind.NTH, swept(200, tried, entries))}
    assert names == {
        "sweep: fail nth: bnxt_restart open-nth", "sweep: fail nth: io_register_zcrx zcrx-nth",
    }  # fmt: skip


def test_each_next_allocation_has_its_turn() -> None:
    """Half of all times, and else any."""
    often = Counter[int]()
    for seed in range(300):
        sites = ["bnxt_open slab", "bnxt_close pages"]
        slab, pages = Sweep(Random(seed), UML)._failing(sites, [2, 1])
        assert (slab.kind, pages.kind) == ("failslab_sleeping", "fail_page_alloc_sleeping")
        often[slab.every] += 1
    assert sum(often[every] for every in (1, 2, 3)) > 150
    assert all(often[every] > 30 for every in (1, 2, 3))
    assert len(often) > 10


def test_memory_of_packets_is_short_where_there_are_packets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only what may not sleep fails, so that nothing is said of opening; in each workload."""
    monkeypatch.setattr(sweep, "WEIGHTS", {Kind.PACKETS: 1})
    made = of(Kind.PACKETS, swept(40))
    assert len(made) > 10
    for one in made:
        assert one.schedule.workload == "stream", "the only one of them that many frames came to"
        assert not one.schedule.faults
        kinds = {companion.kind for companion in one.schedule.companions}
        assert kinds == {"failslab", "fail_page_alloc"}
    below = Counter(companion.within for one in made for companion in one.schedule.companions)
    assert set(below) == {"", RECEIVING}
    slabs = {one.what for each in made for one in each.schedule.companions}
    assert slabs == {"", "skbuff_head_cache"}
    assert not swept(40, environment=Environment(flavour="uml"))


@pytest.mark.parametrize("turns", range(4))
def test_what_is_lost_adds_up(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "WEIGHTS", {Kind.AGAIN: 1})
    tried = Counter(dict.fromkeys(counted({one.mutation: 1 for one in swept(40)}), turns))
    made = of(Kind.AGAIN, swept(40, tried=tried))
    assert len({sites(one)[0] for one in made}) > 5
    for one in made:
        assert one.schedule.workload in STREAMS, "nothing adds up without a stream"
        if "RX_TPA" in one.mutation:
            assert one.schedule.workload == "gro-wraps", "the ring has to go around"
        (fault,) = one.schedule.faults
        assert fault["where"] in sweep.TELLING
        assert fault["what"] == {"action": "drop"}
        assert (fault["times"], fault["when"]["every"]) == (0, sweep.OFTEN[turns])
        assert fault["when"].get("nth", 1) <= 32


@pytest.mark.parametrize(("turns", "said"), [(0, {0xFFFFFFFF}), (1, {0})])
def test_an_event_says_the_largest_number_first_and_then_none(
    turns: int, said: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "WEIGHTS", {Kind.EVENT: 1})
    tried = Counter({f"{Kind.EVENT}: {number:#x}": turns for number in range(0x50)})
    made = of(Kind.EVENT, swept(40, tried=tried))
    assert made
    params = [fault["what"]["params"] for one in made for fault in one.schedule.faults]
    assert {one[name] for one in params for name in ("data1", "data2")} == said


def test_an_event_says_anything_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "WEIGHTS", {Kind.EVENT: 1})
    tried = Counter({f"{Kind.EVENT}: {number:#x}": 2 for number in range(0x50)})
    faults = [fault for one in of(Kind.EVENT, swept(40, tried=tried)) for fault in
              one.schedule.faults]  # fmt: skip
    assert len({fault["what"]["params"]["data1"] for fault in faults}) > 5


def test_commands_of_the_workload_are_refused_and_lost() -> None:
    made = swept(400)
    for one in of(Kind.REFUSE, made) + of(Kind.LOSE, made):
        (fault,) = one.schedule.faults
        asked = {"zcrx": "VNIC_CFG", "restart": "RING_ALLOC"}[one.schedule.workload]
        assert fault["when"]["match"] == {"cmd": asked}
        assert 1 <= fault["when"].get("nth", 1) <= 4
    refused = [one.schedule.faults[0] for one in of(Kind.REFUSE, made)]
    busy = [one for one in refused if one["what"]["fields"]["refuse"] in ASKED_AGAIN]
    assert len(busy) > 0.15 * len(refused)
    assert {one["times"] for one in busy} == {BUSY_FOR}


def test_what_was_tried_gives_way() -> None:
    workloads = (*OPENING, *(parent.workload for parent in PARENTS.values()))
    tried = counted(
        {
            f"sweep: no memory: {one} {where}": 20
            for one in OF_OPENING | OF_ZCRX
            for where in workloads
        }
    )
    firsts = Counter(sites(one)[0] for one in of(Kind.MEMORY, swept(300, tried)))
    assert firsts["bnxt_restart slab"] > 20 * firsts["bnxt_open slab"]


def test_who_allocates_for_others_comes_behind_as_they_do() -> None:
    """A helper's allocations failed with those of all functions that it allocates for."""
    entries = [Places(FUNCTIONS).shown(entry("a", 450)), Places(FUNCTIONS).shown(entry("b", 250))]
    firsts = []
    for name in ("io_register_zcrx", "elsewhere"):
        tried = counted({f"sweep: fail nth: {name} zcrx-nth": 9})
        made = of(Kind.MEMORY, swept(600, tried, entries))
        firsts.append(Counter(sites(one)[0] for one in made))
    assert 0 < firsts[0]["io_pin_pages slab"] < firsts[1]["io_pin_pages slab"] / 2


def test_it_goes_wrong_in_each_workload_that_meets_it() -> None:
    """In the one in which it was tried least first."""
    tried = counted({"sweep: no memory: bnxt_open slab zcrx, bnxt_open pages zcrx": 20})
    assert tried["no memory: bnxt_open slab"] == tried["no memory: bnxt_open slab zcrx"] == 20
    places = Places(FUNCTIONS)
    entries = [places.shown(entry(name, 150)) for name in "aaabc"]
    made = of(Kind.MEMORY, swept(400, tried, entries))
    where = Counter(one.schedule.workload for one in made)
    assert where["zcrx"] < min(where["stream"], where["restart"]) / 4


def test_what_happens_again_and_again_does_so_now_and_then_or_always() -> None:
    faults = [one for made in swept(800) for one in made.schedule.faults if "times" in one]
    ways = {(one["times"], one.get("when", {}).get("every", 0)) for one in faults}
    assert ways >= {(2, 0), (0, 0), *((0, every) for every in sweep.OFTEN)}
    assert not any(every and times for times, every in ways)


def test_what_more_workloads_meet_comes_more_often() -> None:
    places = Places(FUNCTIONS)
    entries = [places.shown(entry(name, 250)) for name in "abc"]
    entries.append(places.shown(entry("a", 450)))
    firsts = Counter(sites(one)[0] for one in of(Kind.MEMORY, swept(600, entries=entries)))
    pinned = sum(firsts[one] for one in OF_ZCRX) / len(OF_ZCRX)
    assert firsts["bnxt_restart slab"] > 2 * pinned > 0


def test_memory_is_short_where_no_operation_has_been() -> None:
    """Functions whose allocations failed in their turn come less often."""
    firsts = [
        Counter(
            one.mutation.removeprefix("sweep: no memory: ").split(" ")[0]
            for one in of(Kind.MEMORY, swept(400, counted({f"sweep: fail nth: {name}": 9})))
        )
        for name in ("bnxt_restart zcrx-nth", "elsewhere zcrx-nth")
    ]
    assert firsts[0]["bnxt_restart"] < firsts[1]["bnxt_restart"] / 2


def test_several_at_once_are_of_different_commands() -> None:
    for one in of(Kind.ANSWER, swept(600)):
        names = one.mutation.removeprefix("sweep: answer: ").split(", ")
        assert len({name.split(" ")[0] for name in names}) == len(names) <= AT_ONCE[Kind.ANSWER]


def test_of_several_at_other_points_one_goes_on() -> None:
    made = of(Kind.POINT, swept(600))
    endless = [
        sum(not fault.get("times", 1) for fault in one.schedule.faults)
        for one in made
        if len(one.schedule.faults) == AT_ONCE[Kind.POINT]
    ]
    assert set(endless) == {0, 1}


def test_each_round_has_something_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a workload does the same ten times, and once more that has to work."""
    monkeypatch.setitem(PARENTS, "a", Schedule(workload="bind-often", seed=1))
    in_a_round = {"RING_ALLOC": 30, "FUNC_QCFG": 2}
    counts = {f"{point}:{command}": 11 * count for point in ("hwrm.request", "hwrm.answer")
              for command, count in in_a_round.items()}  # fmt: skip
    one = replace(shown()[0], commands=frozenset(in_a_round))
    entries = [replace(one, entry=replace(ENTRIES[0], events=counts))]
    made = swept(600, entries=entries)
    refused = of(Kind.REFUSE, made)
    assert {len(one.schedule.faults) for one in refused} == {2}, "there is no more"
    for one in refused:
        rounds = {(_nth(fault) - 1) // in_a_round[_command(fault)] for fault in one.schedule.faults}
        assert len(rounds) == 2
        assert rounds <= set(range(10))
        assert {fault.get("times", 1) for fault in one.schedule.faults} <= {1, 2}
    for one in of(Kind.ANSWER, made):
        told = [fault for fault in one.schedule.faults if _command(fault) == "FUNC_QCFG"]
        assert len(one.schedule.faults) == 20
        assert {fault["times"] for fault in told} == {2}, "all that the round hears"
        assert {_nth(fault) for fault in told} <= set(range(1, 21, 2))


def _nth(fault: Fault) -> int:
    return int(fault["when"].get("nth", 1))


def _command(fault: Fault) -> str:
    return str(fault["when"]["match"]["cmd"])


def test_what_rounds_have_met_is_mostly_tried_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARENTS, "c", Schedule(workload="bind-often", seed=1))
    both = [replace(one, commands=frozenset({"FUNC_QCFG"})) for one in shown()[1:]]
    often = Counter(one.schedule.workload for one in of(Kind.ANSWER, swept(600, entries=both)))
    # twice as dear as the other, it would be tried a third of all times
    assert often["bind-often"] / often.total() > 0.6
    assert often["restart"]


def test_of_rounds_those_come_first_that_have_met_more(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, workload in {"a": "bind-often", "b": "open-often"}.items():
        monkeypatch.setitem(PARENTS, name, Schedule(workload=workload, seed=1))
    met = {"a": {"FUNC_QCFG", "FUNC_QCAPS", "VER_GET"}, "b": {"FUNC_QCFG"}}
    both = [replace(one, commands=frozenset(met[one.entry.schedule])) for one in shown()[:2]]
    often = Counter(one.schedule.workload for one in of(Kind.ANSWER, swept(600, entries=both)))
    assert often["bind-often"] > 2 * often["open-often"] > 0


def test_what_an_answer_says_of_limits_comes_first() -> None:
    entries = shown()
    entries[0] = replace(entries[0], commands=frozenset({"QUEUE_QPORTCFG"}))
    names = [
        name.split(" ")[1]
        for one in of(Kind.ANSWER, swept(900, entries=entries[:1]))
        for name in one.mutation.removeprefix("sweep: answer: ").split(", ")[:1]
    ]
    often = Counter(names)
    assert often["out.max_configurable_queues"] > 2 * often["out.queue_cfg_info"]


def test_what_tells_of_an_error_comes_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "WEIGHTS", {Kind.POINT: 1})
    of_packets = [site.split(" ") for one in swept(400) for site in sites(one)]
    fields = Counter(field for _, kind, field in of_packets if kind == "RX_L2")
    errors = [count for field, count in fields.items() if field.endswith("_error")]
    others = [count for field, count in fields.items() if field.startswith("rx_cmp_")]
    assert len(errors) >= 8
    assert sum(errors) / len(errors) > 2 * sum(others) / len(others)


def test_something_happens_to_packets_where_there_are_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep, "WEIGHTS", {Kind.POINT: 1})
    entries = shown()[:1]
    assert {site.split(" ")[0] for one in swept(40, entries=entries) for site in sites(one)} >= {
        "cqe.write"
    }
    entries[0] = replace(
        entries[0],
        entry=replace(entries[0].entry, events={"cqe.write": 50, "tx.frame": 99, "dma.read": 3}),
        points=frozenset({"cqe.write", "dma.read"}),
    )
    assert {site.split(" ")[0] for one in swept(40, entries=entries) for site in sites(one)} == {
        "dma.read"
    }


@pytest.mark.parametrize(
    ("turns", "allowed"),
    [(0, {0xFF}), (1, {*MORE}), (2, {0}), (3, {1}), (4, {-one for one in MORE}), (5, {0x80})],
)
def test_a_field_of_an_answer_has_its_limits_first(turns: int, allowed: set[int]) -> None:
    entries = shown()
    entries[0] = replace(entries[0], commands=frozenset({"QUEUE_QPORTCFG"}))
    field = "out.max_configurable_queues"
    had = of(Kind.ANSWER, swept(400, entries=entries[:1]))
    tried = counted({one.mutation: 1 for one in had})
    tried = Counter(dict.fromkeys(tried, turns))
    values = [
        fault["what"]["fields"][field]
        for one in of(Kind.ANSWER, swept(800, tried=tried, entries=entries[:1]))
        for fault in one.schedule.faults
        if field in fault["what"].get("fields", {})
    ]
    assert len(values) > 1
    assert {one["add"] if isinstance(one, dict) else one for one in values} <= allowed
    assert all(isinstance(one, dict) == (turns in (1, 4)) for one in values)


def test_an_answer_says_several_things_at_once() -> None:
    entries = shown()
    entries[0] = replace(entries[0], commands=frozenset({"QUEUE_QPORTCFG"}))
    made = of(Kind.ANSWER, swept(400, entries=entries[:1]))
    several = [len(fault["what"]["fields"]) for one in made for fault in one.schedule.faults]
    assert set(several) == {1, 2, 3}
    assert 0.1 < sum(one > 1 for one in several) / len(several) < 0.4


def test_what_happens_to_whole_completions_comes_first() -> None:
    made = of(Kind.POINT, swept(600))
    assert made
    whole = sum(name.endswith(("drop", "duplicate", "hold")) for one in made for name in sites(one))
    assert whole > len(made) / 2
    tpa = [one for one in made if "RX_TPA" in one.mutation.split(", ")[0]]
    assert {one.schedule.workload for one in tpa} == set(TPA_WORKLOADS)


def test_an_event_comes_again_once_or_more_often_than_a_table_has_room_for() -> None:
    copied = [
        fault
        for one in of(Kind.POINT, swept(600))
        for fault in one.schedule.faults
        if fault["what"]["action"] == "duplicate"
    ]
    assert {fault["what"].get("count", 1) for fault in copied} == set(COPIES)
    assert all(fault.get("times", 1) == 1 for fault in copied if fault["what"].get("count", 1) > 1)


ILL = Schedule(workload="stream", seed=1, card={"max_aggs": 4}, faults=(
    {"id": "1", "where": "rx.frame", "what": {"action": "drop"}},
))  # fmt: skip


def _ill(made: list[Made]) -> float:
    """The share in which the parent's fault has stayed, of those that have no such fault anew."""
    others = [one.schedule for one in made if "rx.frame" not in one.mutation]
    dropped = [{"action": "drop"} in [fault["what"] for fault in one.faults] for one in others]
    return sum(dropped) / len(dropped)


def test_what_was_wrong_before_stays_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARENTS, "c", ILL)
    well = Places(FUNCTIONS).shown(replace(ENTRIES[2], schedule="well"))
    monkeypatch.setitem(PARENTS, "well", Schedule(workload="stream", seed=1))
    made = [one for one in swept(800, entries=[shown()[2], well]) if one.parent == "c"]
    assert len(made) > 100
    assert 0.3 * KEPT < _ill(made) < 2 * KEPT


def test_what_no_run_has_shown_without_card_and_faults_is_tried_with_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not there without: a command that only a card with error recovery is sent, a function
    that runs after a fault."""
    monkeypatch.setitem(PARENTS, "c", ILL)
    made = swept(400, entries=[shown()[2]])
    assert {one.schedule.card == ILL.card for one in made} == {True}
    assert 0.8 * KEPT_NEEDED < _ill(made) < 1


def test_a_kernel_whose_allocations_do_not_fail() -> None:
    assert not of(Kind.MEMORY, swept(200, environment=Environment(flavour="uml")))


def test_nothing_is_known_yet() -> None:
    assert swept(60, entries=[]) == []


def test_what_only_an_iommu_could_stop_is_no_site(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would never be made, never count as tried, and be drawn again and again."""
    monkeypatch.setattr(sweep, "WEIGHTS", {Kind.POINT: 1})
    points = dict.fromkeys(POINTS, 100)
    entry_of_all = [Places({}).shown(replace(entry("b"), events=points))]
    tried = Counter[str]()
    last = []
    for seed in range(1500):
        made = Sweep(Random(seed), UML).made(entry_of_all, PARENTS.__getitem__, tried)
        last.append(made is not None)
        if made is not None:
            tried += counted({made.mutation: 1})
    assert sum(last[-500:]) > 480


def test_all_that_concerns_tpa_is_tried_where_there_is_some() -> None:
    for one in of(Kind.POINT, swept(600)):
        if "RX_TPA" in one.mutation:
            assert one.schedule.workload in TPA_WORKLOADS


def test_another_grant_is_made_where_the_interface_opens_with_something_on_it() -> None:
    acts = of(Kind.ACT, swept(1200))
    granted = [one for one in acts if " grant " in f" {one.mutation}"]
    assert granted
    assert {one.schedule.workload for one in granted} <= set(REOPENING)
    assert not {one.schedule.workload for one in acts if one not in granted} <= set(REOPENING)
