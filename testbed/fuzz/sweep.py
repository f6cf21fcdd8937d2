# SPDX-License-Identifier: GPL-2.0-only
"""One thing goes wrong, each in its turn: an allocation below a function, a command of the
firmware, a field of what the card says.

What can go wrong is what runs have shown: functions that were covered, commands that were sent,
points that were passed. What was tried least comes first; the store knows what was tried. Of what
seldom ends the work at once, a few are tried in one run.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import fsum
from random import Random
from typing import Any

from testbed.card.plans import POINTS, kinds
from testbed.fuzz.acts import ACTS, EVENTS, act
from testbed.fuzz.allocating import PAGES, SLAB
from testbed.fuzz.companions import RECEIVING
from testbed.fuzz.fitting import OPENING, fitting
from testbed.fuzz.generate import CPU_S, CPU_S_ELSE, Draws, Environment, able, canonical
from testbed.fuzz.going_wrong import (
    FIRST_TURNS,
    PRODUCTS,
    ROUNDS_SHARE,
    WEIGHTS,
    Kind,
    at_once,
    in_each_round,
    in_rounds,
)
from testbed.fuzz.grammar import ASKED_AGAIN, BUSY_FOR, STARTED, USUAL, Fault, numbered
from testbed.fuzz.met import Shown
from testbed.fuzz.parts import Made
from testbed.fuzz.schedule import FAIL_NTH, Companion, Schedule
from testbed.fuzz.shares import SWEEP
from testbed.fuzz.turns import turn
from testbed.fuzz.wild import UNMAPPED, is_wild

OFTEN = (8, 32, 2, 3)
"""Each n-th event of a kind, to the end: what is lost of one adds up. In its first turn so many
are left that the work goes on meanwhile."""
MOST = 0.8
"""A function that such a share of all entries has covered is of the way to a ready guest, or of
all packets'; nobody knows which, so that half of all times it is taken for the one."""
KEPT = 0.15
"""How often card and faults of the run that showed it stay, though others do without."""
KEPT_NEEDED = 0.7
"""How often its faults stay where no run without any has shown it. Its card always does."""
TELLING = ("cqe.write", "nqe.write", "irq.raise", "doorbell.write", "rx.frame", "rx.place")
"""Points where what is lost of a packet adds up."""
_POINTS, _TELLING = frozenset(POINTS), frozenset(TELLING)
WHOLE = 8
"""So much rather than one of its fields a whole event is lost, held or done twice."""
LIMIT = 4
"""So much rather than another field of an answer one that limits or counts something, and of an
event one that tells of an error: an honest card does, and what then has to be done seldom is."""
_FAILING: Mapping[str, str] = {SLAB: "failslab_sleeping", PAGES: "fail_page_alloc_sleeping"}
"""Of each only one in a run: the kernel has one set of knobs for it."""
_ATOMIC: Mapping[str, tuple[str, str, str]] = {
    PAGES: ("fail_page_alloc", "", ""),
    SLAB: ("failslab", "", ""),
    "skbuff_head_cache": ("failslab", "skbuff_head_cache", ""),
    "received-pages": ("fail_page_alloc", "", RECEIVING),
    "received-slab": ("failslab", "", RECEIVING),
}
"""Of what packets' allocations are (kind of the companion, slab, function): those that may not
sleep, of all, or of what is received alone, as other programs die when they get no page."""
MANY = 100
"""So many frames there are where memory of packets fails, and where something happens to what is
told of them: in three of five workloads there are a few echo requests and no more."""
_WAYS = ("rx.frame", "tx.frame")
_SHORT = (3, 3, 10, 10, 30)
"""Every so many-th of them fails."""
_LOST: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("hwrm.request", {"action": "drop"}),
    ("hwrm.request", {"action": "set", "fields": {"skip": True}}),
    ("hwrm.answer", {"action": "drop"}),
    ("hwrm.answer", {"action": "set", "fields": {"cmpl": False}}),
    ("hwrm.answer", {"action": "hold", "after_ns": 500_000_000}),
    ("hwrm.answer", {"action": "duplicate"}),
)
_HEADER = ("error_code", "req_type", "seq_id", "resp_len", "valid")
"""Fields that all answers have (struct output): their turn does not come with each command."""
_WITHOUT_FIELD = ("drop", "duplicate", "hold")
COPIES = (1, 300)
"""An event once more, or more often than a table has room for: a queue has 256 aggregations
(MAX_TPA_P5 in bnxt.h)."""
_LIMITS = re.compile(r"max|min|num|cnt|count|len|size|total|avail|entries")
_TELLS_OF_ERROR = re.compile(r"error")
_ANY = "any"
_NEXT = 32
SAID_TOGETHER = 0.25
"""How often an answer says something else of one or two other things, too: more is to come, and
how much; fewer of all that belongs together."""
MORE = (1, 8, 64, 512)
"""Added to what an answer counts."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """Whether all runs that have shown a site had another card than the plain one, or faults: it
    may not be there without."""

    card: bool
    faults: bool


Read = Callable[[str], Schedule]
"""The schedule of a name in the corpus."""


Met = frozenset[str]
Sites = dict[tuple[Kind, Met], Met]
"""What can go wrong of a kind, where these commands were sent or these points passed. It is the
same for all of a campaign's sweeps, and most entries of a corpus share it with others."""


