# SPDX-License-Identifier: GPL-2.0-only
"""What a fault can be: points, kinds of events, fields and values, from the declared layouts.

What is drawn here is valid by construction. It draws from one :class:`random.Random`, and leaves
out what no driver can survive where no IOMMU stands between card and memory
(:mod:`testbed.fuzz.wild`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from testbed.card.plans import CARD_ACTIONS, GRANTED, POINTS, kinds, members
from testbed.fuzz.frames import frame
from testbed.fuzz.wild import UNMAPPED, is_wild

Fault = dict[str, Any]

STARTED = ("now", "config.read", "register.read")
"""Points that hardly pass while a plan is armed, or once."""
REFUSALS = (*range(1, 0x13), 0x7777, 0xFFFE, 0xFFFF)
"""Error codes of the firmware: those of HWRM_ERR_CODE_*, one that nobody knows, and the generic."""
ASKED_AGAIN = (0xA, 0x10)
"""HWRM_ERR_CODE_HOT_RESET_PROGRESS and HWRM_ERR_CODE_BUSY: EAGAIN for the driver."""
BUSY, BUSY_FOR = 0.2, 12
"""How often a code is drawn of these alone, and how often in a row it is answered. The driver asks
some things ten times (BNXT_FW_IF_RETRY of bnxt.h)."""
MOST_DRAWN = 1000
"""The largest ordinal that is drawn where nobody knows how many events pass."""
MOST_OF_A_COMMAND = 12
"""The largest ordinal among requests of one command."""
CHANGING = ("RING_ALLOC", "RING_FREE", "VNIC_ALLOC", "VNIC_FREE", "VNIC_CFG", "VNIC_UPDATE",
            "VNIC_RSS_CFG", "VNIC_TPA_CFG", "VNIC_PLCMODES_CFG", "VNIC_RSS_COS_LB_CTX_ALLOC",
            "VNIC_RSS_COS_LB_CTX_FREE", "CFA_L2_FILTER_ALLOC", "CFA_L2_FILTER_FREE",
            "CFA_NTUPLE_FILTER_ALLOC", "CFA_NTUPLE_FILTER_FREE", "CFA_L2_SET_RX_MASK",
            "STAT_CTX_ALLOC", "STAT_CTX_FREE", "FUNC_CFG", "FUNC_DRV_IF_CHANGE", "FUNC_RESET",
            "RING_CMPL_RING_CFG_AGGINT_PARAMS")  # fmt: skip
"""Commands that are a step of something compound."""
USUAL: Mapping[str, Sequence[str]] = {
    "doorbell.write": ("SQ", "SRQ", "CQ", "CQ_ARMALL", "NQ", "NQ_ARM"),
    "dma.read": ("payload", "bd", "page_table", "hwrm", "indirect"),
    "dma.write": ("payload", "header", "cqe", "nqe", "stats", "hwrm"),
    "cqe.write": ("TX_L2", "RX_L2", "RX_AGG", "RX_TPA_START", "RX_TPA_END", "RX_TPA_AGG"),
    "nqe.write": ("CQ_NOTIFICATION",),
    "hwrm.request": CHANGING, "hwrm.answer": CHANGING,
}  # fmt: skip
"""Point -> kinds of events that come while a plan is armed; four of five drawn are of these."""
_RINGS: Mapping[str, Sequence[str]] = {
    "payload": ("RX", "RX_AGG", "TX"), "bd": ("RX", "RX_AGG", "TX"), "header": ("RX",),
    "cqe": ("CQ",), "nqe": ("NQ",),
}  # fmt: skip
_BITS: Mapping[str, int] = {
    "valid": 8, "fill": 8, "vector": 11, "ring_id": 12, "index": 16, "xor_at": 11, "queue": 3,
    "first": 14, "agg_from": 14, "length": 14, "placement": 3, "value": 32, "iova": 64,
}  # fmt: skip
_BITS_ELSE = 16
_PARAMETERS: Mapping[str, Sequence[Any]] = {
    "vector": (0, 1, 2, 3, 4, 5, 31, 2047), "count": (1, 2, 16, 200), "state": (0, 1, 2, 3),
    "queue": (0, 1, 2, 3), "iova": (UNMAPPED, 0), "length": (1, 64, 4096),
    "event_id": (*range(0x50), 0xFF, 0xFFFE), "fw_status": (0, 0x7FFF, 0x8000, 0x8001, 0xFFFFFFFF),
    "cq_handle": (-1, 0, 1, 2, 0x7FFF, 1 << 32, (1 << 63) - 1),
    "what": GRANTED, "most": (1, 1, 2, 2, 3, 4, 8, 0, -1),
    "speed": ("", "25G", "100G", "200G-pam4"), "type": kinds("cqe.write")[1],
}  # fmt: skip
_DELAYS_NS = (1_000, 50_000, 1_000_000, 20_000_000, 500_000_000)
_ENTRY = ("cqe.write", "nqe.write")
_IDS = ("_id", "opaque", "agg_id", "index", "vector", "queue", "cq_handle_low", "cq_handle_high")


class Grammar:
    """Draws faults and their parts.

    :param wild: whether what :func:`is_wild` is drawn as well.
    """

    def __init__(self, random: Random, *, wild: bool = False) -> None:
        self.random = random
        self.wild = wild

    def refusal(self) -> int:
        """An error code of the firmware: one in five is drawn of ASKED_AGAIN, the others of all."""
        codes: tuple[int, ...] = ASKED_AGAIN if self.random.random() < BUSY else REFUSALS
        return self.random.choice(codes)

    def ordinal(self, passed: int = MOST_DRAWN, *, counted: bool = True) -> int:
        """Of 1 to ``passed``: below its root as often as above, and if they were ``counted`` now
        and then any, or one of the last."""
        top = max(passed, 1)
        few = min(int(2 ** self.random.uniform(0, top.bit_length())), top)
        if not counted:
            return few
        return self.random.choice((few, few, self.random.randint(1, top), top + 1 - few))

    def nth(self, where: str, match: Mapping[str, Any], passed: Mapping[str, int]) -> int:
        """An ordinal among the events that ``match`` fits, of as many as are expected."""
        counted = not match and where in passed
        return self.ordinal(expected(where, match, passed), counted=counted)

    def number(self, bits: int, siblings: Sequence[str] = (), *, is_id: bool = False) -> Any:
        """What a number of so many bits becomes: itself, or a mutation of the plan's language.

        Boundaries, off by one, a flipped bit, one seen earlier or in another field, or any, of any
        magnitude: a size that is a quarter of what it was is neither a boundary nor believed.
        """
        random, top = self.random, (1 << bits) - 1
        edges = (0, 1, top, top - 1, 1 << bits - 1, (1 << bits - 1) - 1)
        drawn: list[Any] = [
            max(random.choice(edges), 0),
            {"add": random.choice((1, -1))},
            {"xor": 1 << random.randrange(bits)},
            random.getrandbits(random.randint(1, min(bits, 63))),
            random.randrange(min(top + 1, 17)),
        ]
        others: list[dict[str, Any]] = [{"earlier": random.choice((1, 1, 2, 3, 8))}]
        if siblings:
            others.append({"field": random.choice(siblings)})
        chosen = random.choice(drawn + others * (3 if is_id else 1))
        return chosen if isinstance(chosen, dict) else min(chosen, (1 << 63) - 1)

    def kind(self, point: str) -> dict[str, Any]:
        """A match that names one kind of the point's events, or empty."""
        name, known = kinds(point)
        if point in USUAL and self.random.random() < 0.8:
            known = tuple(USUAL[point])
        match: dict[str, Any] = {name: self.random.choice(known)} if known else {}
        rings = _RINGS.get(match.get("purpose", ""))
        if rings and self.random.random() < 0.5:
            match["ring"] = self.random.choice(rings)
        if point in ("rx.frame", "rx.steer"):
            match = self.random.choice(({}, {"protocol": 6}, {"protocol": 1}))
        return match

    def settable(self, point: str, kind: str) -> Mapping[str, int]:
        """Field of an event -> its bits; 0 for one that is no number."""
        declared = {
            field.name: _BITS.get(field.name, _BITS_ELSE) if field.type == "int" else 0
            for field in POINTS[point].fields
            if field.settable
        }
        return declared | dict(members(point, kind))

    def change(self, point: str, kind: str, name: str) -> Any:
        """What a fault sets field ``name`` of such an event to."""
        fields = self.settable(point, kind)
        bits = fields[name]
        if name in ("refuse", "error_code"):
            return self.random.choice(REFUSALS)
        if name == "iova" and not self.wild:
            return UNMAPPED
        if point == "dma.write" and name == "length":
            return self.random.choice((0, 1, 4, 8, {"add": -1}, {"add": -16}))
        if not bits:
            known = kinds(point)[1]
            return self.random.choice(known if name == "type" else (True, False))
        same = [one for one, width in fields.items() if width == bits and one != name]
        return self.number(bits, same, is_id=name.endswith(_IDS))

    def fields(self, point: str, match: Mapping[str, Any]) -> dict[str, Any]:
        """One to three fields of an event that ``match`` fits, and what they become."""
        kind = str(match.get(kinds(point)[0], ""))
        known = list(self.settable(point, kind))
        if not known:
            return {}
        count = min(self.random.choice((1, 1, 1, 2, 3)), len(known))
        return {name: self.change(point, kind, name) for name in self.random.sample(known, count)}

    def later(self) -> dict[str, Any]:
        """A delay, or an event that is waited for."""
        if self.random.random() < 0.3:
            return {"after_ns": self.random.choice(_DELAYS_NS)}
        where = self.random.choice([name for name in POINTS if name not in STARTED])
        until: dict[str, Any] = {"where": where}
        if self.random.random() < 0.5 and (match := self.kind(where)):
            until["match"] = match
        if (nth := self.ordinal(16)) > 1:
            until["nth"] = nth
        if self.random.random() < 0.2:
            until["before"] = True
        return {"until": until}

    def card_action(self) -> dict[str, Any]:
        """Something that the card does of its own."""
        name = self.random.choice(list(CARD_ACTIONS))
        made: dict[str, Any] = {"action": "card", "do": name}
        return {**made, "params": params} if (params := self.parameters(name)) else made

    def parameters(self, name: str) -> dict[str, Any]:
        """Of the card action ``name``."""
        action, params = CARD_ACTIONS[name], dict[str, Any]()
        for name, one in action.params.items():
            if one.type == "bool":
                params[name] = self.random.random() < 0.5
            elif one.type == "int":
                params[name] = self.random.choice(_PARAMETERS.get(name) or self._any_number())
            elif one.type == "str":
                params[name] = self.random.choice(_PARAMETERS.get(name) or one.allowed)
            elif one.type == "hex":
                params[name] = frame(self.random).hex()
        if "fields" in action.params:
            params["fields"] = self.numbers_of(str(params["type"]))
        if action.name == "dma_write" and not self.wild:
            params["iova"] = UNMAPPED
        return params

    def _any_number(self) -> Sequence[int]:
        """Of 32 bits, or 16 of them."""
        random = self.random
        return (
            0,
            1,
            0xFFFFFFFF,
            random.getrandbits(5),
            random.getrandbits(16),
            random.getrandbits(32),
        )

    def numbers_of(self, kind: str) -> dict[str, int]:
        """Fields of a completion that nobody expects, as numbers."""
        known = members("cqe.write", kind)
        chosen = self.random.sample(sorted(known), min(3, len(known)))
        return {
            name: self.random.choice((0, 1, (1 << known[name]) - 1, self.random.randrange(64)))
            & ((1 << known[name]) - 1)
            for name in chosen
        }

    def what(self, point: str, match: Mapping[str, Any]) -> dict[str, Any]:
        """An action of the point on events that ``match`` fits."""
        action = self.random.choice(POINTS[point].actions).value
        made: dict[str, Any] = {"action": action}
        if action == "card":
            made = self.card_action()
            return made | self.later() if self.random.random() < 0.3 else made
        if action == "set":
            made["fields"] = self.fields(point, match)
        if action == "hold":
            made |= self.later()
        if action == "duplicate":
            made["count"] = self.random.choice((1, 1, 2, 5, 40))
            if self.random.random() < 0.5:
                made["fields"] = self.fields(point, match)
            if self.random.random() < 0.5:
                made |= self.later()
        return made

    def fault(self, passed: Mapping[str, int], point: str = "") -> Fault:
        """A fault; ``passed`` says how many events of each point there are, as far as known.

        It has no id yet; :func:`numbered` gives one. Tame unless the grammar is wild.
        """
        while True:
            where = point or self.random.choice(list(POINTS))
            match = self.kind(where) if self.random.random() < 0.8 else {}
            when: dict[str, Any] = {"match": match} if match else {}
            if where == "now":
                when |= {"after_ns": self.random.choice((0, *_DELAYS_NS))}
            else:
                when |= {"nth": self.nth(where, match, passed)}
            made: Fault = {"where": where, "when": when, "what": self.what(where, match)}
            if self.random.random() < 0.3 and where != "now":
                made["times"] = self.random.choice((0, 2, 5, 20, 200))
                when["every"] = self.random.choice((0, 1, 2, 7))
            if self.wild or not is_wild(made):
                return made


def expected(where: str, match: Mapping[str, Any], passed: Mapping[str, int]) -> int:
    """How many events fit ``match``: as counted, or a guess; of most kinds there is one a frame.

    ``passed`` has counts of points, and may have those of one kind as ``hwrm.request:RING_ALLOC``.
    """
    kind = match.get(kinds(where)[0])
    if isinstance(kind, str) and f"{where}:{kind}" in passed:
        return passed[f"{where}:{kind}"]
    frames = passed.get("rx.frame", 0) + passed.get("tx.frame", 0)
    events = passed.get(where, 0) or frames or MOST_DRAWN
    if not match:
        return events
    return min(events, MOST_OF_A_COMMAND) if where.startswith("hwrm.") else max(events // 3, 1)


def numbered(faults: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """The faults with ids that say where they are, each its own: equal faults, equal text."""
    return tuple(
        {"id": f"{i}-{one['where']}", **{k: v for k, v in one.items() if k != "id"}}
        for i, one in enumerate(faults, 1)
    )