class Sweep(Draws):
    """Makes such schedules. ``sites`` is what was found out for others, and grows."""

    def __init__(
        self, random: Random, environment: Environment, sites: Sites | None = None
    ) -> None:
        super().__init__(random, environment)
        self._sites: Sites = {} if sites is None else sites
        self._callers: defaultdict[str, set[str]] = defaultdict(set)
        self._workloads: defaultdict[str, set[str]] = defaultdict(set)

    def made(self, entries: Sequence[Shown], read: Read, tried: Mapping[str, int]) -> Made | None:
        """The next; None if nothing of the kind that was drawn has shown yet, or if only an IOMMU
        could stop it.

        :param tried: as :func:`testbed.fuzz.met.counted` has it.
        """
        weights = dict(WEIGHTS)
        below = set[str]().union(*(one.below for one in entries))
        if not below:
            weights.pop(Kind.NTH, None)
        elif not all(f"{Kind.NTH}: {name}" in tried for name in below):
            weights[Kind.NTH] = FIRST_TURNS
        (kind,) = self.random.choices(tuple(weights), tuple(weights.values()))
        met = [self._met(kind, one) for one in entries]
        sites = set[str]().union(*met)
        if not sites:
            return None
        self._remember(kind, entries, met, read)
        everywhere = _everywhere(met) if kind is Kind.MEMORY else set()
        for site in everywhere:
            self._workloads[site].update(self._able(OPENING))
        name = self._least(kind, sites, tried)
        having = [one for one, names in zip(entries, met, strict=True) if name in names]
        shown, parent, needs = self._parent(kind, name, having, read, tried)
        common = name in everywhere
        left = [
            one for one in self._met(kind, shown)
            if kind is not Kind.MEMORY or (one in everywhere) == common
        ]  # fmt: skip
        names = [name, *self._more(kind, name, left, tried, parent.workload)]
        often = [tried.get(f"{kind}: {one}", 0) for one in names]
        if kind is Kind.NTH:
            often.append(tried.get(f"{kind}: {name.partition(' ')[0]}", 0))
        child = self._child(
            kind, names, parent, shown.entry.events, common=common, often=often, needs=needs
        )
        if not self.environment.wild and any(map(is_wild, child.faults)):
            return None
        if kind is not Kind.NTH:  # whose names have it already
            names = [f"{one} {child.workload}" for one in names]
        label = f"{SWEEP}: {kind}: {', '.join(names)}"
        return Made(canonical(able(child)), shown.entry.schedule, label)

    def _remember(
        self, kind: Kind, entries: Sequence[Shown], met: Sequence[Met], read: Read
    ) -> None:
        """Who allocates for whom, and which workloads have met what."""
        if kind is Kind.MEMORY:
            for helper, caller in frozenset[tuple[str, str]]().union(
                *(one.calls for one in entries)
            ):
                self._callers[helper].add(caller)
        sites: defaultdict[str, set[str]] = defaultdict(set)
        for one, some in zip(entries, met, strict=True) if kind in PRODUCTS else ():
            sites[read(one.entry.schedule).workload].update(some)
        for workload, names in sites.items():
            for name in names:
                self._workloads[name].add(workload)

    def _least(self, kind: Kind, names: Iterable[str], tried: Mapping[str, int]) -> str:
        """What was tried least, or thereabouts; what happens to a whole event before its fields,
        and what an answer says of limits before the rest of it. Of operations one of the functions
        that had the fewest turns."""
        ordered = sorted(names)
        if kind is Kind.NTH:  # below one function it is much the same in another operation
            turns = {one: tried.get(f"{kind}: {one.partition(' ')[0]}", 0) for one in ordered}
            fewest = min(turns.values())
            ordered = [one for one in ordered if turns[one] == fewest]
        weights = [
            _weight(kind, one.rpartition(" ")[2]) * self._left(f"{kind}: {one}", one, tried)
            for one in ordered
        ]
        if kind is Kind.MEMORY:  # what failed alone in its turn comes behind packets' functions
            alone = (self._turns(one.partition(" ")[0], tried) for one in ordered)
            weights = [one / (1 + count) for one, count in zip(weights, alone, strict=True)]
        return self.random.choices(ordered, weights)[0]

    def _left(self, site: str, name: str, tried: Mapping[str, int]) -> float:
        """How much of it is left to be tried: once, or once in each workload; less of what has been
        tried in others, or what two workloads do would come behind what eighty do."""
        workloads = self._workloads[name]
        several = [f"{site} {one}" for one in workloads] or [site]
        left = fsum(1 / (1 + tried.get(one, 0)) ** 2 for one in several)
        return left / (1 + tried.get(site, 0)) ** 2 if workloads else left

    def _turns(self, function: str, tried: Mapping[str, int]) -> int:
        """How often the function's allocations, or those of all that it allocates for, failed one
        after the other."""
        return min(
            tried.get(f"{Kind.NTH}: {one}", 0) for one in self._callers.get(function, {function})
        )

    def _more(
        self, kind: Kind, name: str, sites: Sequence[str], tried: Mapping[str, int], workload: str
    ) -> list[str]:
        """What else of ``sites`` is tried in the same run, each of another command or kind of
        event, unless it has rounds."""
        left, more = dict.fromkeys(sites), [name]
        if kind is Kind.MEMORY:
            left = {one: None for one in left if one.split(" ")[1] != name.split(" ")[1]}
        if kind is Kind.PACKETS:
            left = {one: None for one in left if _ATOMIC[one][0] != _ATOMIC[name][0]}
        several = in_each_round(kind, workload)
        while len(more) < at_once(kind, workload):
            of = set() if several else {one.rpartition(" ")[0] for one in more} - {""}
            left = {
                one: None for one in left if one.rpartition(" ")[0] not in of and one not in more
            }
            if not left:
                break
            more.append(self._least(kind, left, tried))
        return more[1:]

    def _met(self, kind: Kind, one: Shown) -> Met:
        """What can go wrong of that kind, as one run has shown."""
        match kind:
            case Kind.NTH:
                if one.operation and FAIL_NTH in self.environment.companions:
                    return one.turns
            case Kind.MEMORY:
                if set(_FAILING.values()) <= set(self.environment.companions):
                    return one.functions
            case Kind.PACKETS:
                known = self.environment.companions
                if one.entry.events.get("rx.frame", 0) >= MANY:
                    return frozenset(name for name, (of, *_) in _ATOMIC.items() if of in known)
            case Kind.REFUSE | Kind.LOSE:
                return one.commands
            case Kind.ANSWER:
                return self._of_all(kind, one.commands, self._body)
            case Kind.POINT:
                points = one.points & _POINTS
                if sum(one.entry.events.get(way, 0) for way in _WAYS) < MANY:
                    points -= _TELLING
                return self._of_all(kind, points, self._at)
            case Kind.AGAIN:
                return self._of_all(kind, one.points & _TELLING, self._lost)
            case Kind.EVENT:
                return EVENTS
            case Kind.ACT:
                return ACTS
        return frozenset()

    def _of_all(self, kind: Kind, of: Met, sites: Callable[[str], Iterator[str]]) -> Met:
        """``sites`` of each point or command."""
        key = kind, of
        if key not in self._sites:
            self._sites[key] = frozenset(chain.from_iterable(map(sites, of)))
        return self._sites[key]

    def _body(self, command: str) -> Iterator[str]:
        """Fields of the command's own answer; of all answers' where it has none."""
        known = self.grammar.settable("hwrm.answer", command)
        own = [one for one in known if one.startswith("out.") and one[4:] not in _HEADER]
        for field in own or [one for one in known if not one.startswith("out.")]:
            yield f"{command} {field}"

    def _at(self, point: str) -> Iterator[str]:
        if point in STARTED or point.startswith("hwrm."):
            return
        able = [one.value for one in POINTS[point].actions if one.value in _WITHOUT_FIELD]
        for of in USUAL.get(point, (_ANY,)):
            for field in (*self.grammar.settable(point, of), *able):
                if self.environment.wild or not _is_always_wild(point, of, field):
                    yield f"{point} {of} {field}"

    def _lost(self, point: str) -> Iterator[str]:
        return (site for site in self._at(point) if site.endswith(" drop"))

    def _parent(
        self, kind: Kind, name: str, entries: Sequence[Shown], read: Read, tried: Mapping[str, int]
    ) -> tuple[Shown, Schedule, Needs]:
        """One of them, of a workload in which the site was tried least, a cheap one rather than
        another, and with rounds one where much is left for them; and what all of them have."""
        parents = [read(one.entry.schedule) for one in entries]
        often = [at for at, one in enumerate(parents) if in_each_round(kind, one.workload)]
        left = [1.0] * len(parents)
        if often and self.random.random() < ROUNDS_SHARE:
            entries, parents = [entries[at] for at in often], [parents[at] for at in often]
            met = [self._met(kind, one) for one in entries]  # which most of them share
            much = {
                sites: fsum(self._left(f"{kind}: {site}", site, tried) for site in sites)
                for sites in set(met)
            }
            left = [much[sites] for sites in met]
        of = Counter(one.workload for one in parents)
        weights = [
            rest / CPU_S.get(one.workload, CPU_S_ELSE) / of[one.workload]
            / (1 + tried.get(f"{kind}: {name} {one.workload}", 0)) ** 2
            for one, rest in zip(parents, left, strict=True)
        ]  # fmt: skip
        (at,) = self.random.choices(range(len(parents)), weights)
        needs = Needs(
            card=all(one.card for one in parents), faults=all(one.faults for one in parents)
        )
        return entries[at], parents[at], needs

    def _child(
        self, kind: Kind, names: Sequence[str], parent: Schedule, seen: Mapping[str, int], *,
        common: bool, often: Sequence[int], needs: Needs,
    ) -> Schedule:  # fmt: skip
        if kind is Kind.NTH:
            return self._operation(names[0], *often)
        child = self.schedule(self._workload(kind, names, parent, common=common), ())
        if child.workload != parent.workload:
            seen = {}
        if needs.card:
            child = replace(child, card=parent.card)
        if self.random.random() < (KEPT_NEEDED if needs.faults else KEPT):
            child = replace(child, card=parent.card, faults=parent.faults[:8])
        if kind is Kind.MEMORY:
            return replace(child, companions=self._failing(names, often))
        if kind is Kind.PACKETS:
            return replace(child, companions=tuple(map(self._short, names)))
        if kind in (Kind.ACT, Kind.EVENT):
            faults = [
                act(self.grammar, kind, name, seen, turns)
                for name, turns in zip(names, often, strict=True)
            ]
        else:
            faults = [
                self._fault(kind, name, seen, turns, first=not at)
                for at, (name, turns) in enumerate(zip(names, often, strict=True))
            ]
        if in_each_round(kind, child.workload):
            faults = list(in_rounds(self.random, kind, child.workload, faults, seen))
        return replace(child, faults=numbered((*child.faults, *faults)))

    def _operation(self, name: str, often: int, turns: int) -> Schedule:
        """Its allocations below a function, which had so many ``turns`` in whatever operation, fail
        one after the other."""
        function, operation = name.split(" ")
        fails, card = turn(self.random, function, often, turns)
        return replace(self.schedule(operation, ()), companions=(fails,), card=card)

    def _workload(self, kind: Kind, names: Sequence[str], parent: Schedule, *, common: bool) -> str:
        """The parent's, unless that does not do what goes wrong."""
        wanted = fitting(self.random, kind, names, parent.workload, common=common)
        return self.random.choice(self._able(wanted) or [parent.workload])

    def _able(self, workloads: Sequence[str]) -> list[str]:
        return [one for one in workloads if one in self.environment.workloads]

    def _failing(self, sites: Sequence[str], tried: Sequence[int]) -> tuple[Companion, ...]:
        """One of the next allocations of each, half of all times, or any; it alone, or those behind
        it as well: where one fails another may take its place, as in xa_alloc()."""
        made = list[Companion]()
        for site, often in zip(sites, tried, strict=True):
            function, of = site.split(" ")
            later = self.random.random() < 0.5
            every = self.random.randint(1, min(often + 1, _NEXT))
            if later:
                every = self.grammar.ordinal(_NEXT, counted=False)
            times = self.random.choice((1, 2, 50))
            made.append(Companion(kind=_FAILING[of], within=function, every=every, times=times))
        return tuple(made)

    def _short(self, site: str) -> Companion:
        """Packets' allocations of that kind fail time after time."""
        kind, what, within = _ATOMIC[site]
        every, times = self.random.choice(_SHORT), self.random.choice((5, 50))
        return Companion(kind=kind, what=what, within=within, every=every, times=times)

    def _fault(
        self, kind: Kind, name: str, seen: Mapping[str, int], turns: int, *, first: bool
    ) -> Fault:
        """Once, twice or from then on; at other points only the first of several: they would not
        come to much behind it."""
        where, of, what = self._event(kind, name, turns)
        match = {} if of == _ANY else {kinds(where)[0]: of}
        when: dict[str, Any] = {"match": match} if match else {}
        if kind is Kind.AGAIN:
            when |= {"nth": self.grammar.ordinal(_NEXT), "every": OFTEN[turns % len(OFTEN)]}
            return {"where": where, "when": when, "what": dict(what), "times": 0}
        when["nth"] = self.grammar.nth(where, match, seen)
        times = self.random.choice(
            (1, 1, 1, 2, 0, 0) if first or kind is not Kind.POINT else (1, 2)
        )
        if kind is Kind.REFUSE and what["fields"]["refuse"] in ASKED_AGAIN:
            times = BUSY_FOR
        if what.get("count", 1) > 1:
            times = 1
        if not times and self.random.random() < 0.5:
            when["every"] = self.random.choice(OFTEN)
        return {"where": where, "when": when, "what": dict(what), "times": times}

    def _event(self, kind: Kind, name: str, turns: int) -> tuple[str, str, Mapping[str, Any]]:
        """Point, kind of event, and what happens to it."""
        if kind is Kind.REFUSE:
            fields = {"refuse": self.grammar.refusal()}
            return "hwrm.request", name, {"action": "set", "fields": fields}
        if kind is Kind.LOSE:
            where, what = self.random.choice(_LOST)
            return where, name, what
        if kind is Kind.ANSWER:
            name = f"hwrm.answer {name}"
        where, of, field = name.split(" ")
        if field == "hold":
            return where, of, {"action": field, **self.grammar.later()}
        if field == "duplicate":
            return where, of, {"action": field, "count": self.random.choice(COPIES)}
        if field in _WITHOUT_FIELD:
            return where, of, {"action": field}
        fields = {field: self._value(kind, where, of, field, turns)}
        if kind is Kind.ANSWER and self.random.random() < SAID_TOGETHER:
            others = [one.partition(" ")[2] for one in self._body(of)]
            for one in self.random.sample(others, min(len(others), self.random.randint(1, 2))):
                fields.setdefault(one, self._value(kind, where, of, one, turns))
        return where, of, {"action": "set", "fields": fields}

    def _value(self, kind: Kind, where: str, of: str, field: str, turns: int) -> Any:
        """Limits are believed, or they are not: of an answer the largest, then some more than there
        are, none, one, some fewer, and half of the largest; of what had those turns, and of all
        else, one of them as often as anything else."""
        bits = min(self.grammar.settable(where, of)[field], 63)
        if bits > 1 and not where.startswith("dma."):
            more = {"add": self.random.choice(MORE)}  # what a check may let through
            less = {"add": -more["add"]}
            limits = ((1 << bits) - 1, more, 0, 1, less, 1 << bits - 1)
            if kind is Kind.ANSWER and turns < len(limits):
                return limits[turns]
            if self.random.random() < 0.5:
                return self.random.choice(limits)
        return self.grammar.change(where, of, field)


def _everywhere(met: Sequence[Met]) -> set[str]:
    counts = Counter(chain.from_iterable(met))
    return {name for name, count in counts.items() if count >= MOST * len(met)}


def _weight(kind: Kind, field: str) -> int:
    if kind is Kind.POINT and field in _WITHOUT_FIELD:
        return WHOLE
    liked = {Kind.ANSWER: _LIMITS, Kind.POINT: _TELLS_OF_ERROR}.get(kind)
    return LIMIT if liked is not None and liked.search(field) else 1


def _is_always_wild(point: str, of: str, field: str) -> bool:
    """Whether no value makes it tame."""
    match = {} if of == _ANY else {kinds(point)[0]: of}
    what: dict[str, Any] = {"action": "set", "fields": {field: UNMAPPED if field == "iova" else 0}}
    if field in _WITHOUT_FIELD:
        what = {"action": field, **({"after_ns": 1} if field == "hold" else {})}
    return is_wild({"where": point, "when": {"match": match}, "what": what})
